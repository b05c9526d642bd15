"""`make dev`: an open page reloads itself when a template or an asset changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from routes.pages import CDN
from scripts.shots import sign_in
from tests.conftest import GENEROUS_MS, TOKEN, free_port
from tests.serving import ROOT, Server

NOT_THE_PROGRAM = shutil.ignore_patterns(".*", "data", "tests", "bench", "docs", "demo", "__pycache__", "node_modules")


@pytest.fixture(scope="module")
def developed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A site that runs from a copy of the program, which a test may change."""
    copy = shutil.copytree(ROOT, tmp_path_factory.mktemp("program") / "headway", ignore=NOT_THE_PROGRAM)
    one = Server(free_port(), TOKEN, {"HEADWAY_DEV": "on"}, root=Path(copy))
    try:
        yield one.start()
    finally:
        one.close()


def test_what_is_typed_to_sign_in_stays(developed: Server, browser: Browser) -> None:
    page = browser.new_page()
    page.set_default_timeout(GENEROUS_MS)
    page.route(f"{CDN}/**", lambda route: route.abort())
    try:
        page.goto(f"{developed.url}/login")
        page.fill("#token", "half a tok")
        for _ in range(3):  # the second look is the first that has something to compare, the third begins after it was
            with page.expect_response("**/dev/version") as asked:
                pass
            assert asked.value.status == 401
        expect(page.locator("#token")).to_have_value("half a tok")
    finally:
        page.close()


@pytest.mark.parametrize(
    ("file", "added", "seen"),
    [
        ("templates/uploads.html", "<p id=proof>changed</p>{% endblock %}", "document.getElementById('proof') !== null"),
        ("static/headway.css", "body { outline: 3px solid red; }", "getComputedStyle(document.body).outlineWidth === '3px'"),
    ],
)  # fmt: skip
def test_an_open_page_reloads_when_a_template_or_an_asset_changed(
    developed: Server, browser: Browser, file: str, added: str, seen: str
) -> None:
    page = browser.new_page()
    page.set_default_timeout(GENEROUS_MS)
    page.route(f"{CDN}/**", lambda route: route.abort())
    try:
        sign_in(page, developed.url, TOKEN)
        page.goto(f"{developed.url}/dashboard/uploads")
        with page.expect_response("**/dev/version"):  # only now: the page before asks too, and its answer says nothing
            pass
        page.evaluate("() => { window.before = true; }")
        path = developed.root / file
        text = path.read_text()
        path.write_text(f"{text[: text.rindex('{% endblock %}')]}{added}\n" if file.endswith("html") else text + added)
        page.wait_for_function("() => !window.before")
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate(f"() => {seen}")
    finally:
        page.close()
