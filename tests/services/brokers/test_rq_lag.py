"""Headway behind RQ: what it says until all is read, and what becomes of jobs that RQ keeps nothing of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.brokers import rq_follower, rq_glimpses
from services.brokers.connections import redis_of
from services.brokers.rq_glimpses import Glimpses
from tests.conftest import Valkey, wait_until
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers.rq_hashes_made import CREATED, job_of, packed, put, put_many

FLEETING = job_of(packed("app.mail"), result_ttl=0)


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """From now on a tick has none to read jobs in, or enough."""
    return lambda has_none: monkeypatch.setattr(rq_follower, "BUDGET_S", -1.0 if has_none else 30.0)


def work_off(broker: Any, id: str, queue: str = "default") -> None:
    """What a worker does with a job of which RQ keeps nothing."""
    with broker.pipeline() as pipeline:
        pipeline.lrem(f"rq:queue:{queue}", 1, id)
        pipeline.zadd(f"rq:executions:{id}", {"execution": 2e9})
        pipeline.zadd(f"rq:wip:{queue}", {f"{id}:execution": 2e9})
        pipeline.execute()
        pipeline.zrem(f"rq:wip:{queue}", f"{id}:execution")
        pipeline.delete(f"rq:job:{id}", f"rq:executions:{id}")
        pipeline.execute()


def told_of(followed: FollowedRq, id: str) -> None:
    """Tick until it was told of that job, without having read it."""
    wait_until(lambda: followed.tick() and id.encode() in followed.follower._intake._pending, what="its change")


def test_until_all_that_was_there_is_read_a_note_says_so(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq], no_time: Callable[[bool], None]
) -> None:
    put_many(broker, [f"job-{number}" for number in range(600)])
    followed = follow(theirs.url)
    no_time(True)
    for _ in range(3):
        snapshot = followed.tick()
        assert snapshot.is_new
        assert [note.split(":")[0] for note in snapshot.notes] == ["What was there before is still being read"]
    no_time(False)
    followed.settled()
    assert followed.job("job-599") is not None
    assert (followed.snapshot.is_new, followed.snapshot.notes) == (False, ())
    no_time(True)
    put(broker, {"later": job_of(packed("app.mail"))})
    told_of(followed, "later")
    assert followed.snapshot.notes == ("More changes than can be read at once: jobs show late.",)
    assert not followed.snapshot.is_new


def test_a_fleeting_job_that_was_at_work_long_before_it_is_read_ended_well(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq], no_time: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    put(broker, {"known": FLEETING})
    followed = follow(theirs.url)
    followed.comes_to("known", "queued")
    monkeypatch.setattr(rq_glimpses, "AT_LEAST", 1)
    no_time(True)
    put(broker, {"glimpsed": FLEETING})
    told_of(followed, "glimpsed")
    for id in ("known", "glimpsed"):
        work_off(broker, id)
    told_of(followed, "known")
    put(broker, {"elsewhere": job_of(packed("app.mail"), origin="mail")}, "mail")
    for _ in range(5):
        followed.tick()
    no_time(False)
    known, glimpsed = followed.comes_to("known", "finished"), followed.comes_to("glimpsed", "finished")
    assert (known.status, known.queue, known.function) == ("completed", "default", "app.mail")
    assert (glimpsed.status, glimpsed.queue) == ("completed", "default")


def test_a_fleeting_job_that_nobody_ever_saw_is_of_the_only_queue_at_work(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    put_many(broker, ["one"])
    put(broker, {"two": job_of(packed("app.mail"), origin="mail")}, "mail")
    followed = follow(theirs.url)
    followed.comes_to("two", "queued")
    for _ in range(4):
        followed.tick()
    put(broker, {"unseen": FLEETING | {"origin": "mail"}}, "mail")
    work_off(broker, "unseen", "mail")
    assert followed.comes_to("unseen", "finished").queue == "mail"
    for _ in range(4):
        followed.tick()
    for id, queue in (("a", "mail"), ("b", "default")):
        put(broker, {id: FLEETING | {"origin": queue}}, queue)
        work_off(broker, id, queue)
    wait_until(lambda: {b"rq:job:a", b"rq:job:b", b"rq:wip:default"} <= followed.follower._tracking._keys, what="both")
    assert followed.comes_to("a", "finished").queue is None, "it may have been either"


def test_what_is_gone_or_soon_will_be_is_read_first(
    broker: Any, theirs: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rq_glimpses, "AT_LEAST", 4)
    put_many(broker, ["kept-1", "kept-2"])
    put(broker, {"fleeting": FLEETING})
    pending = [b"kept-1", b"kept-2", b"fleeting", b"gone"]
    glimpses = Glimpses(redis_of(theirs.url))
    assert glimpses.in_order(pending) == [b"gone", b"fleeting", b"kept-1", b"kept-2"]
    assert [glimpses.queue_of(id) for id in pending] == ["default", "default", "default", None]
    broker.delete("rq:job:fleeting")
    broker.config_resetstat()
    glimpses.in_order(pending)
    assert glimpses.queue_of(b"fleeting") == "default"
    assert "cmdstat_hmget" not in broker.info("commandstats"), "each is looked at once"


def test_a_fleeting_job_that_went_while_nobody_listened_may_have_ended_well(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    put(broker, {"fleeting": FLEETING, "kept": job_of(packed("app.mail"))})
    before = follow(theirs.url)
    before.comes_to("fleeting", "queued")
    before.comes_to("kept", "queued")
    before.close()
    broker.delete("rq:job:fleeting", "rq:job:kept", "rq:queue:default")
    after = follow(theirs.url)
    assert "may have ended well" in str(after.comes_to("fleeting", "deleted").message)
    assert after.comes_to("kept", "deleted").message == "Its engine knows it no longer"


@pytest.mark.parametrize("notes_its_end", [True, False], ids=["as workers do", "as where its worker was lost"])
def test_a_retry_that_rq_is_in_the_midst_of_noting_counts_once(
    notes_its_end: bool, broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    began = {"enqueued_at": CREATED, "started_at": "2026-11-21T10:00:01.000000Z", "worker_name": "w"}
    put(broker, {"one": job_of(packed("app.mail"), status="started", retries_left=1, **began)})
    broker.lrem("rq:queue:default", 1, "one")
    broker.zadd("rq:wip:default", {"one": 2e9})
    followed = follow(theirs.url)
    followed.comes_to("one", "started")
    broker.hset("rq:job:one", "status", "scheduled")
    broker.zadd("rq:scheduled:default", {"one": 2e9})  # RQ 2 does this before all the rest
    followed.tick()
    held = followed.job("one")
    assert held is not None
    assert held.state == "started"
    broker.zrem("rq:wip:default", "one")
    end = {"ended_at": "2026-11-21T10:00:02.000000Z", "started_at": "2026-11-21T10:00:01.020000Z"}
    broker.hset("rq:job:one", mapping={"retries_left": 0, **(end if notes_its_end else {"ended_at": ""})})
    scheduled = followed.comes_to("one", "scheduled")
    followed.settled()
    assert followed.job("one") == scheduled
    assert (scheduled.attempt, [each.attempt for each in scheduled.attempts]) == (2, [1])
