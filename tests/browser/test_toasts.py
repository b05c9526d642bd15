"""Word of jobs that fail while the page is open: on the page, and on the desktop where somebody turned that on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from scripts.shots import CHROMIUM, launch
from tests.browser.conftest import Site, Visit
from tests.browser.test_stream import HIDE, another_tab
from tests.conftest import wait_until

Go = Callable[..., Visit]

NOTE_NOTIFICATIONS = """() => {
  const Real = Notification;
  window.told = [];
  window.Notification = class extends Real {
    constructor(head, options) {
      super(head, options);
      window.told.push(`${head}: ${options.body}`);
    }
  };
}"""


def fail(site: Site, title: str, agent: str, error: str = "disk full") -> int:
    job = site.ask("POST", "/api/v1/queue", {"title": title, "agent": agent})
    site.change(job["queue_id"], stage="upload", progress=30)
    site.change(job["queue_id"], status="failed", error=error)
    return int(job["queue_id"])


def test_a_failure_is_told_once_with_the_way_to_its_job_and_can_be_dismissed(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    seen.streaming()
    top = "() => document.querySelector('main').getBoundingClientRect().top"
    before = seen.page.evaluate(top)
    number = fail(headway, "a\u202e4pm.exe", "studio")
    toast = seen.page.locator(".toast")
    expect(toast).to_have_count(1)
    expect(toast.locator("strong")).to_have_text("a\ufffd4pm.exe failed")
    expect(toast.locator("span")).to_have_text("studio · upload · disk full")
    assert toast.locator("a").get_attribute("href") == f"/dashboard/jobs/{number}"
    assert seen.page.locator("[role=status] .toast").count() == 1
    assert seen.page.evaluate(top) == before, "the layout moved"
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)


def test_many_failures_are_a_line_an_agent_and_three_lines_at_most(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    seen.streaming()
    for turn in range(14):
        fail(headway, f"{turn}.mp4", "studio")
    toast = seen.page.locator(".toast")
    expect(toast.locator("strong")).to_have_text("14 jobs failed in studio")
    assert toast.locator("a").get_attribute("href") == "/dashboard/jobs?status=failed&agent=studio"
    for agent in ("a & b", "second", "third"):
        fail(headway, "b.mp4", agent)
    expect(toast.last).to_contain_text("third")
    expect(toast).to_have_count(3)
    assert "14 jobs" not in " ".join(toast.all_inner_texts()), "the oldest did not make room"


@pytest.fixture(scope="module")
def whole(browser: Browser) -> Iterator[Browser]:
    """A Chromium with all that a screen needs: the tests' own may not show notifications."""
    other = launch(browser.browser_type, CHROMIUM)
    yield other
    other.close()


def test_desktop_notifications_are_off_until_turned_on_and_come_from_one_tab(
    headway: Site, visit: Go, whole: Browser
) -> None:
    seen = visit(headway, "/dashboard/jobs", whole=whole, permissions=["notifications"])
    tabs = [seen, another_tab(seen, headway.url + "/dashboard/jobs")]
    switch = seen.page.get_by_role("button", name="Desktop notifications of failed jobs")
    for tab in tabs:
        tab.streaming()
        tab.page.evaluate(NOTE_NOTIFICATIONS)
    fail(headway, "quiet.mp4", "studio")
    for tab in tabs:
        expect(tab.page.locator(".toast")).to_have_count(1)
        assert tab.page.evaluate("() => window.told") == []
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    other = tabs[1].page.get_by_role("button", name="Desktop notifications of failed jobs")
    expect(other).to_have_attribute("aria-pressed", "true")
    for tab in tabs:
        tab.page.evaluate(HIDE, True)
    fail(headway, "loud.mp4", "night")
    wait_until(lambda: sum(told(tab) for tab in tabs) >= 1, what="the notification")
    seen.page.wait_for_timeout(300)
    assert sum(told(tab) for tab in tabs) == 1
    tabs[1].page.reload(wait_until="domcontentloaded")
    expect(other).to_have_attribute("aria-pressed", "true")


def told(tab: Visit) -> int:
    tab.page.wait_for_timeout(50)
    return tab.page.evaluate(
        "() => window.told.filter((text) => text === 'loud.mp4 failed: night · upload · disk full').length"
    )
