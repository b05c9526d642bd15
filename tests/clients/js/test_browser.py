"""The JavaScript client in a real browser, on a page of another origin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from playwright.sync_api import Browser, Page, expect

from tests.clients.js.conftest import create, report
from tests.clients.js.frontend import frontend
from tests.conftest import Valkey, free_port
from tests.serving import Server


def rows(page: Page, *texts: str) -> None:
    expect(page.locator("li")).to_have_text(list(texts))


def test_a_page_of_another_origin_follows_jobs_by_tickets_and_comes_back(
    own_valkey: Callable[..., Valkey], server: Callable[..., Server], browser: Browser
) -> None:
    port = free_port()
    site = server({"REDIS_URL": own_valkey().url, "FRONTEND_URL": f"http://127.0.0.1:{port}"})
    with frontend(port, site) as origin, closing(browser.new_page()) as page:
        page.goto(origin)
        page.wait_for_function("() => document.title === 'Jobs, live'")
        first = create(site)
        report(site, first, progress=40)
        rows(page, f"{first}: 40 %")
        site.kill()
        page.wait_for_function("() => document.title === 'Jobs'")
        site.start()
        second = create(site)
        report(site, first, progress=60)
        rows(page, f"{first}: 60 %", f"{second}: 0 %")
