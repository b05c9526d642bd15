"""Figures and duties of real web processes that are killed, and of a store that restarts."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from core import fleet, leader
from core.store import Store
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.core.fleets import assert_valid
from tests.serving import Server

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


@contextlib.contextmanager
def a_store_that_keeps() -> Iterator[Valkey]:
    """One that has all it had after a restart."""
    valkey = Valkey("--appendonly", "yes", "--appendfsync", "everysec")
    try:
        yield valkey.start()
    finally:
        valkey.close()


@pytest.fixture(scope="module")
def keeping() -> Iterator[Valkey]:
    """The store of `two`."""
    with a_store_that_keeps() as valkey:
        yield valkey


@pytest.fixture(scope="module")
def keeping_too() -> Iterator[Valkey]:
    """The store of `single`, which is stopped and emptied."""
    with a_store_that_keeps() as valkey:
        yield valkey


@pytest.fixture(scope="module")
def two(keeping: Valkey) -> Iterator[Server]:
    """A site of two web processes, all of which are there again after each test."""
    one = Server(free_port(), TOKEN, {"REDIS_URL": keeping.url}, workers=2)
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


@pytest.fixture(scope="module")
def single(keeping_too: Valkey) -> Iterator[Server]:
    """A site of one web process."""
    one = Server(free_port(), TOKEN, {"REDIS_URL": keeping_too.url})
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


def scrape(server: Server, query: str = "") -> str:
    answer = server.get(f"/metrics{query}")
    assert answer.status == 200
    return answer.text


def counters(text: str) -> Figures:
    """Every sample that may only grow."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_plain(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }


def requests(server: Server, route: str, query: str = "") -> float:
    found = counters(scrape(server, query))
    return sum(value for (name, labels), value in found.items()
               if name == "headway_http_requests_total" and ("route", route) in labels)  # fmt: skip


def assert_nothing_fell(before: Figures, after: Figures) -> None:
    assert set(before) <= set(after)
    assert {name: (before[name], after[name]) for name in before if after[name] < before[name]} == {}


def workers(server: Server) -> set[int]:
    """The web processes that serve; the embedded store is a child of the master too."""
    found: set[int] = set()
    for child in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile, or is a zombie
            if "gunicorn" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def test_whichever_process_answers_the_totals_are_the_fleet_s(two: Server) -> None:
    site = two
    wait_until(lambda: len(workers(site)) == 2)
    before = requests(site, "/readyz")
    for _ in range(50):
        site.get("/readyz")
    wait_until(lambda: requests(site, "/readyz") == before + 50)
    text = scrape(site)
    assert_valid(text)
    previous = counters(text)
    for _ in range(20):
        now = counters(scrape(site))
        assert_nothing_fell(previous, now)
        previous = now


def test_no_counter_falls_when_workers_are_killed(two: Server) -> None:
    site = two
    for _ in range(3):
        for _ in range(20):
            site.get("/healthz")
        shown = counters(scrape(site))
        old = workers(site)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda old=old: len(workers(site) - old) == 2)
        wait_until(site.answers)
        assert_nothing_fell(shown, counters(scrape(site)))


def test_a_worker_that_ends_in_order_leaves_all_that_it_counted(single: Server) -> None:
    site = single
    before = requests(site, "/readyz")
    for _ in range(30):
        site.get("/readyz")
    site.stop()
    site.start()
    assert requests(site, "/readyz") >= before + 30


@pytest.mark.parametrize("kept", [True, False])
def test_no_counter_falls_when_the_store_restarts(single: Server, keeping_too: Valkey, kept: bool) -> None:
    site, keeping = single, keeping_too
    for _ in range(20):
        site.get("/readyz")
    shown = counters(scrape(site))
    if not kept:
        store = Store(keeping.url)
        store.redis.flushall()
        store.close()
    keeping.stop()
    site.get("/healthz")
    away = counters(scrape(site))
    assert_nothing_fell(shown, away)
    keeping.start()
    wait_until(lambda: site.get("/readyz").status == 200)
    for _ in range(5):
        back = counters(scrape(site))
        assert_nothing_fell(away, back)
        away = back


def test_of_several_processes_one_leads_and_when_it_is_killed_another_does(two: Server, keeping: Valkey) -> None:
    site, store = two, Store(keeping.url)

    def leading() -> str | None:
        now = leader.holder(store)  # of those who were killed before, one may be named until its lease is over
        return now if now and int(now.split(":")[1]) in workers(site) else None

    first = wait_until(leading, what="a leader")
    pid = int(first.split(":")[1])
    os.kill(pid, signal.SIGKILL)
    second = wait_until(lambda: (now := leader.holder(store)) not in (None, first) and now, what="another leader")
    assert int(second.split(":")[1]) in workers(site)
    store.close()


def test_every_process_is_known_and_a_restart_of_one_keeps_the_time_of_the_start(two: Server, keeping: Valkey) -> None:
    site, store = two, Store(keeping.url)
    wait_until(lambda: len(workers(site)) == 2, what="both processes")
    wait_until(lambda: {about.pid for _, _, about in fleet.processes(store)} == workers(site))
    started = start_time(scrape(site))
    for worker in workers(site):
        os.kill(worker, signal.SIGKILL)
    wait_until(site.answers)
    assert start_time(scrape(site, "?scope=instance")) == started
    store.close()


def start_time(text: str) -> float:
    return next(
        sample.value
        for family in parse_plain(text)
        for sample in family.samples
        if sample.name == "headway_start_time_seconds"
    )
