"""The page of charts in a real browser, with little and with much to draw."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from playwright.sync_api import expect

from core import keys
from core.site import Site as HeadwaySite
from core.store import Store
from panels import PANELS
from services import series_store
from services.series_catalog import SERIES
from services.series_store import Sample, Totals
from tests.browser.conftest import REMEMBER, SAME, Site, Visit
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.serving import Server

Go = Callable[..., Visit]
PAGE = "/dashboard/charts"
LINED = [panel.name for panel in PANELS.values() if panel.stands_on("charts") and panel.lines]
DAY_S = 86_400
INKED = """() => [...document.querySelectorAll("[data-chart] canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const lines = Chart.getChart(canvas).data.datasets.filter((each) => each.data.some((value) => value !== null));
  return [canvas.closest("section").id, lines.length, data.some((value, at) => at % 4 === 3 && value > 200)];
})"""
POINTS = "() => Chart.getChart(document.querySelector('#plot-request-rate canvas')).data.times.length"
POLLED = "() => [...document.querySelectorAll('[data-live]')].map((part) => part.dataset.live)"


class _Stored:
    """As much of a site as keeping samples needs."""

    def __init__(self, store: Store, now: float) -> None:
        self.store = store
        self.clock = lambda: now


def fill(url: str) -> None:
    """Two days of figures, every ten minutes, up to an hour ago."""
    store = Store(url)
    last = time.time() - 3600
    site = cast(HeadwaySite, _Stored(store, last))
    gauges = [each.name for each in SERIES.values() if each.kind == "gauge"]
    rates = [each.name for each in SERIES.values() if each.kind == "rate"]
    buckets = len(SERIES["request_duration"].bounds)
    for at in range(288):
        wave = at % 48
        sample = Sample(last - (287 - at) * 600, dict.fromkeys(gauges, float(wave)), dict.fromkeys(rates, at * 600.0))
        counts = tuple(float(at * (buckets - each)) for each in range(buckets))
        sample.histograms = {"request_duration": Totals(counts, sum(counts) / 50)}
        series_store.write(site, sample)
    with store.redis.pipeline(transaction=False) as pipeline:
        for hour in range(int(last // 3600) - 48, int(last // 3600) + 1):
            figures = {"completed": 40 + hour % 7, "failed": hour % 3, "duration_ms": 900_000, "d90": 40, "d100": 6}
            pipeline.hset(keys.HOUR.at(0, hour), mapping={**figures, "depth_sum": 90, "depth_n": 30, "depth_max": 9})
        for minute in range(int(last // 60) - 1440, int(last // 60), 5):
            pipeline.hset(keys.MINUTE.at(0, minute), mapping={"completed": 3, "duration_ms": 30_000, "d95": 3})
        pipeline.execute()
    store.close()


@pytest.fixture(scope="module")
def filled() -> Iterator[Site]:
    """A Headway with two days behind it."""
    store = Valkey().start()
    fill(store.url)
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url})
    try:
        yield Site(server.start(), store)
    finally:
        server.close()
        store.close()


def drawn(seen: Visit) -> dict[str, tuple[int, bool]]:
    """Of each chart how many of its lines have a point, and whether anything stands on its canvas."""
    found: list[Any] = seen.page.evaluate(INKED)
    return {name.removeprefix("panel-"): (lines, inked) for name, lines, inked in found}


def test_with_much_to_draw_every_chart_is_drawn_and_all_fits(filled: Site, visit: Go) -> None:
    seen = visit(filled, f"{PAGE}?range=24h&compare=day", bypass_csp=True, viewport={"width": 1440, "height": 900})
    seen.live()
    found = drawn(seen)
    assert set(LINED) <= set(found)
    assert {name: each for name, each in found.items() if not (each[0] and each[1])} == {}
    assert found["request-duration"][0] == 4  # p50, p95, p99 and p95 of the day before
    assert "compared with the day before" in seen.text("#panel-request-rate .facts-line")
    seen.page.locator("#panel-request-rate summary").click()
    assert seen.page.locator("#panel-request-rate tbody tr").count() == 96
    seen.looks_right(1440, 768, 390)


def test_a_span_that_is_over_stands_still_and_leads_back(filled: Site, visit: Go) -> None:
    now = int(time.time())
    seen = visit(filled, f"{PAGE}?range=6h&from={now - DAY_S}&to={now - DAY_S + 7200}")
    seen.live()
    assert [name for name in seen.page.evaluate(POLLED) if PANELS[name.split(":")[0]].windowed] == []
    assert seen.page.evaluate(POINTS) == seen.page.locator("#panel-request-rate tbody tr").count() > 100
    expect(seen.page.locator(".title .span time")).to_have_count(2)
    seen.page.get_by_role("link", name="Back to 6h").click()
    seen.page.wait_for_url("**/charts?range=6h")
    seen.page.get_by_role("link", name="Day before").click()
    seen.page.get_by_role("link", name="30d").click()
    seen.page.wait_for_url("**/charts?range=30d&compare=day")


def test_with_little_to_draw_it_says_so_goes_on_and_keeps_what_was_chosen(headway: Site, visit: Go) -> None:
    seen = visit(headway, bypass_csp=True)
    seen.live()
    seen.page.keyboard.press("g")
    seen.page.keyboard.press("c")
    seen.page.wait_for_url(f"**{PAGE}")
    seen.page.get_by_role("link", name="15m").click()
    seen.page.wait_for_url("**/charts?range=15m")
    seen.streaming()
    assert "request-rate:15m" in seen.page.evaluate(POLLED)
    assert seen.text("#panel-jobs-per-minute .over") == "No job ended in the last 15 minutes."
    seen.page.evaluate(REMEMBER)
    headway.make("one", status="completed")
    seen.until("() => !document.querySelector('#panel-jobs-per-minute .over')")
    assert seen.page.evaluate(SAME)
    seen.looks_right(1440, 390)


def test_an_agent_is_chosen_in_the_address_and_its_chart_alone_is_polled(headway: Site, visit: Go) -> None:
    seen = visit(headway, f"{PAGE}?range=6h")
    seen.live()
    seen.page.get_by_label("Agent", exact=True).fill("default")
    seen.page.get_by_role("button", name="Show").click()
    seen.page.wait_for_url("**/charts?range=6h&agent=default")
    seen.streaming()
    polled = seen.page.evaluate("() => [...document.querySelectorAll('[data-polled]')].map((part) => part.id)")
    assert set(polled) == {
        f"panel-{each.name}" for each in PANELS.values() if each.stands_on("charts") and each.by_agent
    }
    seen.page.dispatch_event("#panel-processing-time", "catchup")
    address = "processing-time-html?range=6h&agent=default"
    wait_until(lambda: seen.page.wait_for_timeout(50) or [url for url in seen.asked if address in url], what="its poll")


def test_without_a_script_it_is_whole(filled: Site, visit: Go) -> None:
    seen = visit(filled, f"{PAGE}?range=24h", java_script_enabled=False)
    expect(seen.page.locator("#plot-request-rate svg path.series").first).to_be_visible()
    assert seen.page.locator("#panel-request-rate tbody tr").count() == 96
    seen.page.get_by_role("link", name="← Earlier").click()
    expect(seen.page.get_by_role("link", name="Back to 24h")).to_be_visible()
