"""Contracts: the page, its panels and their two routes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import redis

from tests.conftest import wait_until
from tests.serving import Server

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
NAMES = {"stats": ("System Pulse", 5), "metrics": ("Prometheus", 10), "recent-uploads": ("Recent uploads", 10),
         "redis-latency": ("Redis latency", 5), "cache-hit-rate": ("Cache hit rate", 5)}  # fmt: skip
ROUTES = [f"/dashboard/api/{name}{suffix}" for name in NAMES for suffix in ("", "-html")]


class Elements(HTMLParser):
    """Every element of a page: its tag and attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))


def page(site: Server, path: str = "/dashboard/observability") -> tuple[str, Elements]:
    answer = site.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer.text, Elements(answer.text)


def times_in(value: Any, name: str = "") -> list[str]:
    """Every text of a JSON value that stands where a time does."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in times_in(inner, key)]
    if isinstance(value, list):
        return [found for inner in value for found in times_in(inner, name)]
    return [value] if isinstance(value, str) and (name in ("at", "timestamp") or name.endswith("_at")) else []


def test_the_root_leads_to_the_page(here: Server) -> None:
    answer = here.get("/")
    assert answer.status in (302, 303, 307, 308)
    assert answer.headers["Location"] == "/dashboard/observability"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_polls_each_panel_at_its_interval(here: Server, name: str) -> None:
    title, every = NAMES[name]
    text, elements = page(here)
    (shell,) = [found for _, found in elements.all if found.get("hx-get") == f"/dashboard/api/{name}-html"]
    assert shell["hx-trigger"] and shell["hx-trigger"].split(",")[0] == f"every {every}s"
    assert f">{title}</h2>" in text


def test_the_first_paint_holds_what_each_partial_holds(here: Server) -> None:
    text, _ = page(here)
    partial = here.get("/dashboard/api/recent-uploads-html").text
    assert partial in text


@pytest.mark.parametrize("path", ROUTES)
def test_each_panel_answers_with_a_tag_and_304(here: Server, path: str) -> None:
    def unchanged() -> bool:
        answer = here.get(path)
        assert answer.status == 200
        kind = "text/html; charset=utf-8" if path.endswith("-html") else "application/json"
        assert answer.headers["Content-Type"] == kind
        again = here.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        return (again.status, again.body, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])

    wait_until(unchanged, what="a panel that is the same twice in a row")
    assert here.get(path, headers={"If-None-Match": '"another"'}).status == 200


@pytest.mark.parametrize("name", NAMES)
def test_a_partial_is_a_fragment_that_acts_by_nothing(here: Server, name: str) -> None:
    answer = here.get(f"/dashboard/api/{name}-html", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    for _, attributes in Elements(answer.text).all:
        acting = [found for found in attributes if found.startswith(("hx-", "data-hx-", "on"))]
        assert acting in ([], ["hx-morph-skip"])


@pytest.mark.parametrize("name", NAMES)
def test_times_are_utc_with_a_z(here: Server, name: str) -> None:
    times = times_in(here.get(f"/dashboard/api/{name}").json())
    assert times
    assert [text for text in times if not TIME.fullmatch(text)] == []


def test_stats_holds_its_fields_as_numbers(here: Server) -> None:
    stats = here.get("/dashboard/api/stats").json()
    for name in ("uptime_hours", "total_requests", "redis_latency_ms", "cache_hits_total", "cache_misses_total",
                 "dashboard_refresh_total", "htmx_events_total"):  # fmt: skip
        assert isinstance(stats[name], (int, float)) and stats[name] >= 0, name
    assert stats["cache_hit_rate"] is None or 0 <= stats["cache_hit_rate"] <= 100
    assert TIME.fullmatch(stats["timestamp"])


def test_the_panels_hold_what_they_draw(here: Server) -> None:
    latency = wait_until(lambda: here.get("/dashboard/api/redis-latency").json()["points"])
    assert 1 <= len(latency) <= 20
    assert latency[0].keys() == {"at", "latency_ms"}
    assert here.get("/dashboard/api/cache-hit-rate").json().keys() >= {"hit_rate", "hits", "misses"}
    assert "# TYPE headway_uptime_seconds gauge" in here.get("/dashboard/api/metrics").json()["text"]


def test_each_poll_counts_as_a_refresh_and_with_htmx_as_an_event(here: Server) -> None:
    path = "/dashboard/api/cache-hit-rate-html"

    def counted() -> tuple[float, float]:
        text = here.get("/metrics?scope=instance").text
        return tuple(
            float(line.split()[1])
            for name in ("dashboard_refresh", "htmx_events")
            for line in text.splitlines()
            if line.startswith(f'headway_{name}_total{{panel="cache-hit-rate"}}')
        )  # type: ignore[return-value]

    refreshes, events = counted()
    tag = here.get(path).headers["ETag"]
    for _ in range(4):
        here.get(path, headers={"HX-Request": "true", "If-None-Match": tag})
    assert counted() == (refreshes + 5, events + 4)
    stats = "/dashboard/api/stats"  # read at most once a second, so it may tell of a moment ago
    wait_until(lambda: here.get(stats).json()["htmx_events_total"] >= events + 4, what="the events on the page")


def test_the_snapshot_lies_in_the_store_as_json_for_half_a_minute(here: Server) -> None:
    with redis.Redis(unix_socket_path=str(here.data / "valkey.sock")) as store:
        here.get("/dashboard/api/jobs")
        assert store.type("analytics_snapshot_cache") == b"string"
        snapshot = json.loads(store.get("analytics_snapshot_cache"))  # type: ignore[arg-type]
        assert 0 < store.ttl("analytics_snapshot_cache") <= 30  # type: ignore[operator]
    assert snapshot.keys() >= {"taken_at", "success_rate", "jobs_per_minute", "agents", "uploads"}


def test_counts_are_live_while_the_snapshot_rests(here: Server) -> None:
    def queued() -> int:
        return int(here.get("/dashboard/api/jobs").json()["queued"])

    before = queued()
    assert here.post("/api/v1/queue", json={}).status == 201
    wait_until(lambda: queued() == before + 1, within=10, what="the new job in the live count")


def test_every_list_links_to_each_thing_that_can_be_opened(here: Server) -> None:
    number = here.post("/api/v1/queue", json={"title": "to be opened"}).json()["queue_id"]
    _, jobs = page(here, "/dashboard/jobs")
    assert f"/dashboard/jobs/{number}" in [found.get("href") for tag, found in jobs.all if tag == "a"]
    text, _ = page(here, f"/dashboard/jobs/{number}")
    assert "to be opened" in text
    headers = {"Content-Type": "application/x-ndjson"}
    here.post("/dashboard/uploads?name=history.ndjson", b'{"id":"h","status":"queued"}\n', headers=headers)
    _, uploads = page(here, "/dashboard/uploads")
    links = [found.get("href") or "" for tag, found in uploads.all if tag == "a"]
    assert [link for link in links if re.fullmatch(r"/dashboard/uploads/\d+", link)]


def test_the_header_tells_the_state_and_has_one_button_to_pause(here: Server) -> None:
    text, elements = page(here)
    assert "Last sync" in text
    assert len([found for _, found in elements.all if found.get("data-action") == "pause"]) == 1
    assert [found for _, found in elements.all if found.get("data-state") == "live"]
