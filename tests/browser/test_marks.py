"""Marks of charts, zooming into a span, and charts as pictures, in a real browser: by pointer, by keys and by touch."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visit
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.serving import Server

Go = Callable[..., Visit]
CHARTS = "/dashboard/charts"
RULE = '[[alerts]]\nid = "mails"\ntitle = "Too many mails"\nwhen = { kind = "tile", tile = "mails", above = 10 }\n'
PLOT = "#plot-jobs-per-minute"
MARKS = f"() => JSON.parse(document.querySelector('{PLOT}').dataset.series).marks"
PLACES = f"""async ([at, until]) => {{
  const {{ xOf }} = await import("/static/moments.js");
  const chart = Chart.getChart(document.querySelector("{PLOT} canvas"));
  const {{ left, top }} = chart.canvas.getBoundingClientRect();
  return [left + xOf(chart, at * 1000), left + xOf(chart, until * 1000), top + chart.chartArea.bottom, top + chart.chartArea.top + 20];
}}"""
AT_REST = """async () => {
  const before = scrollY;
  await new Promise((done) => setTimeout(done, 200));
  return before === scrollY;
}"""
PIXELS = """async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, picture.width, picture.height);
  const seen = new Set();
  for (let at = 0; at < data.length; at += 4) seen.add(`${data[at]},${data[at + 1]},${data[at + 2]},${data[at + 3]}`);
  return [[...data.slice(0, 4)].join(","), seen.size];
}"""


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Headway to which something was deployed 20 and 40 minutes ago, and whose one alert fires."""
    file: Path = tmp_path_factory.mktemp("config") / "headway.toml"
    file.write_text(RULE)
    store = Valkey().start()
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url, "HEADWAY_CONFIG": str(file)})
    try:
        site = Site(server.start(), store)
        for version, minutes, url in (("v1.4.1", 40, None), ("v1.4.2", 20, "https://example.org/v1.4.2")):
            when = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
            told = {"version": version, "title": "<b>Faster</b> imports", "timestamp": when, "url": url}
            site.ask("POST", "/api/v1/deployments", told)
        site.make("done", status="completed")
        site.ask("PUT", "/api/v1/tiles/mails", {"value": 11})
        wait_until(lambda: site.ask("GET", "/api/v1/alerts")["firing"], what="the alert")
        yield site
    finally:
        server.close()
        store.close()


def marks(page: Page) -> dict[str, Any]:
    """Those of the first chart, by what they say first."""
    return {mark["label"].split(" · ")[0]: mark for mark in page.evaluate(MARKS)}


def places(page: Page, at: float, until: float = 0.0) -> tuple[float, float, float, float]:
    """Where two moments lie in the first chart, its axis, and a height within it, in pixels of what is in sight."""
    x, right, axis, middle = page.evaluate(PLACES, [at, until])
    return x, right, axis, middle


