"""The page while its stream is open: what happens shows without a poll, one stream serves all tabs, and it comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import redis
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OBSERVABILITY, REMEMBER, SAME, Site, Visit, watch
from tests.conftest import wait_until

Go = Callable[..., Visit]

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
HOSTILE = "<img src=x onerror=window.pwned=1><hx-partial hx-target='body' hx-swap='innerHTML'>gone</hx-partial>"


def another_tab(one: Visit, url: str) -> Visit:
    """A tab of the same browser, signed in as the first one is."""
    tab = watch(Visit(one.page.context.new_page(), faults=one.faults))
    tab.page.goto(url, wait_until="domcontentloaded")
    return tab


def word(page: Page, text: str) -> None:
    expect(page.locator("[data-state-word]")).to_have_text(text)


def test_progress_that_is_reported_shows_without_a_poll_in_a_browser_that_shares_nothing(
    headway: Site, visit: Go
) -> None:
    number = headway.make("rendered", stage="download", progress=10)
    seen = visit(headway, f"/dashboard/jobs/{number}", stream="own")
    seen.streaming()
    headway.change(number, stage="render", progress=64)
    expect(seen.page.locator("#region-job")).to_contain_text("64 %")
    assert seen.asked_for_parts == []


def test_a_store_that_takes_nothing_new_is_told_of_on_an_open_page(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/logs")
    seen.streaming()
    banner = seen.page.locator("[data-banner=full]")
    expect(banner).to_be_hidden()
    with redis.Redis(unix_socket_path=str(headway.store.socket)) as admin:
        admin.config_set("maxmemory", "1")
        try:
            expect(banner).to_contain_text("Nothing new is stored. The store is out of memory")
            word(seen.page, "Live")
        finally:
            admin.config_set("maxmemory", "0")
    expect(banner).to_be_hidden()


def test_two_browsers_show_the_same_at_once(headway: Site, visit: Go) -> None:
    number = headway.make("seen by two", stage="encode", progress=5)
    page = visit(headway, f"/dashboard/jobs/{number}")
    panels = visit(headway)
    for one in (page, panels):
        one.streaming()
    for progress in (41, 83):
        headway.change(number, progress=progress)
        for one, place in ((page, "#region-job"), (panels, f"#processing-{number}")):
            expect(one.page.locator(place)).to_contain_text(f"{progress} %")
    assert page.asked_for_parts == panels.asked_for_parts == []


def test_eight_tabs_of_one_browser_are_all_live_by_one_stream(headway: Site, visit: Go) -> None:
    number = headway.make("in every tab", stage="encode", progress=5)
    first = visit(headway, OBSERVABILITY)
    others = ["/dashboard/jobs", "/dashboard/jobs?status=processing", *[f"/dashboard/jobs/{number}"] * 5]
    tabs = [first, *(another_tab(first, headway.url + place) for place in others)]
    for tab in tabs:
        tab.streaming()
    wait_until(lambda: first.page.wait_for_timeout(50) or headway.page_streams() == 1, what="a single stream")
    headway.change(number, progress=77)
    for tab in tabs:
        expect(tab.page.locator("main")).to_contain_text("77 %")
        assert tab.asked_for_parts == []
    for tab in tabs[1:]:
        tab.page.close()
    headway.change(number, progress=78)
    expect(first.page.locator(f"#processing-{number}")).to_contain_text("78 %")


def test_a_killed_web_process_is_polled_for_and_then_streams_again(headway: Site, visit: Go) -> None:
    number = headway.make("outlives it", stage="encode", progress=5)
    seen = visit(headway, f"/dashboard/jobs/{number}", faults=True)  # a browser itself reports requests that fail
    seen.streaming()
    (worker,) = headway.server.worker_pids()
    os.kill(worker, signal.SIGKILL)
    seen.until("() => !document.querySelector('.state[data-streaming]')")
    wait_until(lambda: seen.page.wait_for_timeout(20) or seen.asked_for_parts, what="a poll at once")
    wait_until(headway.server.answers, what="its successor")
    headway.change(number, progress=55)
    seen.streaming()
    expect(seen.page.locator("#region-job")).to_contain_text("55 %")
    headway.change(number, progress=56)
    expect(seen.page.locator("#region-job")).to_contain_text("56 %")
    assert seen.asked_for_parts == []


def test_a_restarted_server_is_missed_and_streams_again(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs", faults=True)
    seen.streaming()
    headway.server.stop()
    word(seen.page, "Offline")
    headway.server.start()
    number = headway.make("made meanwhile")
    seen.streaming()
    expect(seen.page.locator(f"#job-{number}")).to_contain_text("made meanwhile")


def test_where_streams_are_blocked_the_page_polls_until_they_are_not(headway: Site, visit: Go) -> None:
    number = headway.make("polled for", stage="encode", progress=5)
    seen = visit(headway, "/login", stream="own", faults=True)
    block: Callable[[Route], Any] = lambda route: route.abort()  # noqa: E731
    seen.page.route("**/dashboard/stream?*", block)
    seen.page.goto(f"{headway.url}/dashboard/jobs/{number}", wait_until="domcontentloaded")
    word(seen.page, "Polling")
    headway.change(number, progress=47)
    expect(seen.page.locator("#region-job")).to_contain_text("47 %")
    assert seen.asked_for_parts
    seen.page.unroute("**/dashboard/stream?*", block)
    seen.streaming()
    word(seen.page, "Live")


def test_what_a_reader_typed_and_opened_and_the_charts_survive_a_push(headway: Site, visit: Go) -> None:
    seen = visit(headway)
    seen.streaming()
    page = seen.page
    page.evaluate(REMEMBER)
    synced = page.locator("[data-sync]").get_attribute("datetime")
    page.locator("#panel-health summary").click()
    page.fill("#metrics-search", "uptime")
    page.evaluate("() => document.querySelector('#metrics-search').setSelectionRange(2, 4)")
    tags = "() => ['metrics', 'redis-latency'].map((name) => document.getElementById(`panel-${name}`).dataset.etag)"
    before = page.evaluate(tags)
    seen.until(f"before => ({tags})().every((tag, at) => tag !== before[at])", before)
    assert page.input_value("#metrics-search") == "uptime"
    assert page.evaluate("() => [document.activeElement.id, document.activeElement.selectionStart]") == [
        "metrics-search",
        2,
    ]
    assert page.locator("#panel-health details").get_attribute("open") is not None
    assert page.evaluate(SAME), "a chart was rebuilt"
    seen.until("was => document.querySelector('[data-sync]').dateTime > was", synced)
    seen.until("() => / m?s$/.test(document.querySelector('[data-lag]').textContent)")
    assert seen.asked_for_parts == []


def test_a_paused_tab_and_a_hidden_one_leave_the_stream_and_catch_up(headway: Site, visit: Go) -> None:
    number = headway.make("left alone", stage="encode", progress=5)
    seen = visit(headway, f"/dashboard/jobs/{number}")
    page = seen.page
    rest = {
        "paused": lambda on: page.get_by_role("button", name="Pause" if on else "Resume").click(),
        "hidden": lambda on: page.evaluate(HIDE, on),
    }
    for at, turn in enumerate(rest.values(), 1):
        seen.streaming()
        turn(True)
        wait_until(lambda: page.wait_for_timeout(50) or headway.page_streams() == 0, what="the stream's end")
        headway.change(number, progress=at * 10 + 1)
        page.dispatch_event("#region-job", "every")  # what htmx's own timer sends
        page.wait_for_timeout(300)
        assert seen.asked_for_parts == []
        expect(page.locator("#region-job")).not_to_contain_text(f"{at * 10 + 1} %")
        turn(False)
        expect(page.locator("#region-job")).to_contain_text(f"{at * 10 + 1} %")


def test_a_finished_job_leaves_the_stream(headway: Site, visit: Go) -> None:
    number = headway.make("ends", stage="encode", progress=5)
    seen = visit(headway, f"/dashboard/jobs/{number}")
    seen.streaming()
    headway.change(number, status="completed")
    word(seen.page, "Finished")
    wait_until(lambda: seen.page.wait_for_timeout(50) or headway.page_streams() == 0, what="the stream's end")
    assert seen.asked_for_parts == []


def test_a_stopped_store_shows_by_the_stream_and_so_does_its_return(headway: Site, visit: Go) -> None:
    number = headway.make("steady", stage="encode", progress=5)
    seen = visit(headway, f"/dashboard/jobs/{number}", faults=True)  # a browser itself reports each 503
    seen.streaming()
    banner = seen.page.locator("[data-banner=store]")
    headway.store.stop()
    expect(banner).to_be_visible()
    expect(seen.page.locator("#region-job")).to_contain_text("steady")
    word(seen.page, "Live")
    headway.store.start()
    expect(banner).to_be_hidden()
    assert seen.page.locator(".state[data-streaming]").count() == 1, "the stream did not stay open"


def test_hostile_text_stays_text_when_it_is_pushed(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    seen.streaming()
    number = headway.make(HOSTILE, stage=HOSTILE[:60])
    row = seen.page.locator(f"#job-{number}")
    expect(row).to_contain_text(HOSTILE[:40])
    headway.change(number, status="failed", error=HOSTILE)
    expect(seen.page.locator(".toast strong")).to_have_text(f"{HOSTILE} failed")
    seen.page.wait_for_timeout(200)
    assert seen.page.evaluate("() => window.pwned") is None
    assert seen.page.locator("main img, .toast img, hx-partial").count() == 0


def test_a_session_that_ended_elsewhere_leads_to_the_sign_in_page(headway: Site, visit: Go) -> None:
    seen = visit(headway, faults=True)
    seen.streaming()
    seen.page.context.clear_cookies()
    (worker,) = headway.server.worker_pids()
    os.kill(worker, signal.SIGKILL)  # the stream is lost, and comes back for nobody who is not signed in
    seen.page.wait_for_url(lambda url: "/login?next=" in url, wait_until="commit")
