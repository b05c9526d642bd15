"""The history page as a reader uses it, with and without scripts, of jobs that the site archived by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit, start_site
from tests.conftest import wait_until

HISTORY = "/dashboard/history"
Go = Callable[..., Visit]
LONG = (
    "Traceback (most recent call last):\n"
    + '  File "/app/worker.py", line 3, in go\n' * 8
    + "ConnectionError: db-7.example.com refused "
    + "x" * 300
)


@pytest.fixture(scope="module")
def history() -> Iterator[Site]:
    """A site whose archive holds sixty jobs, one of which failed."""
    for site in start_site():
        fill(site)
        yield site


def fill(site: Site) -> None:
    for n in range(59):
        site.make(f"Episode {n}", status="completed")
    site.make("Night train " + "with a long title " * 12, status="failed", error=LONG, current_step="encode")

    def archived() -> int:
        answer = site.server.get("/api/v1/history?limit=100")
        return len(answer.json()["items"]) if answer.status == 200 else 0

    wait_until(lambda: archived() == 60, what="the last archived job")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_search_leads_to_a_job_and_on_to_others_like_it(history: Site, visit: Go, scripts: bool) -> None:
    one = visit(history, HISTORY, java_script_enabled=scripts, bypass_csp=True)
    page = one.page
    expect(page.locator("table.found tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Older", exact=True).click()
    expect(page.locator("table.found tbody tr")).to_have_count(10)
    page.get_by_placeholder("Words in title").fill("refused exam")
    page.get_by_label("Outcome").select_option("failed")
    page.get_by_role("button", name="Search").click()
    rows = page.locator("table.found tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.locator("mark")).to_have_text(["example", "refused"])
    expect(page.locator(".chosen a.button")).to_have_count(2)
    if scripts:
        assert page.url.endswith("?q=refused+exam&status=failed")
    rows.locator("a.name").click()
    expect(page.locator("h1")).to_contain_text("Night train")
    page.get_by_role("link", name="Similar failures").click()
    expect(page.locator("table.found tbody tr")).to_have_count(1)


def test_times_are_chosen_in_the_readers_zone(history: Site, visit: Go) -> None:
    page = visit(history, f"{HISTORY}?from=2026-01-01T00:00:00Z", timezone_id="Asia/Tokyo").page
    expect(page.get_by_label("Ended from (Asia/Tokyo)")).to_have_value("2026-01-01T09:00")
    page.get_by_label("Ended from (Asia/Tokyo)").fill("2026-01-02T10:00:00")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".chosen time")).to_have_attribute("datetime", "2026-01-02T01:00:00.000Z")
    expect(page.locator("table.found tbody tr")).to_have_count(50)
    page.go_back()
    expect(page.get_by_label("Ended from (Asia/Tokyo)")).to_be_enabled()


def test_the_page_is_reached_by_its_keys_and_looks_right(history: Site, visit: Go) -> None:
    one = visit(history, "/dashboard/jobs", bypass_csp=True)
    one.live()
    one.page.keyboard.press("g")
    one.page.keyboard.press("h")
    one.page.wait_for_url(f"**{HISTORY}")
    one.page.keyboard.press("/")
    assert one.page.evaluate("() => document.activeElement.name") == "q"
    for query in ("", "?by=agent&job=x", "?q=refused&by=stage&from=2026-01-01&min_s=0&queue="):
        one.page.goto(history.url + HISTORY + query)
        one.looks_right(390, 768, 1440)