def asked(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_mark_says_what_it_is_to_the_pointer_and_to_keys_and_in_a_table(marked: Site, visit: Go) -> None:
    seen = visit(marked, f"{CHARTS}?range=1h", bypass_csp=True)
    seen.live()
    page, tip = seen.page, seen.page.locator(".mark-tip")
    assert set(marks(page)) == {"v1.4.1", "v1.4.2", "Too many mails"}

    x, _, axis, _ = places(page, marks(page)["v1.4.2"]["at"])
    page.mouse.move(x + 3, axis - 4)
    expect(tip).to_contain_text("v1.4.2 · <b>Faster</b> imports")
    expect(tip.get_by_role("link")).to_have_attribute("href", "https://example.org/v1.4.2")
    tip.get_by_role("link").hover()  # on the way there it stays
    seen.looks_right(1440)
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    x, _, axis, _ = places(page, marks(page)["Too many mails"]["at"])
    page.mouse.move(x, axis + 3)
    expect(tip.get_by_role("link")).to_have_attribute("href", "/dashboard/alerts#alert-mails")
    expect(tip).to_contain_text("still fires")
    page.mouse.move(2, 2)
    expect(tip).to_have_count(0)

    canvas = page.locator(f"{PLOT} canvas")
    canvas.focus()
    told = set[str]()
    for _ in range(45):
        page.keyboard.press("ArrowLeft")
        told.add(str(canvas.get_attribute("aria-valuetext")))
        if any("v1.4.1" in words for words in told):
            break
    assert any(re.search(r"completed.*failed.*deployment v1\.4\.2 · ", words) for words in told)
    expect(tip).to_contain_text("v1.4.1 · <b>Faster</b> imports")
    expect(canvas).to_have_attribute("role", "slider")
    # By its cell: the time before it names the day, too, where that was yesterday.
    kinds = page.locator("#panel-marks tbody td:nth-child(2)")
    expect(kinds).to_have_text(["alert", "deployment", "deployment"])


def test_dragging_or_selecting_by_keys_zooms_into_a_span_and_a_double_click_comes_back(marked: Site, visit: Go) -> None:
    seen = visit(marked, f"{CHARTS}?range=1h&compare=day")
    seen.live()
    page = seen.page
    at = marks(page)["v1.4.2"]["at"]
    left, right, _, y = places(page, at - 300, at + 300)
    page.mouse.move(left, y)
    page.mouse.down()
    page.mouse.move(right, y, steps=4)
    page.keyboard.press("Escape")
    page.mouse.up()
    page.mouse.move(left, y)
    page.mouse.down()
    page.mouse.move(left + 3, y)
    page.mouse.up()  # too short to mean anything
    assert page.url.endswith("?range=1h&compare=day")

    seen.asked.clear()
    left, right, _, y = places(page, at - 300, at + 300)
    page.mouse.move(left, y)
    page.mouse.down()
    page.mouse.move(right, y, steps=4)
    page.mouse.up()
    page.wait_for_url("**from=**", wait_until="domcontentloaded")
    seen.live()
    assert sum(urlsplit(url).path == CHARTS for url in seen.asked) == 1
    span = asked(page)
    assert (span["compare"], span["range"]) == ("day", "1h")
    assert 540 <= epoch(span["to"]) - epoch(span["from"]) <= 780
    assert epoch(span["from"]) < at < epoch(span["to"])
    assert set(marks(page)) == {"v1.4.2"}

    canvas = page.locator(f"{PLOT} canvas")
    canvas.focus()
    for _ in range(3):
        page.keyboard.press("Shift+PageDown")
    selected = str(canvas.get_attribute("aria-valuetext")).partition("; selected ")[2]
    assert " – " in selected
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    assert "selected" not in str(canvas.get_attribute("aria-valuetext"))
    for _ in range(3):
        page.keyboard.press("Shift+PageDown")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: f"to={span['to']}" not in url, wait_until="domcontentloaded")
    seen.live()
    closer = asked(page)
    assert epoch(span["from"]) <= epoch(closer["from"]) < epoch(closer["to"]) < epoch(span["to"])
    page.locator(f"{PLOT} canvas").dblclick()
    page.wait_for_url(lambda url: "from=" not in url, wait_until="domcontentloaded")
    assert asked(page) == {"range": "1h", "compare": "day"}


def test_a_chart_is_saved_as_a_picture_in_the_colours_of_the_theme(marked: Site, visit: Go, tmp_path: Path) -> None:
    seen = visit(marked, f"{CHARTS}?range=1h", color_scheme="dark", accept_downloads=True)
    seen.live()
    with seen.page.expect_download() as saved:
        seen.page.locator("#panel-jobs-per-minute [data-action=png]").click()
    assert saved.value.suggested_filename == "headway-jobs-per-minute-1h.png"
    saved.value.save_as(tmp_path / "chart.png")
    picture = (tmp_path / "chart.png").read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    canvas = seen.page.locator(f"{PLOT} canvas").bounding_box()
    assert picture.startswith(b"\x89PNG") and canvas
    assert width > canvas["width"] and height > canvas["height"] + 60  # with its title and legend
    corner, colours = seen.page.evaluate(PIXELS, base64.b64encode(picture).decode())
    assert corner == "22,27,34,255"
    assert colours > 20


def test_a_finger_taps_a_mark_scrolls_the_page_and_selects_a_span(marked: Site, visit: Go) -> None:
    seen = visit(marked, f"{CHARTS}?range=1h", has_touch=True, viewport={"width": 390, "height": 800})
    seen.live()
    page = seen.page
    fingers = page.context.new_cdp_session(page)

    def drag(x: float, y: float, by_x: float, by_y: float) -> None:
        points = [{"x": x + by_x * part / 8, "y": y + by_y * part / 8} for part in range(9)]
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for point in points[1:]:
            fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    at = marks(page)["v1.4.2"]["at"]
    x, _, axis, _ = places(page, at)
    page.touchscreen.tap(x + 4, axis + 6)
    expect(page.locator(".mark-tip")).to_contain_text("v1.4.2")
    page.touchscreen.tap(x, axis - 80)
    expect(page.locator(".mark-tip")).to_have_count(0)

    x, _, axis, _ = places(page, at)
    drag(x, axis - 20, 3, -80)
    seen.until("() => scrollY > 20")
    assert asked(page) == {"range": "1h"}
    seen.until(AT_REST)
    left, right, _, y = places(page, at - 600, at + 600)
    drag(left, y, right - left, 4)
    page.wait_for_url("**from=**", wait_until="domcontentloaded")
    assert epoch(asked(page)["from"]) < at < epoch(asked(page)["to"])
