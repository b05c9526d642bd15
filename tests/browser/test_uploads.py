"""Uploads as a reader makes them: with and without scripts, by choosing a file and by dropping one."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visit
from tests.services.upload_files import as_csv, as_ndjson

UPLOADS = "/dashboard/uploads"
JOBS = [{"id": f"job-{n}", "title": f"Job {n}", "status": "completed"} for n in range(25)]
BAD = b"id,title,progress\na,first,10\nb,second,much\n"
Go = Callable[..., Visit]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_bytes(as_csv(JOBS))
    return path


def drop(page: Page, name: str, data: bytes) -> None:
    """What a browser does when a file is let go over the page."""
    transfer = page.evaluate_handle(
        """([name, text]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(atob(text), (char) => char.charCodeAt(0))], name));
          return transfer;
        }""",
        [name, base64.b64encode(data).decode()],
    )
    page.dispatch_event("main", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("form[data-over]")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": transfer})


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_chosen_file_leads_to_its_page(headway: Site, visit: Go, history: Path, scripts: bool) -> None:
    page = visit(headway, UPLOADS, java_script_enabled=scripts).page
    page.get_by_label("A file of NDJSON").set_input_files(history)
    page.get_by_role("button", name="Upload", exact=True).click()
    page.wait_for_url(re.compile(r"/dashboard/uploads/\d+$"))
    expect(page.locator("h1")).to_have_text("history.csv")
    expect(page.locator(".tag")).to_have_text("stored")
    expect(page.locator(".facts")).to_contain_text("25")
    page.goto(headway.url + UPLOADS)
    expect(page.locator("table.uploads tbody tr").first).to_contain_text("history.csv")


def test_a_dropped_file_is_sent_at_once_and_its_wrong_rows_are_listed(headway: Site, visit: Go) -> None:
    page = visit(headway, UPLOADS).page
    page.wait_for_load_state("load")
    drop(page, "dropped <b>.csv", BAD)
    page.wait_for_url(re.compile(r"/dashboard/uploads/\d+$"))
    expect(page.locator("h1")).to_have_text("dropped <b>.csv")
    expect(page.locator(".tag")).to_have_text("with errors")
    expect(page.locator("table.rejected tbody")).to_contain_text("should be a number")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert re.fullmatch(r"upload-\d+-rejected\.csv", download.value.suggested_filename)
    assert download.value.path().read_text().splitlines() == ["line,column,reason", "3,progress,should be a number"]


def test_the_transfer_is_seen_and_can_be_cancelled(headway: Site, visit: Go) -> None:
    seen = visit(headway, UPLOADS)
    page = seen.page
    page.wait_for_load_state("load")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 60_000},
    )
    drop(page, "large.ndjson", as_ndjson(JOBS) * 2000)
    expect(page.locator("[data-sending]")).to_be_visible()
    seen.until("() => document.querySelector('[data-sending] progress').value > 0.5")
    expect(page.locator("[data-sending-words]")).to_have_text(re.compile(r"^[\d.]+ kB of [\d.]+ MB$"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_enabled()


def test_a_refused_file_leads_to_the_page_that_says_why(headway: Site, visit: Go) -> None:
    seen = visit(headway, UPLOADS, faults=True)  # the browser itself notes the answer's status as an error
    seen.page.wait_for_load_state("load")
    drop(seen.page, "wide.csv", as_csv(JOBS).decode().encode("utf-16"))
    seen.page.wait_for_url(re.compile(r"/dashboard/uploads/\d+$"))
    expect(seen.page.locator(".tag")).to_have_text("refused")
    expect(seen.page.locator(".fault")).to_contain_text("iconv -f UTF-16 -t UTF-8")


def test_a_new_upload_shows_in_the_list_without_a_reload(headway: Site, visit: Go) -> None:
    seen = visit(headway, UPLOADS)
    seen.live()
    seen.page.get_by_label("A file of NDJSON").focus()
    headway.server.post(f"{UPLOADS}?name=from-a-program.ndjson", as_ndjson(JOBS))
    expect(seen.page.locator("table.uploads")).to_contain_text("from-a-program.ndjson")
    expect(seen.page.get_by_label("A file of NDJSON")).to_be_focused()


def test_the_pages_fit_and_can_be_used_by_all(headway: Site, visit: Go) -> None:
    number = headway.server.post(f"{UPLOADS}?name={'long-' * 40}.csv", BAD).json()["number"]
    seen = visit(headway, UPLOADS, bypass_csp=True)
    for path in (UPLOADS, f"{UPLOADS}/{number}"):
        seen.page.goto(headway.url + path)
        if path == UPLOADS:
            seen.page.get_by_text("What a row may say").click()
        seen.looks_right(320, 390, 1280)
