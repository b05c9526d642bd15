"""Viewers of log lines in open pages: lines come as they are logged, each once and in order, and wait for who reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit
from tests.browser.test_stream import HOSTILE

Go = Callable[..., Visit]
LOGS = "/dashboard/logs"
SHOWN = "() => [...document.querySelectorAll('.log bdi[data-text]:first-child')].map((text) => text.textContent)"
AT_END = """() => {
  const lines = document.querySelector("[data-lines]");
  return lines.scrollHeight - lines.clientHeight - lines.scrollTop < 2;
}"""
names = (f"line-{number}" for number in itertools.count(1))


def log(site: Site, *messages: str, level: str = "info", source: str = "web") -> list[str]:
    lines = [{"message": message, "level": level, "source": source} for message in messages]
    assert site.ask("POST", "/api/v1/logs", lines)["accepted"] == len(lines)
    return list(messages)


def some(site: Site, many: int, **said: str) -> list[str]:
    return log(site, *itertools.islice(names, many), **said)


def shown(seen: Visit) -> list[str]:
    return list(seen.page.evaluate(SHOWN))


def follows(seen: Visit, messages: list[str]) -> None:
    """Wait until these are the last lines, and see that no line came twice."""
    seen.until(f"last => JSON.stringify(({SHOWN})().slice(-last.length)) === JSON.stringify(last)", messages)
    lines = [line for line in shown(seen) if line.startswith("line-")]
    assert len(lines) == len(set(lines))


def scroll_up(seen: Visit) -> None:
    seen.page.locator("[data-lines]").evaluate("(lines) => lines.scrollTo(0, 10)")
    expect(seen.page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")


def test_lines_come_as_they_are_logged_without_a_poll(headway: Site, visit: Go) -> None:
    first = some(headway, 3)
    seen = visit(headway, LOGS)
    seen.streaming()
    follows(seen, first)
    seen.asked.clear()
    for _ in range(3):
        follows(seen, some(headway, 2))
    assert [url for url in seen.asked if "feeds" in url] == []


def test_a_page_that_shares_nothing_has_its_lines_too(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS, stream="own")
    seen.streaming()
    follows(seen, some(headway, 3))


def test_without_a_stream_lines_are_asked_for(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS, stream="none")
    seen.live()
    follows(seen, some(headway, 3))


def test_the_newest_line_stays_in_sight_until_the_reader_scrolls_up(headway: Site, visit: Go) -> None:
    some(headway, 80)
    seen = visit(headway, LOGS)
    seen.streaming()
    assert seen.page.evaluate(AT_END)
    last = some(headway, 30)
    follows(seen, last)
    assert seen.page.evaluate(AT_END)
    scroll_up(seen)
    before = shown(seen)
    waiting = some(headway, 3)
    button = seen.page.get_by_role("button", name="3 new lines")
    expect(button).to_be_visible()
    assert shown(seen) == before, "nothing moves under who reads"
    button.click()
    follows(seen, waiting)
    assert seen.page.evaluate(AT_END)
    expect(seen.page.locator("[data-more-lines]")).to_be_hidden()


def test_who_stopped_to_follow_is_not_disturbed_until_the_button_is_used_again(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS)
    seen.streaming()
    follow = seen.page.get_by_role("button", name="Follow")
    follow.click()
    waiting = some(headway, 2)
    expect(seen.page.get_by_role("button", name="2 new lines")).to_be_visible()
    assert not set(waiting) & set(shown(seen))
    follow.click()
    follows(seen, waiting)


def test_a_filter_holds_for_what_was_logged_and_for_what_comes(headway: Site, visit: Go) -> None:
    some(headway, 2)
    log(headway, "old fault of db", level="error", source="db")
    seen = visit(headway, LOGS)
    seen.streaming()
    seen.page.select_option("[name=level]", "warning")
    seen.until(f"() => !({SHOWN})().some((line) => line.startsWith('line-'))")
    assert seen.page.url.endswith("?level=warning")
    assert "old fault of db" in shown(seen)
    seen.page.fill("[name=source]", "db")
    seen.page.fill("[name=q]", "FAULT")
    seen.page.wait_for_url("**q=FAULT**")
    some(headway, 2)
    log(headway, "fault of another", level="error")
    log(headway, "a word of db", level="error", source="db")
    log(headway, "new fault of db", level="critical", source="db")
    follows(seen, ["old fault of db", "new fault of db"])
    seen.page.reload(wait_until="domcontentloaded")
    follows(seen, ["old fault of db", "new fault of db"])


def test_a_flood_is_shown_in_part_said_to_be_and_not_read_out(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS)
    seen.streaming()
    for _ in range(6):
        last = some(headway, 500)
    follows(seen, last[-50:])
    skipped = " ".join(seen.page.locator(".skipped").all_inner_texts())
    assert "lines not shown here" in skipped
    assert seen.page.locator("[data-rows] > *").count() <= 1001
    assert seen.page.locator("[data-lines]").get_attribute("aria-live") == "off"
    assert seen.page.evaluate(AT_END)


def test_of_a_flood_a_narrowed_list_gets_all_that_fit(headway: Site, visit: Go) -> None:
    seen = visit(headway, f"{LOGS}?q=needle")
    seen.streaming()
    needles = []
    for number in range(4):
        some(headway, 250)
        needles += log(headway, f"needle {number}")
        some(headway, 250)
    follows(seen, needles)


def test_lines_of_a_long_day_leave_the_page_and_are_led_to(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS)
    seen.streaming()
    for _ in range(8):
        follows(seen, some(headway, 150))
    assert len(shown(seen)) <= 1000
    oldest = shown(seen)[0]
    seen.page.get_by_role("link", name="Older lines").click()
    seen.page.wait_for_url("**before=**")
    older = shown(seen)
    assert oldest not in older
    assert older[-1] == f"line-{int(oldest.removeprefix('line-')) - 1}"


def test_what_was_logged_while_the_server_was_away_comes_once_and_in_order(own_headway: Site, visit: Go) -> None:
    seen = visit(own_headway, LOGS, faults=True)  # a browser itself reports requests that fail
    seen.streaming()
    follows(seen, some(own_headway, 2))
    before = shown(seen)
    own_headway.server.kill()
    expect(seen.page.locator("[data-state-word]")).to_have_text("Offline")
    own_headway.server.start()
    meanwhile = some(own_headway, 5)
    follows(seen, before + meanwhile)
    seen.streaming()
    follows(seen, before + meanwhile + some(own_headway, 2))


def test_a_paused_page_catches_up(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS)
    seen.streaming()
    before = some(headway, 1)
    follows(seen, before)
    seen.page.get_by_role("button", name="Pause").click()
    meanwhile = some(headway, 4)
    seen.page.wait_for_timeout(500)
    follows(seen, before)
    seen.page.get_by_role("button", name="Resume").click()
    follows(seen, before + meanwhile)


def test_hostile_lines_that_come_stay_text(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS)
    seen.streaming()
    log(headway, HOSTILE, "\x1b[31mred\x1b[0m <script>window.pwned=1</script>", source="<img src=x>")
    follows(seen, [HOSTILE, "red <script>window.pwned=1</script>"])
    expect(seen.page.locator(".ansi-red").last).to_have_text("red")
    assert seen.page.evaluate("() => window.pwned") is None
    assert seen.page.locator("main img, main script, hx-partial").count() == 0


def test_lines_are_wrapped_copied_and_downloaded(headway: Site, visit: Go) -> None:
    log(headway, "to be copied " + "x" * 3000 + " to its end", source="copier")
    seen = visit(headway, f"{LOGS}?source=copier", permissions=["clipboard-read", "clipboard-write"])
    seen.streaming()
    message = seen.page.locator(".said-so").last
    tall = message.bounding_box()
    seen.page.get_by_role("button", name="Wrap").click()
    flat = message.bounding_box()
    assert tall
    assert flat
    assert flat["height"] < tall["height"]
    seen.page.reload(wait_until="domcontentloaded")
    expect(seen.page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "false")
    seen.page.get_by_role("button", name="Wrap").click()
    seen.page.locator("[data-copy-lines]").click()
    expect(seen.page.locator("[data-copy-lines]")).to_have_text("Copied")
    copied = seen.page.evaluate("() => navigator.clipboard.readText()")
    assert copied.endswith(f" info copier to be copied {'x' * 3000} to its end\n")
    with seen.page.expect_download() as download:
        seen.page.get_by_role("link", name="Download").click()
    assert "to its end" in download.value.path().read_text()


def test_a_jobs_lines_come_to_its_page_with_the_newest_in_sight(headway: Site, visit: Go) -> None:
    number = headway.make("logged", stage="render", progress=10)
    seen = visit(headway, f"/dashboard/jobs/{number}")
    seen.streaming()
    expect(seen.page.locator("#region-job-logs")).to_contain_text("No lines yet")
    for turn in range(40):
        headway.ask("POST", "/api/v1/logs", {"message": f"step {turn}", "job": number})
    expect(seen.page.locator("#region-job-logs .log").last).to_contain_text("step 39")
    assert seen.page.evaluate("""() => {
      const lines = document.querySelector("#region-job-logs .lines");
      const last = lines.querySelector(".log:last-child").getBoundingClientRect();
      return lines.scrollHeight > lines.clientHeight && last.bottom <= lines.getBoundingClientRect().bottom;
    }""")


def test_two_tabs_have_all_lines_by_one_stream(headway: Site, visit: Go) -> None:
    seen = visit(headway, LOGS)
    other = Visit(seen.page.context.new_page(), faults=seen.faults)
    other.page.goto(headway.url + "/dashboard/admin", wait_until="domcontentloaded")
    for tab in (seen, other):
        tab.streaming()
    lines = some(headway, 3)
    for tab in (seen, other):
        follows(tab, lines)
