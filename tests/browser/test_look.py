"""How the pages look and can be used: without a script, at every width, in both themes, by keyboard and by ear."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from panels import PANELS
from tests.browser.conftest import OBSERVABILITY, SIDEWAYS, Site, Visit
from tests.conftest import wait_until
from tests.panels.boards import HOSTILE

Go = Callable[..., Visit]
AGENT = "a" * 60 + "<svg onload=alert(2)> \u202e"
PAGES = [
    OBSERVABILITY,
    "/dashboard/jobs",
    "/dashboard/jobs?status=failed&agent=nobody",
    "/dashboard/jobs/{}",
    "/dashboard/agents",
    f"/dashboard/agents/{quote(AGENT)}",
]


@pytest.fixture(scope="module")
def hostile(headway: Site) -> int:
    """A job whose every text is hostile and long; its number. Its agent made and saw everything that an agent can."""
    long = HOSTILE + "m" * 300
    at = f"/agents/{quote(AGENT)}"
    for stage in ("s" * 100, HOSTILE[:80]):
        made = headway.ask("POST", f"{at}/jobs", {"videoId": "v" * 100, "videoTitle": long, "stage": stage})
        if stage[0] == "s":
            done = {"status": "completed", "episodeId": "e" * 100, "published": True}
            headway.ask("PATCH", f"{at}/jobs/{made['id']}", done)
    headway.ask("POST", f"{at}/videos", {"videoId": "d" * 100, "title": long})
    headway.ask("POST", f"{at}/backfills", {"totalVideos": 7, "since": "2026-01-01"})
    return headway.make(
        long[:500], stage="s" * 100, message=long, progress=33.3, error=long, metadata={"note": long}, result=[long]
    )


def test_the_first_paint_is_whole_without_javascript(headway: Site, visit: Go, hostile: int) -> None:
    seen = visit(headway, java_script_enabled=False)
    awaited = seen.page.get_by_text("Still being read")

    def is_whole() -> bool:
        if awaited.count():
            seen.page.reload()  # as the page itself says, on a machine that does much else
        return not awaited.count()

    wait_until(is_whole, what="the first reading of every panel")
    for name in (name for name, panel in PANELS.items() if panel.stands_on("observability") and not panel.absent):
        body = seen.page.locator(f"#panel-{name} .body")
        expect(body).to_be_visible()
        assert body.inner_text().strip()
    expect(seen.page.locator("#plot-cache svg")).to_be_visible()
    expect(seen.page.get_by_text("Reload the page to refresh it", exact=True)).to_be_visible()
    for hidden in ("Pause", "Copy"):
        assert seen.page.get_by_role("button", name=hidden).count() == 0
    seen.page.goto(f"{headway.url}/dashboard/jobs")
    seen.page.locator("table a.name").first.click()
    expect(seen.page.locator("h1")).to_be_visible()
    expect(seen.page.locator("#title-progress")).to_be_visible()


def test_a_reload_without_javascript_refreshes(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs", java_script_enabled=False)
    number = headway.make("after the first paint")
    assert seen.page.locator(f"#job-{number}").count() == 0
    seen.page.reload()
    expect(seen.page.locator(f"#job-{number}")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_nothing_scrolls_sideways_at_any_width_and_axe_finds_nothing_serious_in_either_theme(
    headway: Site, visit: Go, hostile: int, path: str
) -> None:
    seen = visit(headway, path.format(hostile), viewport={"width": 390, "height": 800}, bypass_csp=True)  # for axe
    assert seen.page.evaluate(SIDEWAYS) <= 0
    seen.live()
    seen.looks_right(390, 768, 1440)


def test_the_page_has_one_two_or_four_columns(headway: Site, visit: Go) -> None:
    seen = visit(headway)
    grid = "() => getComputedStyle(document.querySelector('main')).gridTemplateColumns.split(' ').length"
    for width, columns in ((390, 1), (768, 2), (1440, 4)):
        seen.page.set_viewport_size({"width": width, "height": 800})
        assert seen.page.evaluate(grid) == columns, width


def test_all_pages_have_the_same_edges_and_the_header_has_no_hole_before_anything_is_known(
    headway: Site, visit: Go
) -> None:
    page = visit(headway, "/dashboard/jobs", stream="none", viewport={"width": 1440, "height": 800}).page
    edges = set()
    for path in ("observability", "jobs", "queues", "errors", "history", "agents", "admin", "logs", "uploads"):
        page.goto(f"{headway.url}/dashboard/{path}", wait_until="domcontentloaded")
        box = page.locator("main").bounding_box()
        assert box
        edges.add((box["x"], box["width"]))
    assert len(edges) == 1, edges
    page.goto(f"{headway.url}/dashboard/jobs", wait_until="domcontentloaded")
    gap = "() => document.querySelector('.live [data-sync]').parentElement.getBoundingClientRect().left"
    gap += " - document.querySelector('.live .state').getBoundingClientRect().right"
    assert page.evaluate(gap) < 20


def test_the_help_opens_at_its_beginning_on_a_low_screen_and_keys_stay_in_a_line(headway: Site, visit: Go) -> None:
    page = visit(headway, "/dashboard/jobs", viewport={"width": 844, "height": 390}).page
    page.keyboard.press("?")
    expect(page.locator("#help button", has_text="Close")).to_be_focused()
    assert page.evaluate("() => document.getElementById('help').scrollTop") == 0
    expect(page.locator("#help h2")).to_be_in_viewport()
    apart = """keys => keys.filter((key) => !key.previousSibling.textContent.trim()
      && key.offsetTop !== key.previousElementSibling.offsetTop).length"""
    assert page.locator("#help kbd + kbd").evaluate_all(apart) == 0


def test_the_theme_follows_the_system_until_the_switch_is_used_and_stays(headway: Site, visit: Go) -> None:
    page = visit(headway, color_scheme="dark").page
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(14, 17, 22)"
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate(ground) == "rgb(246, 247, 249)"
    page.reload(wait_until="domcontentloaded")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "light"
    assert page.evaluate(ground) == "rgb(246, 247, 249)"
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate("() => localStorage.getItem('headway-theme')") is None
    assert page.evaluate(ground) == "rgb(14, 17, 22)"


def test_nothing_moves_for_those_who_ask_for_that(headway: Site, visit: Go) -> None:
    page = visit(headway, reduced_motion="reduce").page
    moving = "() => getComputedStyle(document.querySelector('.dot'), '::after').animationName"
    assert page.evaluate(moving) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) == "pulse"


def test_hostile_texts_run_nothing_and_stay_whole(headway: Site, visit: Go, hostile: int) -> None:
    seen = visit(headway, PAGES[-1], stream="none")
    seen.page.on("dialog", lambda dialog: pytest.fail(f"a text ran: {dialog.message}"))
    for path in (PAGES[-1], "/dashboard/observability", "/dashboard/jobs", f"/dashboard/jobs/{hostile}"):
        seen.page.goto(headway.url + path, wait_until="domcontentloaded")
        seen.live()
        for part in seen.page.locator("[data-live]").all():
            part.dispatch_event("catchup")
        seen.page.wait_for_load_state("networkidle")
        assert seen.page.locator("main img, main iframe, main script").count() == 0
        assert HOSTILE[:20] in seen.page.locator("main").inner_text()
    assert seen.page.locator("h1 > bdi").count() == 1


def test_the_pages_are_reached_by_keyboard(headway: Site, visit: Go) -> None:
    page = visit(headway).page
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_url(lambda url: url.endswith("/dashboard/jobs"))
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "q"
    page.keyboard.press("Escape")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url(lambda url: url.endswith("/dashboard/agents"))
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url(lambda url: url.endswith(OBSERVABILITY))
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "metrics-search"


def test_arrows_move_through_the_jobs(headway: Site, visit: Go) -> None:
    headway.make("upper")
    page = visit(headway, "/dashboard/jobs").page
    names = page.locator("table a.name")
    names.first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("() => document.activeElement.pathname") == names.nth(1).get_attribute("href")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("() => document.activeElement.pathname") == names.first.get_attribute("href")


def test_the_first_stop_of_the_keyboard_skips_to_the_content_and_focus_is_seen(headway: Site, visit: Go) -> None:
    page = visit(headway).page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "content"


def test_times_are_the_readers_own_and_exact_in_the_tooltip(headway: Site, visit: Go) -> None:
    number = headway.make("timely")
    seen = visit(headway, f"/dashboard/jobs/{number}", timezone_id="Asia/Tokyo", locale="en-GB")
    time = seen.page.locator(".facts time[data-when=moment]").first
    iso = time.get_attribute("datetime") or ""
    assert iso.endswith("Z")
    hour = (int(iso[11:13]) + 9) % 24
    expect(time).to_contain_text(f"{hour:02}:{iso[14:16]}")
    assert f"{hour:02}:{iso[14:19]}" in (time.get_attribute("title") or "")
    expect(seen.page.locator(".facts time[data-when=ago]")).to_have_text("just now")


def test_the_lines_of_an_empty_site_name_it_can_be_copied_and_look_right_where_its_store_is_away(
    own_headway: Site, visit: Go
) -> None:
    seen = visit(own_headway, permissions=["clipboard-read", "clipboard-write"])
    line = seen.text("#first-job")
    assert line.startswith(f"curl {own_headway.url}/api/v1/queue ")
    seen.page.locator("[data-copy='#first-job']").click()
    expect(seen.page.locator("[data-copy='#first-job']")).to_have_text("Copied")
    assert " ".join(seen.page.evaluate("() => navigator.clipboard.readText()").split()) == line
    seen.page.goto(f"{own_headway.url}/dashboard/admin")
    assert seen.text("#first-value").startswith(f"curl -X PUT {own_headway.url}/api/v1/tiles/users ")
    seen.page.close()
    seen = visit(own_headway, bypass_csp=True)
    own_headway.store.stop()
    seen.page.goto(own_headway.url + OBSERVABILITY)
    seen.live()
    seen.looks_right()


def test_one_can_sign_out_from_every_page(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    page = seen.page
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(lambda url: "/login" in url)
    seen.faults[:] = [fault for fault in seen.faults if "401" not in fault]  # what it asked for while it was signed out
    page.goto(headway.url + OBSERVABILITY)
    assert "/login" in page.url


def test_an_admin_can_sign_everybody_out_from_the_help_dialog(headway: Site, visit: Go) -> None:
    elsewhere = visit(headway, "/dashboard/uploads", faults=True).page
    page = visit(headway, "/dashboard/jobs").page
    page.keyboard.press("?")
    page.get_by_text("Sign out everywhere", exact=True).click()
    page.get_by_role("button", name="Sign everybody out").click()
    page.wait_for_url(lambda url: "/login" in url)
    elsewhere.goto(headway.url + OBSERVABILITY)
    assert "/login" in elsewhere.url


def test_a_long_name_of_an_agent_leaves_its_figures_in_sight(headway: Site, visit: Go) -> None:
    headway.ask("POST", "/api/v1/queue", {"title": "of a long agent", "agent": "a" * 100})
    seen = visit(headway, viewport={"width": 1440, "height": 900})
    beyond = """() => {
      const body = document.querySelector("#panel-jobs .body");
      return body.scrollWidth - body.clientWidth;
    }"""
    assert seen.page.evaluate(beyond) <= 0
