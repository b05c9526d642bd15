"""Workflows, the heat map and the calendar in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from scripts.shots import SCHEMES
from tests.browser.conftest import SERIOUS, Site, Visit
from tests.panels.boards import HOSTILE

Go = Callable[..., Visit]
AGENT = "/dashboard/agents/studio"
CHARTS = "/dashboard/charts"


def passed(
    site: Site, title: str, began_s: float, *stages: tuple[str, float], failed: str = "", agent: str = "studio"
) -> int:
    """A job that began so many seconds ago and whose stages took so long each; its number."""
    moment = datetime.now(UTC) - timedelta(seconds=began_s)
    made = {"title": title, "agent": agent, "timestamp": (moment - timedelta(seconds=5)).isoformat()}
    number = int(site.ask("POST", "/api/v1/queue", made)["queue_id"])
    for name, seconds in stages:
        site.change(number, stage=name, timestamp=moment.isoformat())
        moment += timedelta(seconds=seconds)
    end = {"status": "failed", "error": failed} if failed else {"status": "completed"}
    site.change(number, timestamp=moment.isoformat(), **end)
    return number


@pytest.fixture(scope="module")
def worked(headway: Site) -> int:
    """An agent with a few jobs, one of hostile names, and one whose hundred stages took their time; the number of the last."""
    for at in range(5):
        passed(
            headway, f"part {at}", 600 - 100 * at, ("fetch", 10), ("render", 40 + at), failed="no" if at == 3 else ""
        )
    passed(headway, HOSTILE, 80, (HOSTILE[:64], 20), ("名前 🎬", 30))
    return passed(headway, "many", 500, *((f"step {at}", 3) for at in range(100)), agent="many")


def test_without_a_script_it_is_said_whole_when_a_stage_began(headway: Site, visit: Go, worked: int) -> None:
    page = visit(headway, f"/dashboard/jobs/{worked}", java_script_enabled=False).page
    moments = page.locator(".waterfall td.num .sub:has(time)")
    expect(moments).not_to_have_count(0)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        cut = "parts => parts.filter((part) => part.scrollWidth > part.clientWidth).length"
        assert moments.evaluate_all(cut) == 0, width


def test_a_workflow_grows_and_each_job_is_reached_by_keyboard(headway: Site, visit: Go, worked: int) -> None:
    seen = visit(headway, AGENT)
    seen.live()
    rows = seen.page.locator(".waterfall tbody tr")
    expect(rows).to_have_count(6)
    number = passed(headway, "one more", 20, ("fetch", 5))
    expect(rows).to_have_count(7)
    assert seen.page.locator("main img, main script").count() == 0, "a stage's name is text"
    rows.first.locator("a").focus()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url(f"**/dashboard/jobs/{number}")
    expect(seen.page.locator(".waterfall tbody")).to_contain_text("fetch")


def test_bars_lie_where_the_axis_says(headway: Site, visit: Go, worked: int) -> None:
    seen = visit(headway, f"/dashboard/jobs/{worked}", viewport={"width": 1440, "height": 900})
    bars = seen.page.locator(".waterfall tbody tr[data-kind=done] .flow > svg").all()
    assert len(bars) == 100
    boxes = [bar.bounding_box() for bar in (bars[0], bars[50], bars[99])]
    field = seen.page.locator(".waterfall tbody .flow").first.bounding_box()
    assert field
    first, middle, last = (box["x"] for box in boxes if box)
    assert field["x"] <= first < middle < last < field["x"] + field["width"]
    assert abs((middle - first) / (last - first) - 50 / 99) < 0.02


def test_workflows_are_drawn_without_a_script_and_by_the_clock(headway: Site, visit: Go, worked: int) -> None:
    seen = visit(headway, AGENT, java_script_enabled=False)
    expect(seen.page.locator(".waterfall tbody tr").first).to_be_visible()
    seen.page.get_by_role("link", name="By the clock").click()
    assert seen.page.url.endswith("?times=clock")
    expect(seen.page.locator(".waterfall thead .axis time")).to_have_count(5)
    assert seen.page.locator(".waterfall .flow rect").first.bounding_box()


def test_cells_of_the_charts_lead_into_the_history(headway: Site, visit: Go, worked: int) -> None:
    seen = visit(headway, CHARTS, java_script_enabled=False)
    cells = seen.page.locator("#panel-duration-heat .heat a")
    assert "min_s=" in (cells.first.get_attribute("href") or "")
    cells.first.click()
    seen.page.wait_for_url("**/dashboard/history?from=*&to=*&min_s=*")
    seen.page.goto(headway.url + CHARTS)
    seen.page.locator("#panel-failure-calendar .facts a").click()
    seen.page.wait_for_url("**/dashboard/history?status=failed&from=*&to=*")


@pytest.mark.parametrize("path", [AGENT, "/dashboard/jobs/{}"])
def test_workflows_fit_every_width_and_axe_finds_nothing_serious(
    headway: Site, visit: Go, worked: int, path: str
) -> None:
    seen = visit(headway, path.format(worked), bypass_csp=True)
    seen.live()
    for summary in seen.page.locator("main details.data > summary").all():
        summary.click()
    seen.looks_right(390, 768, 1440)


def test_axe_finds_nothing_serious_in_the_heat_map_and_the_calendar(headway: Site, visit: Go, worked: int) -> None:
    seen = visit(headway, CHARTS, bypass_csp=True)
    seen.live()
    panels = ["#panel-duration-heat", "#panel-failure-calendar"]
    for panel in panels:
        seen.page.locator(f"{panel} details > summary").click()
    for scheme in SCHEMES:
        seen.page.emulate_media(color_scheme=scheme)
        found = Axe().run(seen.page, {"include": [[panel] for panel in panels]}).response["violations"]
        assert [one["id"] for one in found if one["impact"] in SERIOUS] == [], scheme
