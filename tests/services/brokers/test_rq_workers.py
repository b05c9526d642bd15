"""RQ's workers as Headway tells of them: those at work, those that died, and whose clocks are off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from rq import Worker
from rq.suspension import resume, suspend

from services.brokers import rq_jobs, rq_workers
from services.brokers.rq_damage import Damage
from services.brokers.rq_workers import Workers
from tests.conftest import Valkey
from tests.rq_workers import TASKS, RqWorker, queue
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers.rq_hashes_made import job_of, packed, put


@pytest.fixture
def client(theirs: Valkey) -> Iterator[Any]:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
        yield client


def register(client: Any, name: str, heartbeat_s: float, **fields: Any) -> None:
    """A worker as it would write of itself."""
    beat = datetime.fromtimestamp(heartbeat_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = {
        "state": "idle",
        "queues": "default,mail",
        "birth": beat,
        "last_heartbeat": beat,
        "pid": 7,
        "hostname": "box",
    }
    client.hset(f"rq:worker:{name}", mapping=told | fields)
    client.sadd("rq:workers", f"rq:worker:{name}")


@pytest.mark.parametrize("version", [3, 2])
def test_figures_of_a_worker_are_its_own(
    version: Any, theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    worker = RqWorker(theirs.url, "mail", "default", version=version).start()
    try:
        followed = follow(theirs.url)
        followed.settled()  # what is told from now on was written just now
        jobs = queue(theirs.url)
        done = [jobs.enqueue(f"{TASKS}.add", 1, 1).id, jobs.enqueue(f"{TASKS}.fail").id]
        followed.comes_to(done[0], "finished")
        followed.comes_to(done[1], "failed")
        followed.until(lambda: followed.worker(worker.name).state == "idle", "idleness")
        (own,) = Worker.all(connection=client)
        told = followed.worker(worker.name)
        assert (told.succeeded, told.failed) == (own.successful_job_count, own.failed_job_count) == (1, 1)
        assert told.working_s == own.total_working_time
        assert (told.pid, told.host, told.version) == (own.pid, own.hostname, own.version)
        assert told.queues == ("mail", "default")
        assert told.skew_s == 0.0
        assert followed.queue().workers == 1
        suspend(client)
        followed.until(lambda: followed.queue().paused, "the pause")
        resume(client)
        followed.until(lambda: not followed.queue().paused, "its end")
    finally:
        worker.close()
    followed.until(lambda: followed.snapshot.workers == (), "its leave")


def test_a_worker_whose_time_is_over_is_dead_until_rq_forgets_it(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    register(client, "lost", time.time(), state="busy", successful_job_count=12)
    followed = follow(theirs.url, queues=("default",))
    followed.tick()
    assert followed.queue().workers == 1
    client.pexpire("rq:worker:lost", 1)  # as its own time to live ends
    followed.until(lambda: followed.worker("lost").state == "dead", "its death")
    assert followed.worker("lost").succeeded == 12
    assert followed.worker("lost").heartbeat_ms is not None
    assert followed.queue().workers == 0
    client.srem("rq:workers", "rq:worker:lost")
    followed.until(lambda: followed.snapshot.workers == (), "its end")


def test_a_dead_worker_that_rq_never_forgets_is_shown_for_a_while_and_then_no_more(client: Any) -> None:
    workers = Workers(client, lambda ids: {}, Damage())
    register(client, "lost", 1e9)
    workers.look(0)
    client.delete("rq:worker:lost")
    first_s = 60
    for at_s in range(first_s, 3 * rq_workers.GONE_S, 60):
        # Whether it is told of itself, others are, or all is compared anew.
        changed = ([b"rq:worker:lost"], [b"rq:worker:other"], None)[(at_s // 60 - 1) % 3]
        workers.look(at_s * 1000, changed)
        shown = [(worker.state, worker.host) for worker in workers.all()]
        assert shown == ([("dead", "box")] if at_s - first_s <= rq_workers.GONE_S else []), at_s
    register(client, "lost", 1e9)
    workers.look(0, [b"rq:worker:lost"])
    assert [worker.state for worker in workers.all()] == ["idle"]


def test_no_change_is_lost_where_more_workers_changed_than_are_read_at_a_time(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rq_workers, "MOST", 2)
    monkeypatch.setattr(rq_jobs, "READ", 2)
    names = [f"w-{number}" for number in range(7)]
    put(client, {name: job_of(packed(f"app.{name}")) for name in names})
    for name in names:
        register(client, name, 1e9)
    followed = follow(theirs.url)
    assert [worker.name for worker in followed.settled().workers] == names
    workers = followed.follower._workers
    for name in names:
        register(client, name, 1e9, state="busy", current_job=name)
    workers.look(0, [f"rq:worker:{name}".encode() for name in names])
    looks = 1
    while workers.has_more:
        workers.look(0, ())
        looks += 1
    assert looks == 4
    assert [worker.functions for worker in workers.all()] == [(f"app.{name}",) for name in names]


def test_what_a_worker_is_at_is_read_once_for_all_its_heartbeats(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    put(client, {"long": job_of(packed("app.long"))})
    register(client, "busy", time.time(), state="busy", current_job="long")
    followed = follow(theirs.url)
    followed.settled()
    client.config_resetstat()
    register(client, "busy", time.time() + 1, state="busy", current_job="long", pid=8)
    followed.until(lambda: followed.worker("busy").pid == 8, "the heartbeat")
    assert followed.worker("busy").functions == ("app.long",)
    assert client.info("commandstats")["cmdstat_hmget"]["calls"] == 1, "of the worker alone"


def test_a_worker_whose_clock_is_off_says_by_how_much(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    register(client, "ahead", time.time() + 300)
    register(client, "behind", time.time() - 300)
    followed = follow(theirs.url)
    followed.tick()
    assert followed.worker("ahead").skew_s == pytest.approx(300, abs=10)
    assert followed.worker("behind").skew_s is None, "a heartbeat may just be old"
    register(client, "behind", time.time() - 299)
    skew_s = followed.until(lambda: followed.worker("behind").skew_s, "a heartbeat")
    assert skew_s == pytest.approx(-299, abs=10)


def test_what_is_known_of_a_clock_stays_while_all_is_compared_anew(client: Any) -> None:
    workers = Workers(client, lambda ids: {}, Damage())
    register(client, "behind", time.time() - 300)
    workers.look(int(time.time() * 1000))
    register(client, "behind", time.time() - 299)
    workers.look(int(time.time() * 1000), [b"rq:worker:behind"])
    (told,) = workers.all()
    assert told.skew_s == pytest.approx(-299, abs=10)
    register(client, "behind", time.time() - 900)  # it may have been written long ago
    workers.look(int(time.time() * 1000))
    assert [worker.skew_s for worker in workers.all()] == [told.skew_s]


def test_what_damaged_workers_say_is_left_out(theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]) -> None:
    register(client, "odd", time.time(), state="dreaming", pid="x", total_working_time="nan", queues=b"\xff")
    client.sadd("rq:workers", "rq:worker:never")
    followed = follow(theirs.url)
    followed.tick()
    odd = followed.worker("odd")
    assert (odd.pid, odd.working_s, odd.jobs) == (None, 0.0, ())
    assert followed.worker("never").state == "dead"


def test_hundreds_of_workers_cost_a_look_when_something_changed(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    for number in range(300):
        register(client, f"w-{number:03}", time.time())
    followed = follow(theirs.url)
    assert len(followed.tick().workers) == 300
    client.config_resetstat()
    register(client, "w-007", time.time(), state="busy")
    followed.until(lambda: followed.worker("w-007").state == "busy", "the change")
    assert client.info("commandstats")["cmdstat_hmget"]["calls"] <= 4
