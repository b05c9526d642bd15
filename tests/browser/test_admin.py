"""The admin page while it is open: tiles and notifications come by themselves, and one button rests it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visit
from tests.browser.test_motion import MOVED, NOTE_MOVES
from tests.browser.test_stream import HOSTILE

Go = Callable[..., Visit]
ADMIN = "/dashboard/admin"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PAGES = [ADMIN, "/dashboard/logs", "/dashboard/notifications"]


def note(site: Site, title: str, **said: str) -> None:
    site.ask("POST", "/api/v1/notifications", {"title": title, **said})


def push(site: Site, id: str, value: float) -> None:
    site.ask("PUT", f"/api/v1/tiles/{id}", {"value": value})


def switch(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"{name} live updates").click()


@pytest.fixture(scope="module")
def full(headway: Site) -> Site:
    """With long and hostile texts everywhere on these pages."""
    long = HOSTILE + "m" * 300
    note(headway, long[:500], body=long, level="error")
    push(headway, "a" * 60 + "." + "b" * 60, 1e300)
    for level in ("debug", "info", "warning", "error", "critical"):
        headway.ask(
            "POST", "/api/v1/logs", {"message": f"\x1b[34;47m{long}\x1b[0m", "level": level, "source": "s" * 80}
        )
    return headway


def test_a_new_notification_slides_in_at_the_top_without_a_poll(headway: Site, visit: Go) -> None:
    note(headway, "was there")
    seen = visit(headway, ADMIN, reduced_motion="no-preference")
    seen.streaming()
    seen.until("() => 'moving' in document.documentElement.dataset")
    seen.page.evaluate(NOTE_MOVES)
    note(headway, "is new", body="as of now", level="warning")
    first = seen.page.locator("#region-notifications tbody tr").first
    expect(first).to_contain_text("is new")
    seen.until(MOVED, f"{first.get_attribute('id')} translate")
    assert [url for url in seen.asked if "newest" in url] == []


def test_a_pushed_value_shows_by_itself_nothing_jumps_and_the_page_says_when_it_was_in_step(
    headway: Site, visit: Go
) -> None:
    push(headway, "users", 1203)
    seen = visit(headway, ADMIN, viewport={"width": 1440, "height": 900})
    seen.streaming()
    card, syncs = seen.page.locator("#tile-users"), seen.page.locator("[data-sync]")
    before, was = card.bounding_box(), syncs.last.get_attribute("datetime")
    push(headway, "users", 1204)
    expect(card.locator("[data-figure]")).to_have_text("1,204")
    assert card.bounding_box() == before
    assert [url for url in seen.asked if "/admin/tiles" in url] == []
    seen.until("was => document.querySelector('[data-sync]').dateTime > was", was)
    expect(syncs).to_have_count(1)


def test_on_a_phone_tiles_stand_by_two_and_a_channel_is_said_to_be_one(headway: Site, visit: Go) -> None:
    for id in ("first", "second"):
        push(headway, id, 1)
    note(headway, "for the page")
    page = visit(headway, ADMIN, viewport={"width": 390, "height": 800}).page
    boxes = [page.locator(f"#tile-{id}").bounding_box() for id in ("first", "second")]
    assert all(box and box["width"] < 200 for box in boxes), boxes
    before = "cell => getComputedStyle(cell, '::before').content"
    assert page.locator(".notes tbody td:nth-child(4)").first.evaluate(before) == '"to "'


def test_the_one_button_rests_all_live_updates_and_catches_up(headway: Site, visit: Go) -> None:
    seen = visit(headway, ADMIN)
    seen.streaming()
    page, last = seen.page, seen.page.locator("[data-rows] .log").last
    switch(page, "Disable")
    expect(page.locator("[data-state-word]")).to_have_text("Paused")
    push(headway, "users", 77_001)
    note(headway, "made while paused")
    headway.ask("POST", "/api/v1/logs", {"message": "logged while paused"})
    page.wait_for_timeout(500)
    assert "77,001" not in seen.text("main")
    switch(page, "Enable")
    expect(page.locator("#tile-users")).to_contain_text("77,001")
    expect(page.locator("#region-notifications tbody tr").first).to_contain_text("made while paused")
    expect(last).to_contain_text("logged while paused")
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Enable live updates")).to_be_visible()


def test_the_pages_are_whole_without_javascript(full: Site, visit: Go) -> None:
    seen = visit(full, ADMIN, java_script_enabled=False)
    for part in ("tiles", "targets", "notifications"):
        expect(seen.page.locator(f"#region-{part}")).to_be_visible()
    assert seen.page.get_by_role("button", name="live updates").count() == 0
    seen.page.fill("[name=q]", "nowhere to be found")
    seen.page.get_by_role("button", name="Filter").click()
    expect(seen.page.get_by_text("No line fits")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_long_and_hostile_texts_break_nothing_at_any_width_in_either_theme(full: Site, visit: Go, path: str) -> None:
    seen = visit(full, path, viewport={"width": 390, "height": 800}, bypass_csp=True)  # axe runs as a string
    seen.streaming()
    page = seen.page
    expect(page.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=0.9)
    page.locator(".tabs a").last.scroll_into_view_if_needed()
    expect(page.locator(".tabs a").last).to_be_in_viewport(ratio=0.9)
    seen.looks_right(390, 768, 1440)
    assert page.locator("main img, main iframe, main script").count() == 0
    assert HOSTILE[:20] in page.locator("main").inner_text()
    assert page.evaluate("() => window.pwned") is None


def test_the_pages_are_reached_by_keyboard(headway: Site, visit: Go) -> None:
    page = visit(headway, "/dashboard/jobs").page
    for key, place in (("d", ADMIN), ("l", "/dashboard/logs")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(lambda url, place=place: url.endswith(place))
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.name") == "q"
