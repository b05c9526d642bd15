"""The pages of jobs and agents while jobs run: they follow, and time that passes is counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit

Go = Callable[..., Visit]
COUNTED = re.compile(r"^for \d+ s$")

AN_HOUR_AHEAD = """
const now = Date.now, by = 3600_000;
Date.now = () => now() + by;
Object.defineProperty(performance, "timeOrigin", { value: performance.timeOrigin + by });
"""

NOTE_JUMPS = """
window.jumped = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.jumped += entry.value)))
  .observe({ type: "layout-shift", buffered: true });
"""
PLACES = """() => Object.fromEntries([...document.querySelectorAll(".actives .job:not(.left)")].map((job) => {
  const { x, y, width, height } = job.getBoundingClientRect();
  return [job.id, [x, y, width, height]];
}))"""
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_a_jobs_page_follows_it_to_its_end(headway: Site, visit: Go) -> None:
    number = headway.make("followed", stage="fetch", progress=10)
    seen = visit(headway, f"/dashboard/jobs/{number}")
    seen.live()
    stages = seen.page.locator(".waterfall tbody tr:not([data-kind=wait])")
    expect(stages).to_have_count(1)
    headway.change(number, stage="render", progress=60, message="part 3")
    expect(stages).to_have_count(2)
    expect(stages.nth(0)).to_have_attribute("data-kind", "done")
    expect(stages.nth(1)).to_contain_text("in progress")
    expect(seen.page.locator(".said")).to_have_text("part 3")
    headway.change(number, status="completed")
    expect(seen.page.locator(".facts-line")).to_contain_text("took")
    expect(seen.page.locator("[data-state-word]")).to_have_text("Finished")


def test_the_page_of_a_failed_job_follows_its_next_attempt(headway: Site, visit: Go) -> None:
    number = headway.make("flaky", stage="fetch", progress=10)
    headway.change(number, status="failed", error="timed out")
    seen = visit(headway, f"/dashboard/jobs/{number}")
    seen.live()
    headway.change(number, attempt=2, stage="render", progress=60)
    expect(seen.page.locator(".headline .tag").first).to_have_text("processing")


def test_a_job_that_was_over_before_its_page_was_opened_is_whole_and_asks_for_nothing(headway: Site, visit: Go) -> None:
    number = headway.make("fast", stage="scale", progress=50)
    headway.change(number, status="completed", result={"pixels": 3})
    seen = visit(headway, f"/dashboard/jobs/{number}")
    expect(seen.page.locator(".facts-line")).to_contain_text("took")
    expect(seen.page.locator("#title-result")).to_be_visible()
    assert seen.page.locator("[data-live]").count() == 0


def test_how_long_a_job_runs_is_counted_by_the_second(headway: Site, visit: Go) -> None:
    number = headway.make("counted", progress=10)
    seen = visit(headway, f"/dashboard/jobs/{number}")
    words = seen.page.locator(".facts-line time")
    expect(words).to_have_text(COUNTED)
    first = words.inner_text()
    seen.until("was => document.querySelector('.facts-line time').textContent !== was", first)
    expect(words).to_have_text(COUNTED)


def test_a_reader_whose_clock_is_wrong_sees_how_long_it_really_was(headway: Site, visit: Go) -> None:
    number = headway.make("seen from elsewhere", progress=10)
    page = visit(headway, "/dashboard/jobs").page
    page.add_init_script(AN_HOUR_AHEAD)
    page.goto(f"{headway.url}/dashboard/jobs/{number}")
    assert page.evaluate("() => Date.now() - performance.timeOrigin < 60_000")
    expect(page.locator(".facts-line time")).to_have_text(COUNTED)


def test_nothing_jumps_when_the_script_says_the_times(headway: Site, visit: Go) -> None:
    number = headway.make("steady", stage="fetch", progress=10, message="part 3")
    page = visit(headway, "/dashboard/jobs", viewport={"width": 390, "height": 900}).page
    page.add_init_script(NOTE_JUMPS)
    page.goto(f"{headway.url}/dashboard/jobs/{number}")
    expect(page.locator(".facts-line time")).to_have_text(COUNTED)
    page.evaluate(TWO_FRAMES)
    assert page.evaluate("() => window.jumped") < 0.02


def test_an_agents_page_shows_what_it_does_now_without_a_reload(headway: Site, visit: Go) -> None:
    headway.ask("POST", "/api/v1/queue", {"title": "first", "agent": "studio"})
    seen = visit(headway, "/dashboard/agents")
    seen.page.get_by_role("link", name="studio", exact=True).click()
    seen.live()
    expect(seen.page.locator("#region-agent")).to_contain_text("Nothing is being processed; 1 job waits.")
    number = headway.ask("POST", "/api/v1/queue", {"title": "second", "agent": "studio"})["queue_id"]
    headway.change(number, stage="rendering", progress=30)
    expect(seen.page.locator(f"#now-{number}")).to_contain_text("rendering")
    expect(seen.page.locator(f"#job-{number}")).to_contain_text("30 %")
    headway.ask("POST", "/agents/studio/videos", {"videoId": "v1", "title": "Wednesday Study"})
    expect(seen.page.locator("#region-agent-made")).to_contain_text("Wednesday Study")


def test_a_failure_looks_the_same_on_its_agents_page_as_in_the_list(headway: Site, visit: Go) -> None:
    made = headway.ask("POST", "/api/v1/queue", {"title": "fails", "agent": "failing"})
    headway.change(made["queue_id"], status="failed", error="no space left")
    looks = []
    for path in ("/dashboard/jobs", "/dashboard/agents/failing"):
        why = visit(headway, path).page.locator(f"#job-{made['queue_id']} .why")
        expect(why).to_have_text("no space left")
        looks.append(why.evaluate("why => [getComputedStyle(why).color, getComputedStyle(why).fontSize]"))
    assert looks[0] == looks[1]


def test_the_list_stays_where_it_is_when_an_active_job_above_it_ends(headway: Site, visit: Go) -> None:
    for number in headway.ask("GET", "/api/v1/queue?status=processing")["items"]:
        headway.change(number["queue_id"], status="completed")
    stays, ends = headway.make("stays", progress=10), headway.make("ends", progress=10)
    seen = visit(headway, "/dashboard/jobs", viewport={"width": 390, "height": 800})
    seen.live()
    expect(seen.page.locator(f"#now-{ends}")).to_be_visible()
    before = seen.page.locator("#region-job-list").bounding_box()
    headway.change(ends, status="completed")
    expect(seen.page.locator(f"#now-{ends}")).to_have_count(0)
    expect(seen.page.locator(f"#now-{stays}")).to_be_visible()
    assert seen.page.locator("#region-job-list").bounding_box() == before
    # At another width it takes what it needs.
    seen.page.set_viewport_size({"width": 400, "height": 800})
    seen.until("y => document.querySelector('#region-job-list').getBoundingClientRect().y < y", before and before["y"])


def test_a_job_at_work_keeps_its_place_and_the_next_takes_that_of_one_that_ended(headway: Site, visit: Go) -> None:
    for one in headway.ask("GET", "/api/v1/queue?status=processing")["items"]:
        headway.change(one["queue_id"], status="completed")
    third = [headway.make(f"place {place}", progress=10) for place in range(4)][2]
    seen = visit(headway, "/dashboard/jobs", viewport={"width": 1440, "height": 800})
    seen.streaming()

    def places() -> dict[str, Any]:
        return seen.page.evaluate(PLACES)  # type: ignore[no-any-return]

    before = places()
    assert len({tuple(box) for box in before.values()}) == 4
    headway.change(third, status="completed")
    expect(seen.page.locator(f"#now-{third}")).to_have_count(0)
    free = before.pop(f"now-{third}")
    assert places() == before
    comes = headway.make("comes", progress=10)
    expect(seen.page.locator(f"#now-{comes}")).to_be_visible()
    assert places() == before | {f"now-{comes}": free}


def test_active_jobs_come_to_the_head_of_the_list_and_leave_it(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    seen.live()
    number = headway.make("comes and goes", stage="fetch", progress=10)
    row = seen.page.locator(f"#now-{number}")
    expect(row).to_contain_text("fetch")
    headway.change(number, status="failed", error="no space left")
    expect(row).to_have_count(0)
    expect(seen.page.locator(f"#job-{number}")).to_contain_text("failed")
