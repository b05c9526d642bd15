"""The charts, and the scripts that they and the live updates need: from the CDN, or from our own copies."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from routes.pages import CDN, LIBRARIES
from tests.browser.conftest import OBSERVABILITY, REMEMBER, ROOT, SAME, Site, Visit
from tests.conftest import wait_until

Go = Callable[..., Visit]

POINTS = "() => Chart.getChart(document.querySelector('#plot-latency canvas')).data.datasets[0].data"
HITS = "() => Chart.getChart(document.querySelector('#plot-cache canvas')).data.datasets[0].data"
VALUES = "(name, line) => Chart.getChart(document.querySelector(`#plot-${name} canvas`)).data.datasets[line].data"
SUM = f"(name) => ({VALUES})(name, 0).reduce((sum, value) => sum + value, 0)"
TOLD = """() => {
  const { tooltip } = Chart.getChart(document.querySelector('#plot-jobs-per-minute canvas'));
  return tooltip.opacity > 0 ? [...tooltip.beforeBody, ...tooltip.footer] : [];
}"""
ALL_OF_THEM = r"""1 completed
0 failed
Processing time: p50 .+, p95 .+
Success rate: 100 % succeed
Queue depth: \d+ queued
Redis latency: [\d.]+ ms"""
SHOWN_POINTS = "() => JSON.parse(document.querySelector('#plot-latency').dataset.series).lines[0].values"


def test_charts_move_with_each_refresh_the_doughnut_too_and_are_the_same_canvas_and_chart(
    headway: Site, visit: Go
) -> None:
    seen = visit(headway)
    seen.live()
    assert seen.page.evaluate(REMEMBER) == 6
    first, hits = seen.page.evaluate(POINTS), seen.page.evaluate(HITS)
    seen.until(f"was => JSON.stringify(({POINTS})()) !== JSON.stringify(was)", first)
    assert seen.page.evaluate(SAME)
    assert seen.page.evaluate(POINTS) == seen.page.evaluate(SHOWN_POINTS)
    seen.until(f"was => JSON.stringify(({HITS})()) !== JSON.stringify(was)", hits)
    assert seen.page.evaluate(SAME)


def test_charts_take_the_colours_of_the_theme(headway: Site, visit: Go) -> None:
    seen = visit(headway, color_scheme="light")
    seen.live()
    colour = "() => Chart.getChart(document.querySelector('#plot-cache canvas')).data.datasets[0].backgroundColor[0]"
    assert seen.page.evaluate(colour) == "rgb(15, 118, 110)"
    seen.page.get_by_role("button", name="Switch between light and dark").click()
    seen.until(f"() => ({colour})() === 'rgb(45, 212, 191)'")


def test_pointing_at_a_time_in_one_chart_tells_of_it_in_all(headway: Site, visit: Go) -> None:
    seen = visit(headway, viewport={"width": 1440, "height": 2400})
    seen.live()
    canvas = seen.page.locator("#plot-jobs-per-minute canvas")
    minutes = set[int]()

    def told() -> bool:
        if (minute := int(time.time() // 60)) not in minutes:
            minutes.add(minute)
            headway.make("pointed at", status="completed")
        # The newest bar, at the right edge, shares its minute with the newest points of the others.
        box = canvas.bounding_box()
        assert box
        seen.page.mouse.move(box["x"] + box["width"] - 9, box["y"] + box["height"] / 2)
        return bool(re.fullmatch(ALL_OF_THEM, "\n".join(seen.page.evaluate(TOLD))))

    wait_until(told, every=0.1, what="one tooltip for all charts")
    seen.page.mouse.move(1, 1)
    seen.until(f"() => !({TOLD})().length")


def test_a_chosen_range_stays_while_the_page_is_live(headway: Site, visit: Go) -> None:
    seen = visit(headway)
    seen.live()
    seen.page.get_by_role("link", name="6h", exact=True).click()
    seen.page.wait_for_url("**?range=6h")
    seen.live()
    ended = f"() => ({SUM})('jobs-per-minute')"
    before = seen.page.evaluate(ended)
    headway.make("in six hours", status="completed")
    seen.until(f"was => ({ended})() > was", before)
    assert len(seen.page.evaluate(f"() => ({VALUES})('success-rate', 0)")) == 72


def test_scripts_come_from_the_cdn_and_their_bytes_are_checked(headway: Site, visit: Go) -> None:
    seen = visit(headway, cdn="up")
    seen.live()
    assert {library.cdn for library in LIBRARIES.values()} <= set(seen.asked)
    assert not [url for url in seen.asked if "/static/vendor/" in url]


@pytest.mark.parametrize("cdn", ["down", "forged", "silent"])
def test_where_the_cdn_fails_is_silent_or_sends_other_bytes_our_copies_are_run(
    headway: Site, visit: Go, cdn: str
) -> None:
    seen = visit(headway, cdn=cdn, faults=True)
    expect(seen.page.locator("#figure-uptime strong")).to_be_visible()  # the first paint waits for nobody
    seen.live()
    assert {url.split("/static/vendor/")[1] for url in seen.asked if "/static/vendor/" in url} == {
        "chart.js/chart.umd.min.js",
        "htmx.org/htmx.min.js",
    }
    assert [fault for fault in seen.faults if CDN not in fault and "integrity" not in fault] == []
    before = seen.polls("stats")
    seen.page.dispatch_event("#panel-stats", "catchup")
    seen.until("() => true")
    assert seen.polls("stats") > before


def test_a_script_that_comes_too_late_is_not_run_a_second_time(headway: Site, visit: Go) -> None:
    held: list[Route] = []
    seen = visit(headway, "/dashboard/jobs", faults=True)
    seen.page.context.unroute_all()
    seen.page.context.route(f"{CDN}/**", lambda route: held.append(route))
    seen.page.goto(headway.url + "/dashboard/jobs", wait_until="domcontentloaded")
    seen.live()
    seen.page.evaluate("() => { window.first = window.htmx }")
    (late,) = held
    body = (ROOT / LIBRARIES["htmx"].local.removeprefix("/")).read_bytes()
    with seen.page.expect_event("requestfinished", lambda request: request.url.startswith(CDN)):
        late.fulfill(body=body, headers={"Access-Control-Allow-Origin": "*", "Content-Type": "text/javascript"})
    seen.page.wait_for_timeout(500)
    assert seen.page.evaluate("() => window.htmx === window.first")


def test_without_any_copy_the_page_says_that_it_is_not_live(headway: Site, visit: Go) -> None:
    seen = visit(headway, cdn="down", faults=True)
    seen.page.context.route("**/static/vendor/**", lambda route: route.abort())
    seen.page.goto(headway.url + OBSERVABILITY, wait_until="domcontentloaded")
    expect(seen.page.locator("[data-banner=still]")).to_be_visible()
    expect(seen.page.locator("[data-state-word]")).to_have_text("Not live")
    expect(seen.page.locator("#plot-cache svg")).to_be_visible()  # the server's own drawing
