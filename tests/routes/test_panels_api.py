"""Each panel's two routes, as its declaration makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from core import metrics
from core.site import Site
from panels import PANELS, Board, _board

BOTH = [(name, suffix) for name in PANELS for suffix in ("", "-html")]


@dataclass(frozen=True)
class Figures:
    hit_rate: float | None = 50.0
    hits: int = 1
    misses: int = 1


def with_data(app: Flask, site: Site, data) -> None:  # type: ignore[no-untyped-def]
    """Let one panel's data be as the test says, for the routes of the application."""
    panels = {**PANELS, "cache-hit-rate": replace(PANELS["cache-hit-rate"], data=data)}
    app.extensions["headway.board"] = Board(site, app.jinja_env, panels)


def counted(metric, name: str) -> float:  # type: ignore[no-untyped-def]
    return metric.labels(panel=name)._value.get()


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_answers_json_with_when_it_was_taken(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/dashboard/api/{name}")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json is not None
    assert answer.json["timestamp"].endswith("Z")
    assert answer.json["took_ms"] >= 0


@pytest.mark.parametrize("name", PANELS)
def test_a_partial_carries_nothing_that_acts(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/dashboard/api/{name}-html")
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    acting = answer.text.replace("hx-morph-skip", "")
    assert "hx-" not in acting
    assert "<script" not in acting
    assert " style=" not in acting


@pytest.mark.parametrize(("name", "suffix"), BOTH)
def test_who_has_it_already_gets_304_without_a_body(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, name: str, suffix: str
) -> None:
    monkeypatch.setattr(_board, "FRESH_S", 600)  # it may take longer to ask often than a panel stays unchanged
    address = f"/dashboard/api/{name}{suffix}"
    etag = client.get(address).headers["ETag"]
    assert etag.startswith('W/"')
    for sent in (etag, etag[2:], f'"other", {etag}', "*"):
        again = client.get(address, headers={"If-None-Match": sent})
        assert (again.status_code, again.data) == (304, b""), sent
        assert again.headers["ETag"] == etag
        assert "Content-Type" not in again.headers
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(("name", "suffix"), BOTH)
def test_each_answer_to_a_poll_counts_and_each_request_of_htmx(client: FlaskClient, name: str, suffix: str) -> None:
    address = f"/dashboard/api/{name}{suffix}"
    refreshes, events = counted(metrics.DASHBOARD_REFRESH, name), counted(metrics.HTMX_EVENTS, name)
    etag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": etag, "HX-Request": "true"}).status_code == 304
    client.get(address, headers={"HX-Request": "true"})
    assert counted(metrics.DASHBOARD_REFRESH, name) == refreshes + 3
    assert counted(metrics.HTMX_EVENTS, name) == events + 2


@pytest.mark.parametrize(("name", "suffix"), BOTH)
def test_a_panel_is_for_those_who_may_read(app: Flask, name: str, suffix: str) -> None:
    assert app.test_client().get(f"/dashboard/api/{name}{suffix}").status_code == 401


def test_an_unavailable_panel_is_a_problem_as_json(app: Flask, site: Site, client: FlaskClient) -> None:
    def data(_: Site) -> Figures:
        raise redis.ConnectionError("secret-host")

    with_data(app, site, data)
    answer = client.get("/dashboard/api/cache-hit-rate")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] == "5"
    assert answer.json is not None
    assert answer.json["reason"] == "the store can't be reached"
    assert answer.json["panel"] == "cache-hit-rate"
    assert answer.json["since"].endswith("Z")
    assert "secret-host" not in answer.text


def test_an_unavailable_panel_swaps_as_a_partial_and_names_the_store(
    app: Flask, site: Site, client: FlaskClient
) -> None:
    def data(_: Site) -> Figures:
        raise redis.ConnectionError("secret-host")

    with_data(app, site, data)
    answer = client.get("/dashboard/api/cache-hit-rate-html", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer.headers["Headway-Unavailable"] == "the store can't be reached"
    assert "Unavailable" in answer.text
    again = client.get("/dashboard/api/cache-hit-rate-html", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.headers["Headway-Unavailable"]) == (304, "the store can't be reached")


def test_one_bad_panel_leaves_the_others_and_the_page_alone(app: Flask, site: Site, client: FlaskClient) -> None:
    def data(_: Site) -> Figures:
        raise ZeroDivisionError

    with_data(app, site, data)
    page = client.get("/dashboard/observability")
    assert page.status_code == 200
    assert page.text.count('<div class="unavailable"') == 1
    assert "reading it failed (ZeroDivisionError)" in page.text
    assert client.get("/dashboard/api/stats").status_code == 200


def test_the_answer_tells_what_the_reading_cost(client: FlaskClient) -> None:
    assert client.get("/dashboard/api/stats-html").headers["Server-Timing"].startswith("panel;dur=")


def test_a_panel_that_nobody_declared_is_not_found(client: FlaskClient) -> None:
    assert client.get("/dashboard/api/unheard-of").status_code == 404
