"""The page of errors as a reader uses it: new failures come by themselves, and each kind leads on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit, start_site

Go = Callable[..., Visit]


@pytest.fixture(scope="module")
def failing() -> Iterator[Site]:
    yield from start_site()


def test_a_failure_joins_those_alike_on_an_open_page_and_leads_to_its_traceback(failing: Site, visit: Go) -> None:
    failing.make("First", status="failed", error="ValueError: no user 17")
    page = visit(failing, "/dashboard/errors").page
    rows = page.locator("table.errors tbody tr")
    expect(rows).to_have_count(1)
    failing.make("Second", status="failed", error="ValueError: no user 18")
    failing.make("Third", status="failed", error="KeyError: 'name'")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("no user 18")
    expect(rows.first.locator("td.num")).to_have_text("2")
    page.get_by_role("link", name="Newest", exact=True).click()
    expect(rows.first).to_contain_text("KeyError")
    page.get_by_label("Type").fill("ValueError")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    rows.get_by_role("link", name="ValueError").click()
    expect(page.locator("#error-text")).to_have_text("ValueError: no user 18")
    failing.make("Fourth", status="failed", error="ValueError: no user 19")
    expect(page.locator("#error-text")).to_have_text("ValueError: no user 19")
    page.get_by_role("link", name="All that failed so").click()
    expect(page.locator("table.found tbody tr")).to_have_count(3)
