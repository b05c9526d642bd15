"""Exactly one process runs the duties; one that fails harms no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from flask import Flask
from prometheus_client import CollectorRegistry

from app import DUTIES
from core import duties, keys, leader, metrics
from core.duties import Duties, Duty, Fared
from core.fleet import Fleet, processes
from core.leader import Leader, name_of
from core.site import Site
from core.store import Store, StoreError
from tests.conftest import TOKEN, Valkey, wait_until

ROOT = Path(__file__).parent.parent.parent
TTL_S = 1.0

Begin = Callable[..., Duties]


@pytest.fixture
def begin(site: Site) -> Iterator[Begin]:
    """Starts one more process's duties, each with a connection of its own."""
    begun: list[Duties] = []

    def start(*given: Duty, url: str = site.store.url, ttl_s: float = TTL_S) -> Duties:
        store = Store(url)
        one = Duties(replace(site, store=store, fleet=Fleet(store, CollectorRegistry())), given, ttl_s)
        one.start()
        begun.append(one)
        return one

    yield start
    for one in begun:
        one.stop()
        one.site.store.close()


class Runs:
    """A duty's work that notes in whose name it ran."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.by: list[Store] = []
        self._fault = fault

    def __call__(self, site: Site) -> None:
        self.by.append(site.store)
        if self._fault is not None:
            raise self._fault


def noted(store: Store, name: str) -> Fared | None:
    text = store.redis.hget(keys.DUTIES.at(), name)
    return None if text is None else msgspec.json.decode(text, type=Fared)


def test_of_many_processes_exactly_one_runs_the_duties(begin: Begin) -> None:
    runs = Runs()
    # Long enough that a machine under load does not let the lock run out.
    members = [begin(Duty("count", 0.05, runs), ttl_s=60) for _ in range(4)]
    wait_until(lambda: len(runs.by) > 20)
    assert len(set(runs.by)) == 1
    assert sum(one.leader.leads for one in members) == 1


def test_when_the_leader_ends_another_leads_at_once(begin: Begin) -> None:
    runs = Runs()
    members = [begin(Duty("count", 0.05, runs)) for _ in range(2)]
    wait_until(lambda: runs.by)
    first = runs.by[0]
    next(one for one in members if one.site.store is first).stop()
    wait_until(lambda: runs.by[-1] is not first, what="the other's run")


def test_a_leader_that_was_killed_is_followed_when_its_lock_runs_out(begin: Begin, store: Store) -> None:
    program = (
        "import sys, time; from core.leader import Leader; from core.store import Store\n"
        "Leader(Store(sys.argv[1]), 'the killed one', 2.0).claim(); time.sleep(600)"
    )
    killed = subprocess.Popen([sys.executable, "-c", program, store.url], cwd=ROOT)
    wait_until(lambda: leader.holder(store) == "the killed one")
    runs = Runs()
    follower = begin(Duty("count", 0.05, runs))
    assert not follower.leader.leads
    killed.kill()
    killed.wait()
    wait_until(lambda: runs.by, what="the follower's run")
    assert leader.holder(store).endswith(follower.site.fleet.process)  # type: ignore[union-attr]


def test_a_leader_of_the_same_machine_that_was_killed_is_not_waited_for(store: Store) -> None:
    program = (
        "import sys, time; from core.leader import Leader, name_of; from core.store import Store\n"
        "Leader(Store(sys.argv[1]), name_of('killed'), 600).claim(); time.sleep(600)"
    )
    killed = subprocess.Popen([sys.executable, "-c", program, store.url], cwd=ROOT)
    held = wait_until(lambda: leader.holder(store), what="a leader")
    heir, elsewhere = Leader(store, name_of("heir")), Leader(store, f"host:1:another-boot/{killed.pid}:far")
    assert not heir.claim()
    killed.kill()
    killed.wait()
    assert not elsewhere.claim(), "whether it lives can't be known there"
    assert leader.holder(store) == held
    assert heir.claim()


def test_a_duty_that_raises_is_noted_counted_and_tried_again_and_the_others_go_on(begin: Begin, store: Store) -> None:
    failures = metrics.REGISTRY.get_sample_value("headway_duty_failures_total", {"duty": "broken"}) or 0
    broken, fine = Runs(ValueError("no such thing")), Runs()
    begin(Duty("broken", 0.02, broken), Duty("fine", 0.02, fine))
    wait_until(lambda: len(broken.by) > 2 and len(fine.by) > 10)
    fared = wait_until(lambda: (one := noted(store, "broken")) and one.failures > 2 and one)
    assert fared.error == "ValueError: no such thing"
    assert noted(store, "fine").error is None  # type: ignore[union-attr]
    counted = metrics.REGISTRY.get_sample_value("headway_duty_failures_total", {"duty": "broken"}) or 0
    assert counted - failures >= fared.failures


def test_a_duty_that_hangs_holds_up_no_other(begin: Begin) -> None:
    release, fine = threading.Event(), Runs()
    begin(Duty("hangs", 1, lambda site: release.wait(60)), Duty("fine", 0.02, fine))
    wait_until(lambda: len(fine.by) > 5)
    release.set()


def test_a_duty_that_is_well_again_still_tells_its_last_error(begin: Begin, store: Store) -> None:
    outcomes = iter([KeyError("gone")])

    def run(site: Site) -> None:
        for fault in outcomes:
            raise fault

    begin(Duty("mended", 0.02, run))
    fared = wait_until(lambda: (one := noted(store, "mended")) and one.failures == 0 and one.error and one)
    assert fared.error == "KeyError: 'gone'"
    assert fared.failed_at < fared.ran_at


def test_pauses_grow_with_failures_in_a_row_up_to_a_limit() -> None:
    assert [Duty("x", 5, Runs()).pause_s(failures) for failures in (0, 1, 2, 3, 50)] == [5, 10, 20, 40, 300]
    assert Duty("rare", 3600, Runs()).pause_s(9) == 3600


def test_what_was_noted_of_a_duty_that_no_longer_is_gets_dropped(begin: Begin, store: Store) -> None:
    store.redis.hset(keys.DUTIES.at(), "former", "{}")
    begin(Duty("present", 0.05, Runs()))
    wait_until(lambda: noted(store, "present"))
    wait_until(lambda: not store.redis.hexists(keys.DUTIES.at(), "former"))


def test_with_the_store_away_nobody_leads_and_when_it_is_back_one_does(
    own_valkey: Callable[..., Valkey], begin: Begin
) -> None:
    fragile = own_valkey()
    runs = Runs()
    one = begin(Duty("count", 0.05, runs), url=fragile.url)
    wait_until(lambda: runs.by)
    fragile.stop()
    wait_until(lambda: not one.leader.leads)
    still = len(runs.by)
    fragile.start()
    wait_until(lambda: len(runs.by) > still + 1)


def test_while_a_full_store_takes_no_lock_only_what_makes_room_runs(
    own_valkey: Callable[..., Valkey], begin: Begin
) -> None:
    small = own_valkey("--maxmemory-policy", "noeviction", "--maxmemory", "1")
    room, other = Runs(), Runs()
    one = begin(Duty("room", 0.05, room, makes_room=True), Duty("other", 0.05, other), url=small.url)
    wait_until(lambda: len(room.by) > 2, what="the run that makes room")
    assert not one.leader.leads
    assert other.by == []
    one.site.store.redis.config_set("maxmemory", "0")
    wait_until(lambda: other.by, what="a leader")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_claim_ends_by_the_clock_before_the_lock_does(store: Store) -> None:
    clock = Clock()
    one = Leader(store, "one", 10, clock)
    assert one.claim()
    clock.now += 7.9
    assert one.leads
    clock.now += 0.2
    assert not one.leads
    assert store.redis.pttl(keys.LEADER.at()) > 8_000
    assert one.claim(), "still its own lock"


def test_a_lock_that_another_took_is_not_renewed_nor_released(store: Store) -> None:
    one, other = Leader(store, "one"), Leader(store, "other")
    assert one.claim()
    store.redis.delete(keys.LEADER.at())
    assert other.claim()
    assert not one.claim()
    one.resign()
    assert leader.holder(store) == "other"


def test_a_claim_whose_answer_was_lost_is_known_again(store: Store) -> None:
    store.redis.set(keys.LEADER.at(), "one", px=5_000)
    assert Leader(store, "one").claim()


def test_resigning_needs_no_store() -> None:
    one = Leader(Store("unix:///tmp/no-such-socket"), "one")
    with pytest.raises(StoreError):
        one.claim()
    one.resign()
    assert not one.leads


def test_start_and_stop_begin_and_end_all_of_a_process_s_background_work(app: Flask, store: Store) -> None:
    site: Site = app.extensions["headway"]
    duties.start(app)
    wait_until(lambda: {duty.name for duty in DUTIES} <= set(store.redis.hkeys(keys.DUTIES.at())))
    wait_until(lambda: [name for name, _, _ in processes(store)] == [site.fleet.process])
    duties.stop()
    assert leader.holder(store) is None
    assert processes(store) == []
    duties.stop()


def environment(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return kept | {"HEADWAY_TOKEN": TOKEN} | given


def test_duties_can_run_in_a_process_of_their_own_and_end_in_order(store: Store, tmp_path: Path) -> None:
    own = subprocess.Popen(
        [sys.executable, "-m", "core.duties"], cwd=ROOT, stderr=subprocess.PIPE,
        env=environment(REDIS_URL=store.url, HEADWAY_DATA=str(tmp_path)),
    )  # fmt: skip
    try:
        wait_until(lambda: noted(store, "history"), what="the first sample")
        ((_, _, about),) = processes(store)
        assert (about.pid, about.role) == (own.pid, "duties")
        own.send_signal(signal.SIGTERM)
        assert own.wait(20) == 0
        assert leader.holder(store) is None
        assert processes(store) == []
    finally:
        own.kill()
        own.communicate()


@pytest.mark.parametrize(("given", "words"), [
    ({}, "REDIS_URL is not set"),
    ({"REDIS_URL": "redis://localhost:1", "PORT": "http"}, "PORT ('http') must be a whole number"),
])  # fmt: skip
def test_duties_that_can_not_start_say_why_in_one_line(given: dict[str, str], words: str) -> None:
    ended = subprocess.run([sys.executable, "-m", "core.duties"], cwd=ROOT, env=environment(**given), capture_output=True,
                           text=True, timeout=60, check=False)  # fmt: skip
    assert ended.returncode == 1
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
