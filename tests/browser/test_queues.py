"""Queues, workers and schedules in a real browser: at every width with much in them, and with a real worker of RQ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from app import create_site
from core import keys, site
from core.config import Config
from core.settings import read
from services import audit_service, queue_depths
from services.audit_service import Who
from services.brokers.model import QueueNow, ScheduleNow, WorkerNow
from tests.browser.conftest import OBSERVABILITY, SIDEWAYS, Site, Visit
from tests.conftest import TOKEN, Valkey, free_port
from tests.panels.boards import HOSTILE
from tests.rq_workers import TASKS, RqWorker, queue
from tests.serving import Server
from tests.told import fails, mirrors, now_ms, stands

Go = Callable[..., Visit]
PAGES = ("/dashboard/queues", "/dashboard/queues/rq/mail", "/dashboard/workers", "/dashboard/schedules", OBSERVABILITY)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, site.Site]]:
    """A Headway of which no process leads, so that brokers stand as the tests note them."""
    store = Valkey().start()
    file: Path = tmp_path_factory.mktemp("crowded") / "headway.toml"
    file.write_text(f'[[queues]]\nkind = "celery"\nurl = "redis://127.0.0.1:{free_port()}/0"\n')
    settings = read({"REDIS_URL": store.url, "HEADWAY_TOKEN": TOKEN})
    within = create_site(Flask("headway"), settings, Config())
    within.store.redis.set(keys.LEADER.at(), "this test")
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url, "HEADWAY_CONFIG": str(file)})
    try:
        yield Site(server.start(), store), within
    finally:
        within.store.close()
        server.close()
        store.close()


def crowd(within: site.Site) -> None:
    """Everything that there can be, and hostile and long names of all."""
    now = now_ms(within)
    long = HOSTILE + "m" * 120
    jobs: tuple[tuple[str, dict[str, Any]], ...] = (
        ("queued", {"qa": now - 400_000}),
        ("scheduled", {"du": now + 200_000}),
        ("started", {"s": "processing", "sa": now - 90_000}),
        ("finished", {"s": "completed", "sa": now - 9_000, "fa": now - 2_000}),
        ("failed", {"s": "failed", "sa": now - 9_000, "fa": now - 5_000, "et": "SMTPError", "e": "SMTPError: no"}),
    )
    for place, (state, fields) in enumerate(jobs):
        for id, title, function in ((f"j{place}", "Mail to Ann", "app.mail.send"), (f"h{place}", long, long)):
            mirrors(within, id, x=state, qu="mail", fn=function, l=title, ca=now - 500_000, **fields)
    names = ["mail", long[:200], *(f"queue-{place}" for place in range(12))]
    counts = {"queued": 1_204_311, "started": 12, "scheduled": 41, "failed": 3_402, "finished": 88}
    stands(
        within,
        queues=[QueueNow(name=name, counts=counts, paused=name == "queue-1", oldest_ms=now - 400_000,  # type: ignore[arg-type]
                         workers=place % 3) for place, name in enumerate(names)],
        workers=[WorkerNow(name=f"{name} {state}", state=state, queues=("mail", "web", long[:200]), jobs=("j2", long),
                           functions=("app.mail.send", long), heartbeat_ms=now - 240_000, host=long, pid=4711,
                           succeeded=12_345, failed=678, skew_s=40.0, concurrency=8, pool="prefork", version="3.0.0")
                 for name in ("box", long[:60]) for state in ("busy", "idle", "suspended", "starting", "dead")],
        schedules=[ScheduleNow(name=name, spec="*/5 * * * *", function=name, queue="mail", next_ms=now + 90_000,
                               last_ms=now - 90_000, last_job="j1", scheduler="box", alive=name == "nightly")
                   for name in ("nightly", long)],
        notes=["12 jobs are scheduled in mail and no scheduler runs there", long],
    )  # fmt: skip
    stands(within, "celery", engine="celery", queues=[QueueNow(name="celery", counts={"queued": 7}, workers=1)])
    fails(within, "nothing listens at its address", "celery", "celery")
    queue_depths.sample(within)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_scrolls_sideways_and_axe_finds_nothing_serious_with_much_on_the_page(
    crowded: tuple[Site, site.Site], visit: Go, path: str
) -> None:
    headway, within = crowded
    crowd(within)
    seen = visit(headway, path, viewport={"width": 390, "height": 800}, bypass_csp=True)  # for axe
    seen.live()
    expect(seen.page.locator("main")).to_contain_text("12 jobs are scheduled in mail and no scheduler runs there")
    assert seen.page.locator("main img, main iframe, main script").count() == 0
    seen.looks_right(390, 768, 1440)


def test_workers_and_schedules_are_a_line_each_on_observability(crowded: tuple[Site, site.Site], visit: Go) -> None:
    headway, within = crowded
    crowd(within)
    page = visit(headway, viewport={"width": 1440, "height": 800}).page
    for panel in ("workers", "schedules"):
        rows = page.locator(f"#panel-{panel} .dense tr")
        expect(rows).not_to_have_count(0)
        heights = rows.evaluate_all("rows => rows.map((row) => row.offsetHeight)")
        assert max(heights) < 40, (panel, heights)


def test_columns_and_rows_stand_still_whatever_is_in_them(crowded: tuple[Site, site.Site], visit: Go) -> None:
    headway, within = crowded

    def stand(path: str, listen: int, **works: Any) -> object:
        stands(
            within,
            queues=[QueueNow(name=name, counts={"queued": 1}, workers=listen) for name in ("mail", "web")],
            workers=[WorkerNow(name="box", queues=("mail",), heartbeat_ms=now_ms(within), pid=4711, **works)],
        )
        seen.page.goto(headway.url + path)
        return seen.page.locator("table:is(.queues, .workers) td:not(.num)").evaluate_all(
            "cells => cells.map((cell) => [cell, cell.parentElement].map((one) => Object.values(one.getBoundingClientRect().toJSON())))"
        )

    seen = visit(headway, "/dashboard/queues", viewport={"width": 1440, "height": 800})
    for path in ("/dashboard/queues", "/dashboard/workers"):
        calm = stand(path, 1, state="idle")
        busy = stand(path, 0, state="busy", jobs=("j",), functions=("app.a.function.with.a.long.name",))
        assert calm == busy, path
    expect(seen.page.locator("main")).to_contain_text("app.a.function")


def test_a_long_host_leaves_what_stands_beside_it_in_sight(crowded: tuple[Site, site.Site], visit: Go) -> None:
    headway, within = crowded
    host = "host-3.eu-central-1.compute.internal.example.com"
    names = ("mail", host * 2, "web")
    stands(within, workers=[WorkerNow(name=host * 2, state="idle", queues=names, host=host, pid=4711, version="3.0.0")])
    page = visit(headway, "/dashboard/workers").page
    cut = "part => part.scrollWidth > part.clientWidth"
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 800})
        row = page.locator("table.workers tbody tr")
        for short in ("rq", "pid 4711", "RQ 3.0.0"):
            part = row.locator(".sub > *").filter(has_text=re.compile(f"^{short}$"))
            assert not part.evaluate(cut), (width, short)
        assert not row.locator(".sub").first.evaluate(cut), width
        assert not row.locator("[data-label=Queues]").evaluate(cut), width


@pytest.mark.parametrize("width", [390, 768])
def test_many_queues_and_workers_take_a_few_lines_each_on_phones_and_tablets(
    crowded: tuple[Site, site.Site], visit: Go, width: int
) -> None:
    headway, within = crowded
    now = now_ms(within)
    stands(
        within,
        queues=[QueueNow(name=f"queue-{n}", counts={"queued": 7}, workers=n % 2, oldest_ms=now) for n in range(8)],
        workers=[WorkerNow(name=f"w{n}", state="idle", queues=("mail",), host="box", pid=7, heartbeat_ms=now)
                 for n in range(8)],
    )  # fmt: skip
    mirrors(within, "f1", qu="queue-1", fn="app.send", s="failed", x="failed", ca=now, sa=now, fa=now)
    page = visit(headway, "/dashboard/queues", viewport={"width": width, "height": 800}).page
    for table, most in (("queues", 150), ("functions", 90)):
        heights = page.locator(f"table.{table} tbody tr").evaluate_all("rows => rows.map((row) => row.offsetHeight)")
        assert heights, table
        assert max(heights) < most, (table, heights)
    page.goto(f"{headway.url}/dashboard/workers")
    heights = page.locator("table.workers tbody tr").evaluate_all("rows => rows.map((row) => row.offsetHeight)")
    assert max(heights) < 110, heights


def test_without_a_script_moments_are_said_whole(crowded: tuple[Site, site.Site], visit: Go) -> None:
    headway, within = crowded
    crowd(within)
    page = visit(headway, "/dashboard/queues/rq/mail", java_script_enabled=False).page
    cells = page.locator(".few td:has(time)")
    expect(cells).not_to_have_count(0)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        cut = cells.evaluate_all("cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth).length")
        assert cut == 0, width


def test_the_audits_outcomes_are_in_sight_on_a_phone(crowded: tuple[Site, site.Site], visit: Go) -> None:
    headway, within = crowded
    who = Who("token", "the deploy token of the shop", "2001:db8:85a3::8a2e:370:7334")
    entry = audit_service.begin(within, who, "move to " + "mail-" * 12, "queue rq/" + "emails-transactional-" * 5)
    audit_service.settle(within, entry, "refused", "There is no queue of this name at its broker.")
    seen = visit(headway, "/dashboard/audit", bypass_csp=True)
    for width in (390, 768, 1440):
        seen.page.set_viewport_size({"width": width, "height": 800})
        list_ = seen.page.get_by_role("group", name="Actions")
        assert list_.evaluate("list => list.scrollWidth - list.clientWidth") <= 0, width
    seen.looks_right()


def test_times_ahead_are_said_as_such_and_exactly_and_the_pages_are_reached_by_keyboard(
    crowded: tuple[Site, site.Site], visit: Go
) -> None:
    headway, within = crowded
    now = now_ms(within)
    stands(within, schedules=[ScheduleNow(name="nightly", spec="0 3 * * *", next_ms=now + 175_000)])
    seen = visit(headway, "/dashboard/queues")
    for key, place in (
        ("e", "/dashboard/errors"),
        ("s", "/dashboard/schedules"),
        ("k", "/dashboard/workers"),
        ("q", "/dashboard/queues"),
    ):
        seen.page.keyboard.press("g")
        seen.page.keyboard.press(key)
        seen.page.wait_for_url(re.compile(f"{place}$"))
    seen.page.get_by_role("link", name="Schedules").click()
    row = seen.page.locator("table.schedules tr", has_text="nightly")
    expect(row.locator("time[data-when=until]")).to_have_text("in 3 min")
    expect(row.locator("time[data-when=moment]")).to_be_visible()


def test_what_is_open_and_typed_in_a_workers_row_stays_while_the_list_changes_and_rows_are_short_on_a_phone(
    crowded: tuple[Site, site.Site], visit: Go
) -> None:
    headway, within = crowded

    def work(*names: str, **states: str) -> None:
        workers = [
            WorkerNow(name=name, state=states.get(name, "idle"), queues=("mail",), jobs=("j",) * (name in states),  # type: ignore[arg-type]
                      host="box", pid=7, pool="prefork", concurrency=4, heartbeat_ms=now_ms(within))
            for name in names
        ]  # fmt: skip
        stands(within, "celery", engine="celery", workers=workers)

    work(*(f"w{place}" for place in range(40)))
    seen = visit(headway, "/dashboard/workers")
    seen.live()
    page = seen.page
    rows, row = page.locator("table.workers tbody tr"), page.locator('[id="worker-celery/w2"]')
    expect(rows.nth(3)).to_contain_text("w3")
    row.locator("summary", has_text="Limit").click()
    row.get_by_label("Task").fill("app.send")
    row.get_by_label("Rate").press_sequentially("10")
    work("w1b", *(f"w{place}" for place in range(40) if place != 3), w2="busy", w30="busy", w17="dead")
    expect(rows.first).to_contain_text("w17")
    expect(row).to_contain_text("busy")
    page.keyboard.type("/m")
    expect(row.get_by_label("Rate")).to_have_value("10/m")
    expect(row.get_by_label("Task")).to_have_value("app.send")
    row.locator("summary", has_text="Limit").click()
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.locator("table.workers").evaluate("table => table.offsetHeight") < 40 * 125


def test_what_is_asked_once_more_fits_a_phone_whatever_the_queue_is_called(
    crowded: tuple[Site, site.Site], visit: Go
) -> None:
    headway, within = crowded
    name = "emails-transactional-high-priority-eu-central-1-customers-with-a-plan"
    stands(within, "celery", engine="celery", queues=[QueueNow(name=name, counts={"queued": 1})])
    page = visit(headway, f"/dashboard/queues/celery/{name}", viewport={"width": 390, "height": 800}).page
    page.locator(".acting summary", has_text="Empty").click()
    expect(page.get_by_role("button", name=f"Empty {name}")).to_be_visible()
    assert page.evaluate(SIDEWAYS) <= 0


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Valkey]]:
    """A Headway that follows an RQ."""
    store, broker = Valkey().start(), Valkey().start()
    file: Path = tmp_path_factory.mktemp("config") / "headway.toml"
    file.write_text(f'[[queues]]\nkind = "rq"\nurl = "{broker.url}"\n')
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url, "HEADWAY_CONFIG": str(file)})
    try:
        yield Site(server.start(), store), broker
    finally:
        server.close()
        store.close()
        broker.close()


def test_a_real_queue_waits_for_a_worker_and_is_worked_off_before_the_readers_eyes(
    followed: tuple[Site, Valkey], visit: Go
) -> None:
    headway, broker = followed
    mail = queue(broker.url, "mail")
    jobs = [mail.enqueue(f"{TASKS}.add", 1, each) for each in range(3)]
    queues, workers = visit(headway, "/dashboard/queues").page, visit(headway, "/dashboard/workers").page
    expect(queues.locator("table.queues")).to_contain_text("3 jobs wait and no worker listens")
    expect(workers.locator("main")).to_contain_text("No worker is known.")
    worker = RqWorker(broker.url, "mail", name="mail-1")
    try:
        worker.start()
        row = workers.locator("table.workers tbody tr")
        expect(row).to_contain_text("mail-1")
        expect(row).to_contain_text("idle")
        expect(row.locator("[data-label=Done]")).to_have_text("3")
        expect(queues.locator("table.queues [data-label=Waiting]")).to_have_text("0")
        expect(queues.locator("table.queues")).not_to_contain_text("no worker listens")
        expect(queues.locator("table.queues [data-label=Workers]")).to_have_text("1")
    finally:
        worker.close()
    one = visit(headway, "/dashboard/queues/rq/mail").page
    expect(one.locator("table.functions")).to_contain_text(f"{TASKS}.add")
    assert all(job.get_status(refresh=True) == "finished" for job in jobs)
