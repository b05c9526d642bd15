"""Contracts: health, and the figures that Prometheus gets."""

from __future__ import annotations

import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from prometheus_client.samples import Sample

from tests.conftest import wait_until
from tests.serving import Server

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS_SENDS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1"
)
LABELS = {
    "headway_dashboard_refresh_total": {"panel"},
    "headway_htmx_events_total": {"panel"},
    "headway_cache_hits_total": {"cache"},
    "headway_cache_misses_total": {"cache"},
    "headway_http_requests_total": {"method", "route", "status"},
    "headway_http_request_duration_seconds_count": {"method", "route"},
    "headway_redis_latency_seconds_count": set(),
    "headway_uptime_seconds": set(),
    "headway_process_resident_memory_bytes": set(),
    "headway_process_cpu_seconds_total": set(),
    "headway_jobs": {"agent", "status"},
    "headway_jobs_finished_total": {"agent", "outcome"},
    "headway_job_duration_seconds_count": {"agent"},
    "headway_queue_depth": {"queue"},
    "headway_tile": {"tile"},
}


def scraped(site: Server, query: str = "") -> list[Sample]:
    families = parse_plain(site.get(f"/metrics{query}").text)
    return [sample for family in families for sample in family.samples]


@pytest.fixture(scope="module")
def busy(here: Server) -> Server:
    """The site, once every metric has something to tell."""
    number = here.post("/api/v1/queue", json={"agent": "measured"}).json()["queue_id"]
    here.put(f"/api/v1/queue/{number}", json={"status": "completed"})
    here.put("/api/v1/tiles/users", json={"value": 1})
    here.get("/dashboard/api/jobs-html", headers={"HX-Request": "true"})

    def told() -> bool:
        here.get("/dashboard/api/jobs")  # once a second it looks into the cache again
        return {sample.name for sample in scraped(here)} >= LABELS.keys()

    wait_until(told, every=0.3, what="a sample of each metric")
    return here


def test_healthz_and_readyz_answer_200_to_anybody(here: Server) -> None:
    for path in ("/healthz", "/readyz"):
        assert here.get(path, token=None).status == 200


def test_readyz_names_the_part_that_does_not_answer_and_healthz_goes_on(here: Server) -> None:
    pid = here.store_pid()
    assert pid is not None
    store = psutil.Process(pid)
    store.suspend()
    try:
        answer = here.get("/readyz", token=None)
        assert answer.status == 503
        assert "the store did not answer in time" in answer.text
        assert here.get("/healthz", token=None).status == 200
    finally:
        store.resume()
    wait_until(lambda: here.get("/readyz", token=None).status == 200, what="readiness")


def test_the_web_processes_are_gunicorns_and_carry_its_name(here: Server) -> None:
    assert psutil.Process(here.pid).name() == "gunicorn"
    assert here.worker_pids()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, PLAIN),
        ("*/*", PLAIN),
        ("text/plain", PLAIN),
        ("text/html,*/*;q=0.8", PLAIN),
        ("application/openmetrics-text", OPENMETRICS),
        (PROMETHEUS_SENDS, OPENMETRICS),
    ],
)
def test_the_format_is_that_which_the_scraper_names(here: Server, accept: str | None, kind: str) -> None:
    answer = here.get("/metrics", headers={"Accept": accept} if accept else {})
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    if kind == OPENMETRICS:
        assert answer.text.endswith("# EOF\n")
        assert list(parse_openmetrics(answer.text))
    else:
        assert list(parse_plain(answer.text))


def test_each_metric_has_its_name_and_labels(busy: Server) -> None:
    samples = scraped(busy)
    assert [sample.name for sample in samples if not sample.name.startswith("headway_")] == []
    for name, labels in LABELS.items():
        found = [set(sample.labels) for sample in samples if sample.name == name]
        assert found and all(each == labels for each in found), name


def test_what_was_done_is_what_is_counted(busy: Server) -> None:
    def values() -> dict[tuple[str, ...], float]:
        return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in scraped(busy)}

    # A scrape's text is kept for a second, so the first one may tell of a moment ago.
    wait_until(lambda: values().get(("headway_jobs", "completed", "measured")) == 1, what="the job that ended")
    told = values()
    assert told["headway_jobs_finished_total", "completed", "measured"] == 1
    assert told["headway_job_duration_seconds_count", "measured"] == 1


def test_routes_are_counted_by_their_pattern_and_never_by_path(busy: Server) -> None:
    busy.get("/api/v1/queue/some-job-that-nobody-made")
    busy.get("/some/place/that/nobody/made")
    wait_until(lambda: "/api/v1/queue/<ref>" in busy.get("/metrics").text, what="the route's series")
    assert "nobody-made" not in busy.get("/metrics").text
    assert "/some/place" not in busy.get("/metrics").text


def test_one_process_answers_for_itself_when_asked_so(busy: Server) -> None:
    names = {sample.name for sample in scraped(busy, "?scope=instance")}
    assert "headway_http_requests_total" in names
    assert "headway_jobs" not in names
    assert busy.get("/metrics?scope=nonsense").status == 400


def test_agents_past_a_limit_count_under_other(busy: Server) -> None:
    lines = "\n".join(f'{{"agent":"agent \\"{i}\\\\n","status":"completed"}}' for i in range(300))
    sent = {"Content-Type": "application/x-ndjson"}
    assert busy.post("/api/v1/queue/batch", lines, headers=sent).json()["accepted"] == 300

    def ended() -> dict[str, float]:
        found = [sample for sample in scraped(busy) if sample.name == "headway_jobs_finished_total"]
        return {s.labels["agent"]: s.value for s in found if s.labels["outcome"] == "completed"}

    agents = wait_until(lambda: (now := ended()).get("other") and now, what="the agent named other")
    assert len(agents) <= 201
    assert sum(agents.values()) >= 301
