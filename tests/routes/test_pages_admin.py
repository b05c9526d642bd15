"""The admin page as it is read without a script: tiles, apps, notifications, and the newest log lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.config import parse
from core.settings import Settings
from core.site import Site
from core.store import Store
from services import targets_service, tiles_service
from services.target_pulse import Figures
from tests.conftest import TOKEN
from tests.panels.boards import HOSTILE, Parts
from tests.services.log_lines import line, store

ADMIN = "/dashboard/admin"
DECLARED = """
[[tiles]]
id = "users"
unit = "people"
link = "https://shop.example/users"
[[tiles]]
id = "queue.depth"
title = "Queue <b>depth</b>"
group = "Mail & more"
warn = 10
bad = 50
[[tiles]]
id = "billing"
group = "Mail & more"
source = { kind = "redis", command = "GET", key = "billing" }
[[targets]]
name = "shop"
title = "The shop"
url = "https://shop.example/metrics"
[[targets]]
name = "studio"
url = "https://studio.example/metrics"
"""


def text(page: str) -> str:
    return Parts(page).text


def card(page: str, id: str) -> str:
    """The text of one card."""
    found = re.search(rf'<article class="card[^"]*" id="{re.escape(id)}".*?</article>', page, re.DOTALL)
    assert found, f"there is no card {id}"
    return text(found[0])


@pytest.fixture
def declared(settings: Settings, store: Store) -> Iterator[Callable[[str], Flask]]:
    apps = list[Flask]()

    def make(toml: str) -> Flask:
        apps.append(create_app(settings, parse(toml, {})))
        apps[-1].testing = True
        return apps[-1]

    yield make
    for app in apps:
        app.extensions["headway"].store.close()


@pytest.fixture
def full(declared: Callable[[str], Flask]) -> FlaskClient:
    client = declared(DECLARED).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


def site_of(client: FlaskClient) -> Site:
    found: Site = client.application.extensions["headway"]
    return found


def test_the_page_is_whole_and_says_when_it_was_in_step(client: FlaskClient) -> None:
    page = client.get(ADMIN).text
    assert "<h1>Admin</h1>" in page
    words = text(page)
    for said in ("Last sync", "Disable live updates", "No notifications yet", "No log lines yet", "as [[targets]] in"):
        assert said in words
    for part in ("tiles", "targets", "notifications", "feed:logs"):
        assert f'data-live="{part}"' in page
    assert '<a href="/dashboard/admin" aria-current="page">Admin</a>' in page


def test_with_nothing_configured_the_usual_tiles_wait_and_one_is_shown_how_to_push(client: FlaskClient) -> None:
    page = client.get(ADMIN).text
    for id in ("users", "requests.total", "requests.tracking", "episodes_tracked"):
        assert "– waits for its first value" in card(page, f"tile-{id}")
    (line,) = re.findall(r'<pre id="first-value"[^>]*>([^<]+)</pre>', page)
    assert "curl -X PUT" in line
    assert "/api/v1/tiles/users" in line


def test_tiles_stand_in_their_groups_with_value_unit_state_age_and_link(full: FlaskClient) -> None:
    tiles_service.set_value(site_of(full), "users", 1204)
    tiles_service.set_value(site_of(full), "queue.depth", 12.5)
    page = full.get(ADMIN).text
    assert re.findall(r"<h2>(.*?)</h2>", page)[:2] == ["Tiles", "Mail &amp; more"]
    assert card(page, "tile-users").startswith("Users 1,204 people pushed")
    assert '<a href="https://shop.example/users"><bdi>Users</bdi></a>' in page
    assert card(page, "tile-queue.depth").startswith("Queue <b>depth</b> warning 12.5 pushed")
    assert 'class="card tile warn" id="tile-queue.depth"' in page
    assert "warn from 10, bad from 50" in page


def test_a_source_that_gives_nothing_says_why_since_when_and_its_last_good_value(full: FlaskClient) -> None:
    site = site_of(full)
    tiles_service.note_value(site, "billing", 1204, 0.012)
    tiles_service.note_failure(site, "billing", "the Redis server refused <i>us</i>", 0.1)
    told = card(full.get(ADMIN).text, "tile-billing")
    assert re.match(
        r"Billing unavailable 1,204 because the Redis server refused <i>us</i> Since .+ UTC ; this is from .+ UTC", told
    )


def test_a_tile_of_an_empty_source_shows_a_dash_and_not_a_zero(full: FlaskClient) -> None:
    tiles_service.note_value(site_of(full), "billing", None, 0.012)
    assert card(full.get(ADMIN).text, "tile-billing").startswith("Billing – its source has none, asked ")


def test_apps_show_their_pulse_and_one_that_is_down_says_why(full: FlaskClient) -> None:
    site = site_of(full)
    shop, studio = site.config.targets
    figures = Figures(41.7, 0.42, 0.084, 0.31, 5.1e8, 12.3)
    targets_service.note_scrape(site, shop, figures, ("http_requests_total",), (), 0.02)
    targets_service.note_failure(site, studio, "the connection was refused", 0.02)
    page = full.get(ADMIN).text
    told = card(page, "target-shop")
    for said in ("The shop up", "41.7 requests a second", "0.42 %", "84 ms", "310 ms", "510.0 MB", "12.3 %", "taken"):
        assert said in told
    down = card(page, "target-studio")
    assert down.startswith("Studio down – requests a second")
    assert "Down, because the connection was refused" in down


def test_an_app_that_nobody_asked_yet_is_neither_up_nor_down(full: FlaskClient) -> None:
    assert card(full.get(ADMIN).text, "target-shop").startswith("The shop not asked yet")


def test_an_empty_list_of_tiles_says_so(declared: Callable[[str], Flask]) -> None:
    client = declared("tiles = []").test_client()
    page = client.get(ADMIN, headers={"Authorization": f"Bearer {TOKEN}"}).text
    assert "No tiles." in page


def test_the_newest_lines_stand_in_a_viewer_whose_form_leads_to_the_page_of_logs(
    client: FlaskClient, site: Site
) -> None:
    store(site, line("hello from here"))
    page = client.get(ADMIN).text
    assert "hello from here" in page
    assert '<form class="filters" method="get" action="/dashboard/logs"' in page
    assert 'name="range"' not in page


def test_hostile_names_of_tiles_and_apps_stay_text(declared: Callable[[str], Flask]) -> None:
    evil = HOSTILE[:90].replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    toml = f'[[tiles]]\nid = "a"\ntitle = "{evil}"\nunit = "<b>u</b>"\ngroup = "{evil[:50]}"\n'
    toml += f'[[targets]]\nname = "t"\ntitle = "{evil}"\nurl = "https://x.example/metrics"'
    client = declared(toml).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    tiles_service.set_value(site_of(client), "a", 1)
    for name in ("tiles", "targets"):
        parts = Parts(client.get(f"{ADMIN}/{name}").text)
        assert {"img", "script", "iframe"}.isdisjoint(parts.tags)
        assert not any(attribute.startswith("on") for attribute, _ in parts.attributes)
        assert HOSTILE[:20] in parts.text


def test_parts_of_the_page_are_polled_under_their_tags(client: FlaskClient) -> None:
    for path in (f"{ADMIN}/tiles", f"{ADMIN}/targets", "/dashboard/notifications/newest"):
        first = client.get(path)
        assert client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert client.get(f"{ADMIN}/secrets").status_code == 404


def test_the_clock_of_the_site_tells_the_ages(full: FlaskClient) -> None:
    site = replace(site_of(full), clock=lambda: 1_795_000_000.0)
    tiles_service.set_value(site, "users", 1)
    assert 'datetime="2026-11-18T' in full.get(ADMIN).text
