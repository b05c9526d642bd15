"""The search box of jobs and the boxes of their rows, by keys and while jobs change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import expect

from app import create_site
from core.config import Config
from core.settings import read
from core.site import Site as Store
from services import jobs_service
from services.job_changes import Change
from services.job_model import Job
from tests.browser.conftest import Site, Visit
from tests.conftest import TOKEN
from tests.panels.boards import HOSTILE

Go = Callable[..., Visit]
QUEUES = ("mail", "mail reports", HOSTILE[:60].strip())


@pytest.fixture(scope="module")
def engine(headway: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """Makes or changes a job of RQ as its follower does: `engine("id", qu="mail")`."""
    settings = read(
        {"REDIS_URL": headway.store.url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": str(tmp_path_factory.mktemp("d"))}
    )
    site: Store = create_site(Flask("headway"), settings, Config())

    def put(id: str, **fields: object) -> int:
        change = Change("put", **{"a": "rq", "i": id, "en": "rq", "x": "queued", "qu": "mail", "fn": "send", **fields})  # type: ignore[arg-type]
        job = jobs_service.apply(site, 0, change).job
        assert isinstance(job, Job)
        return job.number

    for place, queue in enumerate(QUEUES):
        put(f"of-queue-{place}", qu=queue, s="failed", x="failed", e="Timeout: late", et="Timeout", w=1_790_000_000_000)
    yield put
    site.store.close()


@pytest.mark.usefixtures("engine")
def test_a_search_is_written_by_keys_alone_and_its_address_shows_the_same_to_others(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    page, field, options = seen.page, seen.page.locator("#q"), seen.page.locator("#q-options [role=option]")
    seen.live()
    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.type("sta")
    expect(options.first).to_contain_text("status:")
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "q-options-0")
    page.keyboard.press("Enter")
    expect(field).to_have_value("status:")
    expect(options.nth(3)).to_have_text("failed")
    page.keyboard.press("Tab")
    expect(field).not_to_be_focused()
    field.focus()
    page.keyboard.type("fa")
    expect(options).to_have_count(1)
    page.keyboard.press("Tab")
    expect(field).to_have_value("status:failed ")
    page.keyboard.type("queue:mail")
    expect(options).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(field).to_have_attribute("aria-expanded", "false")
    expect(field).not_to_have_attribute("aria-activedescendant", "q-options-0")
    page.keyboard.press("ArrowDown")
    expect(options.filter(has_text="mail reports")).to_be_visible()
    options.filter(has_text="mail reports").click()
    expect(field).to_have_value('status:failed queue:"mail reports" ')
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/jobs?q=*")
    shown = page.locator("#region-job-list .name").all_inner_texts()
    assert len(shown) == 1
    other = visit(headway, page.url.removeprefix(headway.url))
    assert other.page.locator("#region-job-list .name").all_inner_texts() == shown
    expect(other.page.locator("#q")).to_have_value('status:failed queue:"mail reports"')
    assert other.text(".chosen") == "status failed × , take away queue mail reports × , take away Show all"


def test_what_completes_takes_the_place_of_what_was_typed_behind_an_emoji_and_before_another(
    headway: Site, visit: Go
) -> None:
    seen = visit(headway, "/dashboard/jobs")
    field, options = seen.page.locator("#q"), seen.page.locator("#q-options [role=option]")
    seen.live()
    seen.page.fill("#q", "😀 sta 😀")
    for _ in range(2):
        seen.page.keyboard.press("ArrowLeft")
    seen.page.keyboard.press("ArrowDown")
    expect(options.first).to_contain_text("status:")
    seen.page.keyboard.press("Tab")
    expect(field).to_have_value("😀 status: 😀")
    expect(options.nth(3)).to_have_text("failed")
    seen.page.keyboard.type("fa")
    expect(options).to_have_count(1)
    seen.page.keyboard.press("Tab")
    expect(field).to_have_value("😀 status:failed 😀")


@pytest.mark.usefixtures("engine")
def test_names_from_outside_are_text_in_the_list_and_in_what_completes(headway: Site, visit: Go) -> None:
    seen = visit(headway, "/dashboard/jobs")
    seen.live()
    seen.page.fill("#q", "queue:")
    options = seen.page.locator("#q-options [role=option]")
    expect(options.filter(has_text="iframe").or_(options.filter(has_text="<"))).to_be_visible()
    assert "\u202e" not in options.filter(has_text="<").inner_text()
    options.filter(has_text="<").click()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/dashboard/jobs?q=*")
    assert seen.page.locator("#region-job-list .name").count() == 1
    assert seen.page.locator("iframe, main img, main script").count() == 0


def test_what_is_chosen_stays_so_while_the_list_changes_and_new_jobs_wait(
    headway: Site, visit: Go, engine: Callable[..., int]
) -> None:
    first, second = engine("first", fn="hold"), engine("second", fn="hold")
    seen = visit(headway, "/dashboard/jobs?q=queue:mail+function:hold", bypass_csp=True)
    seen.live()
    page = seen.page
    box = page.locator(f"input[name=job][value='{first}']")
    box.check()
    page.focus("#q")
    page.keyboard.type("abc")
    expect(page.locator("[data-picked]")).to_contain_text("1 chosen")
    place = box.bounding_box()
    third = engine("third", fn="hold")
    expect(page.locator("#region-job-list header")).to_contain_text("1 new job")
    engine("second", fn="hold", x="started", s="processing")
    expect(page.locator(f"#job-{second}")).to_contain_text("started")
    expect(page.locator(f"#job-{third}")).to_have_count(0)
    assert box.bounding_box() == place
    seen.looks_right(1440, 390)
    page.click("[data-show-new]")
    expect(page.locator(f"#job-{third}")).to_be_visible()
    expect(box).to_be_checked()
    expect(page.locator(f"input[name=job][value='{second}']")).not_to_be_checked()
    page.locator("[data-pick-all]").check()
    assert page.locator("input[name=job]:not(:checked)").count() == 0
    fourth = engine("fourth", fn="hold")
    expect(page.locator("[data-show-new]")).to_be_visible()
    assert page.evaluate("() => new FormData(document.querySelector('#bulk')).getAll('job').length") == 3
    page.locator("[data-pick-all]").uncheck()
    expect(page.locator(f"#job-{fourth}")).to_have_count(0)
    page.mouse.move(0, 0)
    expect(page.locator(f"#job-{fourth}")).to_be_visible()
    expect(page.locator("[data-show-new]")).to_have_count(0)


def test_a_chosen_job_that_leaves_the_list_goes_with_the_others(
    headway: Site, visit: Go, engine: Callable[..., int]
) -> None:
    stays, leaves = engine("stays", fn="part"), engine("leaves", fn="part")
    seen = visit(headway, "/dashboard/jobs?q=status:queued+function:part")
    seen.live()
    seen.page.locator("[data-pick-all]").check()
    engine("leaves", fn="part", x="finished", s="completed")
    expect(seen.page.locator(f"#job-{leaves}")).to_have_count(0)
    expect(seen.page.locator("[data-picked]")).to_contain_text("2 chosen, 1 no longer on this page")
    sent = seen.page.evaluate("() => new FormData(document.querySelector('#bulk')).getAll('job')")
    assert sorted(map(int, sent)) == sorted([stays, leaves])


def test_the_page_works_as_a_form_without_a_script(headway: Site, visit: Go, engine: Callable[..., int]) -> None:
    number = engine("plain", fn="plain")
    seen = visit(headway, "/dashboard/jobs", java_script_enabled=False)
    seen.page.fill("#q", "function:plain")
    seen.page.press("#q", "Enter")
    expect(seen.page.locator(f"#job-{number}")).to_be_visible()
    assert seen.page.locator("#region-job-list .name").count() == 1


def test_the_search_and_a_job_look_right_at_every_width(headway: Site, visit: Go, engine: Callable[..., int]) -> None:
    number = engine("long", fn="f" * 150, l="t" * 300, e="Traceback\n" + "x" * 3000, wk="w" * 180, tg=["a" * 60, "b" * 60],
                    d='{"args": ["' + "y" * 900 + '"], "kwargs": {"' + "k" * 90 + '": {"a": [1, 2]}}, "retries_left": 2}',
                    s="failed", x="failed", et="E" * 150)  # fmt: skip
    seen = visit(headway, "/dashboard/jobs?q=queue:mail+timeout", bypass_csp=True)
    seen.looks_right(1440, 768, 390)
    seen.page.goto(f"{headway.url}/dashboard/jobs")
    seen.live()
    seen.page.click("#q")
    expect(seen.page.locator("#q-options")).to_be_visible()
    seen.looks_right(1440, 390)
    seen.page.goto(f"{headway.url}/dashboard/jobs/{number}")
    seen.looks_right(1440, 768, 390)


def test_a_search_that_can_not_be_read_is_shown_with_its_fault_marked(headway: Site, visit: Go) -> None:
    # A browser itself reports each 422.
    seen = visit(headway, "/dashboard/jobs?q=status:failed+quue:mail+x", bypass_csp=True, faults=True)
    expect(seen.page.locator("#misread mark")).to_have_text("quue:")
    expect(seen.page.locator("#q")).to_have_attribute("aria-describedby", "misread")
    assert seen.page.locator("[data-state], .segments [aria-current], #bulk, .chosen").count() == 0
    seen.looks_right(1440, 390)
    misread = seen.page.url
    seen.page.get_by_role("link", name="Did you mean queue:?").click()
    expect(seen.page.locator("#q")).to_have_value("status:failed queue:mail x")
    seen.page.goto(misread)
    seen.page.get_by_role("link", name="Queued", exact=True).click()
    expect(seen.page.locator("#q")).to_have_value("status:queued x")


def test_the_bar_for_chosen_jobs_is_one_line_until_it_is_needed_and_a_key_away(
    headway: Site, visit: Go, engine: Callable[..., int]
) -> None:
    numbers = [engine(f"bar-{place}", fn="barred") for place in range(12)]
    seen = visit(headway, "/dashboard/jobs?q=function:barred", bypass_csp=True, viewport={"width": 390, "height": 800})
    seen.live()
    page = seen.page
    bar = page.locator("#bulk")
    expect(bar).to_have_css("position", "static")
    assert bar.evaluate("bar => bar.offsetHeight") < 40
    expect(bar.get_by_role("button")).to_have_count(0)
    page.keyboard.press("b")
    expect(bar.get_by_label("All that match")).to_be_focused()
    page.locator(f"input[name=job][value='{numbers[-1]}']").focus()
    page.keyboard.press("Space")
    expect(bar).to_have_css("position", "sticky")
    expect(bar.get_by_role("status")).to_have_text("With the 1 chosen job:")
    page.keyboard.press("b")
    page.keyboard.press("Space")
    expect(bar.get_by_role("status")).to_have_text("With all 12 jobs that match, ticked or not:")
    page.keyboard.press("Space")
    expect(bar.get_by_role("status")).to_have_text("With the 1 chosen job:")
    page.keyboard.press("Tab")
    expect(bar.get_by_role("button", name="Retry")).to_be_focused()
    seen.looks_right(390, 1280)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("b Go from a ticked job", use_inner_text=True)
    page.goto(f"{headway.url}/dashboard/jobs?q=function:nothing")
    expect(page.get_by_text("No job fits.")).to_be_visible()
    expect(bar).to_be_hidden()
