"""Alerts in a real browser: what fires is said on every open page by itself, can be muted, and a rule can be tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit
from tests.conftest import TOKEN, Valkey, free_port
from tests.serving import Server

Go = Callable[..., Visit]
ALERTS = "/dashboard/alerts"
RULES = f"""
[[alerts]]
id = "mails"
title = "Too many mails"
when = {{ kind = "tile", tile = "mails", above = 100, clear = 50 }}
severity = "error"

[[alerts]]
id = "hostile"
title = "<img src=x onerror=alert(1)> {"wide" * 15}"
when = {{ kind = "queue_depth", above = 1000, agent = "{"a" * 128}" }}
"""
TRIED = '[[alerts]]\nid = "m"\nwhen = { kind = "tile", tile = "mails", above = 10 }'


@pytest.fixture(scope="module")
def declaring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One Headway whose headway.toml declares two alerts."""
    file: Path = tmp_path_factory.mktemp("config") / "headway.toml"
    file.write_text(RULES)
    store = Valkey().start()
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url, "HEADWAY_CONFIG": str(file)})
    try:
        yield Site(server.start(), store)
    finally:
        server.close()
        store.close()


@pytest.fixture
def mails(declaring: Site) -> Iterator[Callable[[int], None]]:
    """Tells how many mails wait; the alert is not muted when the test is over."""

    def tell(many: int) -> None:
        declaring.ask("PUT", "/api/v1/tiles/mails", {"value": many})

    yield tell
    declaring.ask("DELETE", "/api/v1/alerts/mails/mute")


def test_a_banner_comes_and_goes_by_itself_on_a_page_without_other_live_parts(
    declaring: Site, visit: Go, mails: Callable[[int], None]
) -> None:
    """A completed job's page is at rest, but for this."""
    mails(0)
    number = declaring.make("done", status="completed")
    pages = [visit(declaring, f"/dashboard/jobs/{number}"), visit(declaring, stream="none")]
    for seen in pages:
        seen.live()
    banners = [seen.page.locator(".banners[role=status] .alarm") for seen in pages]
    for banner in banners:
        expect(banner).to_have_count(0)
    mails(142)
    for banner in banners:
        expect(banner).to_contain_text("An alert fires. Error: Too many mails since")
    assert banners[0].get_by_role("link").get_attribute("href") == f"{ALERTS}#alert-mails"
    declaring.ask("PUT", "/api/v1/alerts/mails/mute", {"for": "2h"})
    for banner in banners:
        expect(banner).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_moves_when_the_banner_comes_and_goes(
    declaring: Site, visit: Go, mails: Callable[[int], None], width: int
) -> None:
    declaring.ask("PUT", "/api/v1/alerts/mails/mute", {"for": "2h"})
    mails(142)
    seen = visit(declaring, "/dashboard/jobs", viewport={"width": width, "height": 800})
    seen.streaming()
    banner, search = seen.page.locator(".alarm"), seen.page.locator("form.seek")
    expect(banner).to_have_count(0)
    before = search.bounding_box()
    declaring.ask("DELETE", "/api/v1/alerts/mails/mute")
    expect(banner).to_contain_text("Too many mails")
    assert search.bounding_box() == before
    shown, heading = banner.bounding_box(), seen.page.locator("h1").bounding_box()
    assert shown and heading and shown["y"] + shown["height"] <= heading["y"]
    declaring.ask("PUT", "/api/v1/alerts/mails/mute", {"for": "2h"})
    expect(banner).to_have_count(0)
    assert search.bounding_box() == before


def test_an_alert_is_muted_and_unmuted_without_a_script(
    declaring: Site, visit: Go, mails: Callable[[int], None]
) -> None:
    mails(142)
    watching = visit(declaring, ALERTS)
    expect(watching.page.locator("#alert-mails .how")).to_contain_text("firing · error")
    seen = visit(declaring, ALERTS, java_script_enabled=False)
    row = seen.page.locator("#alert-mails")
    row.locator("summary").click()
    expect(row.get_by_role("button", name="Until 8:00 UTC")).to_be_visible()
    row.get_by_role("button", name="2 h", exact=True).click()
    expect(row.locator(".how")).to_contain_text("muted")
    assert seen.page.locator(".alarm").count() == 0
    expect(watching.page.locator("#alert-mails .how")).to_contain_text("muted")
    expect(watching.page.locator(".alarm")).to_have_count(0)
    row.get_by_role("button", name="Unmute").click()
    expect(row.locator("summary")).to_be_visible()


def test_until_eight_is_the_reader_s_eight(declaring: Site, visit: Go) -> None:
    page = visit(declaring, ALERTS, timezone_id="Asia/Tokyo").page
    row = page.locator("#alert-mails")
    row.locator("summary").click()
    row.get_by_role("button", name="Until 8:00", exact=True).click()
    expect(row.locator("time[data-when=moment]")).to_contain_text("08:00")
    row.get_by_role("button", name="Unmute").click()


def test_a_rule_is_tried_and_what_is_wrong_with_one_is_said(
    declaring: Site, visit: Go, mails: Callable[[int], None]
) -> None:
    mails(142)
    seen = visit(declaring, ALERTS)
    seen.page.get_by_label("A rule as it would stand").fill(TRIED.replace("above", "abve"))
    seen.faults.clear()
    seen.page.get_by_role("button", name="Try it").click()
    expect(seen.page.get_by_role("alert")).to_contain_text("abve: is no field here")
    seen.faults[:] = [fault for fault in seen.faults if "422" not in fault]
    seen.page.get_by_label("A rule as it would stand").fill(TRIED)
    seen.page.get_by_role("button", name="Try it").click()
    expect(seen.page.locator(".verdict")).to_contain_text("Fires when Mails is above 10;")
    assert seen.page.locator("#tried-toml").inner_text() == TRIED


def test_nothing_scrolls_sideways_and_axe_finds_nothing_serious_while_an_alert_fires_whatever_titles_say(
    declaring: Site, visit: Go, mails: Callable[[int], None]
) -> None:
    mails(142)
    seen = visit(declaring, ALERTS, bypass_csp=True)
    expect(seen.page.locator(".alarm")).to_have_count(1)
    for name in ("mails", "hostile"):
        seen.page.locator(f"#alert-{name} summary").click()
    seen.looks_right(390, 1440)
    assert seen.page.locator("main img").count() == 0


def test_the_page_is_reached_by_keyboard(declaring: Site, visit: Go) -> None:
    page = visit(declaring).page
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url(lambda url: url.endswith(ALERTS))
