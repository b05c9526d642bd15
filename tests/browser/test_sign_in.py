"""Signing in with a real browser on a real server: by the link in the log, by hand, and back again after a sign-out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import free_port
from tests.serving import Server


@pytest.fixture(scope="module")
def one() -> Iterator[Server]:
    """A site that made its token itself, and wrote it into its log."""
    site = Server(free_port(), "", {"HEADWAY_TOKEN": ""})
    try:
        site.start()
        site.token = link_in(site)[1]
        yield site
    finally:
        site.close()


def link_in(site: Server) -> re.Match[str]:
    found = re.search(r"http://\S+/login#token=(\S+)", site.log())
    assert found
    return found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.route(re.compile(r"^https://cdn\.jsdelivr\.net/"), lambda route: route.abort())
    yield page
    context.close()


def complaints(page: Page) -> list[str]:
    """What the browser says of the content policy, from now on."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    return said


def test_the_link_in_the_log_signs_in_and_leaves_no_token_behind(one: Server, page: Page) -> None:
    link = link_in(one)
    said = complaints(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link[0])
    page.wait_for_url(re.compile(r"/dashboard/observability$"))
    assert not any(link[1] in url for url in asked if "#" not in url)
    page.go_back()
    assert link[1] not in page.url
    assert said == []
    assert one.log().count(link[1]) == 1


def test_the_token_can_be_typed_without_scripts(one: Server, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{one.url}/dashboard/jobs?status=failed")
    page.get_by_label("Token").fill("wrong-token")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").inner_text() == "That token does not open this site. Check it and try again."
    page.get_by_label("Token").fill(one.token)
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{one.url}/dashboard/jobs?status=failed"
    context.close()


def test_an_open_page_goes_to_the_sign_in_page_once_its_session_is_over(one: Server, page: Page) -> None:
    page.goto(f"{one.url}/login?next=/dashboard/observability")
    page.get_by_label("Token").fill(one.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/dashboard/observability$"))
    other = page.context.new_page()
    other.goto(f"{one.url}/dashboard/jobs")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url(re.compile(r"/login"))
    page.wait_for_url(re.compile(r"/login\?next=(/|%2F)dashboard(/|%2F)observability$"))
