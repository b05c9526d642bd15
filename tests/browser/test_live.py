"""The page while it is open and polls: it keeps in step, rests when told to, and says how it stands.

Most of these have no stream, as where something on the way lets none through; `test_stream.py` has those with one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Route, expect

from panels import PANELS
from tests.browser.conftest import REMEMBER, SAME, Site, Visit
from tests.conftest import wait_until

Go = Callable[..., Visit]
SHOWN = {name: panel for name, panel in PANELS.items() if panel.stands_on("observability") and not panel.absent}


def test_every_panel_is_asked_for_at_its_interval_and_keeps_its_place(headway: Site, visit: Go) -> None:
    began = time.monotonic()
    seen = visit(headway, stream="none")
    seen.live()
    longest = max(panel.every for panel in SHOWN.values())

    def polled() -> bool:
        seen.page.wait_for_timeout(200)
        return all(seen.polls(name) >= 1 + longest // panel.every - 1 for name, panel in SHOWN.items())

    wait_until(polled, within=90, what="a poll of every panel")
    assert time.monotonic() - began >= longest - 1
    order = seen.page.eval_on_selector_all("[data-live]", "parts => parts.map(part => part.dataset.live)")
    assert order == list(SHOWN)


def test_each_panel_shows_its_news_without_a_reload(headway: Site, visit: Go) -> None:
    seen = visit(headway)
    seen.live()
    number = headway.make("fresh from the worker", stage="rendering", progress=40)
    expect(seen.page.locator("#panel-processing")).to_contain_text("fresh from the worker")
    headway.change(number, progress=70)
    expect(seen.page.locator(f"#processing-{number}")).to_contain_text("70 %")
    expect(seen.page.locator("#panel-jobs .counts")).to_contain_text("processing")


def test_the_header_says_when_it_was_last_in_step_unchanged_answers_too(headway: Site, visit: Go) -> None:
    seen = visit(headway)
    seen.live()
    first = seen.page.locator("[data-sync]").get_attribute("datetime")
    answers: list[int] = []
    seen.page.on(
        "response", lambda response: answers.append(response.status) if "recent-uploads" in response.url else None
    )
    seen.page.dispatch_event("#panel-recent-uploads", "catchup")
    seen.until("was => document.querySelector('[data-sync]').dateTime !== was", first)
    wait_until(lambda: seen.page.wait_for_timeout(50) or answers, what="the answer")
    assert answers[0] == 304


def test_one_button_rests_everything_and_resuming_catches_up(headway: Site, visit: Go) -> None:
    seen = visit(headway, stream="none")
    seen.live()
    page = seen.page
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".state")).to_have_attribute("data-state", "paused")
    expect(page.locator("[data-state-word]")).to_have_text("Paused")
    page.wait_for_load_state("networkidle")
    seen.asked.clear()
    for name in SHOWN:
        page.dispatch_event(f"#panel-{name}", "every")  # what htmx's own timer sends
    page.wait_for_timeout(500)
    assert seen.asked == []
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".state")).to_have_attribute("data-state", "polling")
    wait_until(lambda: page.wait_for_timeout(50) or all(seen.polls(name) for name in SHOWN), what="catching up")


def test_p_pauses_too_but_not_while_one_types(headway: Site, visit: Go) -> None:
    seen = visit(headway)
    seen.live()
    page = seen.page
    page.keyboard.press("p")
    expect(page.locator("[data-state-word]")).to_have_text("Paused")
    page.fill("#metrics-search", "")
    page.type("#metrics-search", "p")
    expect(page.locator("[data-state-word]")).to_have_text("Paused")


HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_tab_asks_for_nothing_and_catches_up_when_shown(headway: Site, visit: Go) -> None:
    seen = visit(headway, stream="none")
    seen.live()
    page = seen.page
    page.wait_for_load_state("networkidle")
    page.evaluate(HIDE, True)
    seen.asked.clear()
    for name in SHOWN:
        page.dispatch_event(f"#panel-{name}", "every")
    page.wait_for_timeout(500)
    assert seen.asked == []
    page.evaluate(HIDE, False)
    wait_until(lambda: page.wait_for_timeout(50) or all(seen.polls(name) for name in SHOWN), what="catching up")


def test_the_store_stops_and_comes_back_while_the_page_is_open(shaken: Site, visit: Go) -> None:
    shaken.make("steady", stage="rendering", progress=40)
    seen = visit(shaken, stream="none")
    seen.live()
    page = seen.page
    seen.until("() => document.querySelectorAll('canvas').length >= 2")
    page.evaluate(REMEMBER)
    expect(page.locator("#panel-processing")).to_contain_text("steady")
    shaken.store.stop()
    banner = page.locator("[data-banner=store]")
    expect(banner).to_be_visible()
    expect(banner).to_contain_text("The store can't be reached")
    expect(page.locator("#panel-processing .unavailable")).to_contain_text(
        "Unavailable, because the store can't be reached"
    )
    expect(page.locator("#panel-processing")).to_contain_text("steady")  # the last good reading stays
    expect(page.locator(".state")).to_have_attribute("data-state", "polling")
    assert "headway_uptime_seconds" in seen.text("#metrics-text")
    synced, polls = page.locator("[data-sync]").get_attribute("datetime"), seen.polls("stats")
    wait_until(lambda: page.wait_for_timeout(50) or seen.polls("stats") > polls + 1, what="more polls")
    assert page.locator("[data-sync]").get_attribute("datetime") == synced, "an old reading counted as a sync"
    shaken.store.start()
    expect(banner).to_be_hidden()
    expect(page.locator("main .unavailable")).to_have_count(0)
    assert page.evaluate(SAME), "a chart was rebuilt"


def test_the_job_list_keeps_its_rows_while_the_store_is_away(shaken: Site, visit: Go) -> None:
    number = shaken.make("steady")
    seen = visit(shaken, "/dashboard/jobs", stream="none", faults=True)  # a browser itself reports each 503
    seen.live()
    shaken.store.stop()
    banner = seen.page.locator("[data-banner=store]")
    expect(banner).to_contain_text("The store can't be reached")
    expect(seen.page.locator(f"#job-{number}")).to_be_visible()
    expect(seen.page.locator("[data-state-word]")).to_have_text("Polling")
    shaken.store.start()
    expect(banner).to_be_hidden()


def test_the_page_opened_while_the_store_is_away_says_so_and_recovers(shaken: Site, visit: Go) -> None:
    seen = visit(shaken)
    shaken.store.stop()
    seen.page.goto(shaken.url + "/dashboard/observability")
    seen.live()
    expect(seen.page.locator("[data-banner=store]")).to_be_visible()
    shaken.store.start()
    expect(seen.page.locator("[data-banner=store]")).to_be_hidden()


def test_a_server_that_is_gone_shows_as_offline_and_comes_back_by_itself(shaken: Site, visit: Go) -> None:
    seen = visit(shaken, stream="none", faults=True)  # a browser itself reports each request that fails
    seen.live()
    page = seen.page
    shaken.server.stop()
    expect(page.locator(".state")).to_have_attribute("data-state", "offline")
    expect(page.locator("[data-banner=offline]")).to_be_visible()
    expect(page.locator("[data-state-word]")).to_have_text("Offline")
    shaken.server.start()
    expect(page.locator(".state")).to_have_attribute("data-state", "polling")
    expect(page.locator("[data-banner=offline]")).to_be_hidden()


def test_a_session_that_ended_leads_to_the_sign_in_page(headway: Site, visit: Go) -> None:
    seen = visit(headway, faults=True)
    seen.live()
    seen.page.context.clear_cookies()

    def led_there() -> bool:
        # One that comes while another is under way asks for nothing.
        seen.page.evaluate("() => document.querySelector('#panel-stats')?.dispatchEvent(new Event('catchup'))")
        seen.page.wait_for_timeout(200)
        return "/login?next=" in seen.page.url

    wait_until(led_there, what="the sign-in page")


def test_what_a_reader_opened_typed_and_selected_survives_a_refresh(headway: Site, visit: Go) -> None:
    seen = visit(headway)
    seen.live()
    page = seen.page
    page.locator("#panel-health summary").click()
    page.fill("#metrics-search", "uptime")
    expect(page.locator("[data-tally]")).to_contain_text("of")
    for name in ("health", "metrics"):
        with page.expect_response(f"**/{name}-html"):
            page.dispatch_event(f"#panel-{name}", "catchup")
    page.wait_for_timeout(300)
    assert page.locator("#panel-health details").get_attribute("open") is not None
    assert page.input_value("#metrics-search") == "uptime"
    assert page.evaluate("document.activeElement.id") == "metrics-search"
    found = page.locator("[data-found]").inner_text().splitlines()
    assert found
    assert all("uptime" in line for line in found if line)


def test_a_job_page_follows_its_job_to_the_end_and_rests_then(headway: Site, visit: Go) -> None:
    number = headway.make("follow me", stage="downloading", progress=10)
    seen = visit(headway, f"/dashboard/jobs/{number}", stream="none")
    seen.live()
    headway.change(number, stage="rendering", progress=60)
    expect(seen.page.locator(".waterfall")).to_contain_text("rendering")
    headway.change(number, status="completed", result={"ok": True})
    expect(seen.page.locator(".headline")).to_contain_text("completed")
    expect(seen.page.locator("[data-state-word]")).to_have_text("Finished")
    seen.asked.clear()
    seen.page.dispatch_event("#region-job", "every")
    seen.page.wait_for_timeout(400)
    assert seen.asked == []


def test_the_job_list_grows_while_it_is_open(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    seen.live()
    number = headway.make("just came in")
    expect(seen.page.locator(f"#job-{number}")).to_contain_text("just came in")


def test_a_panel_that_the_first_paint_did_not_wait_for_is_asked_for_at_once(headway: Site, visit: Go) -> None:
    seen = visit(headway)

    def with_one_awaited(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(
            response=answer, body=answer.text().replace('data-live="health"', 'data-live="health" data-awaited')
        )

    seen.page.route("**/dashboard/observability", with_one_awaited)
    seen.asked.clear()
    seen.page.goto(headway.url + "/dashboard/observability", wait_until="domcontentloaded")
    wait_until(lambda: seen.page.wait_for_timeout(20) or seen.polls("health"), what="the first poll")
    assert not any(seen.polls(name) for name in SHOWN if name != "health")
