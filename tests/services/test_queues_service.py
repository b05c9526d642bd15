"""Queues as one value each: an engine's own counts before Headway's, and what worries, in words."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from core.site import Site
from core.store import Store
from services import jobs_service, queue_depths, queue_jobs, queues_service, workers_service
from services.brokers.model import QueueNow, WorkerNow
from services.job_changes import Change, JobRef
from services.job_rules import NewJob, Update
from services.queue_figures import MINUTES, MOST_QUEUES, Times
from services.queues_service import Queue
from tests.told import fails, mirrors, now_ms, stands

MINUTE_MS = 60_000


@pytest.fixture
def still(site: Site) -> Site:
    """The site at the 30th second of this minute: what the store counts it counts by its own clock."""
    minute = time.time() // 60
    return replace(site, clock=lambda: minute * 60 + 30)


def only(site: Site) -> Queue:
    (queue,) = queues_service.queues(site).queues
    return queue


def ago(site: Site, seconds: float) -> Site:
    now = site.clock()
    return replace(site, clock=lambda: now - seconds)


def words(queue: Queue) -> list[str]:
    return [concern.words for concern in queue.concerns]


def test_a_queues_engine_is_believed_and_what_it_does_not_tell_is_headways_own(still: Site) -> None:
    now = now_ms(still)
    for id in "ab":
        mirrors(still, id, qu="mail", x="queued", ca=now - 9_000, qa=now - 8_000)
    mirrors(still, "c", qu="mail", s="failed", x="failed", ca=now - 9_000, sa=now - 8_000, fa=now - 7_000)
    stands(
        still, queues=[QueueNow(name="mail", counts={"queued": 120, "started": 0}, oldest_ms=now - 60_000, workers=3)]
    )
    queue = only(still)
    assert (queue.agent, queue.name, queue.engine, queue.depth, queue.workers) == ("rq", "mail", "rq", 120, 3)
    assert queue.counts == {"queued": 120, "failed": 1}
    assert queue.kept == {"queued": 2, "failed": 1}
    assert queue.oldest_ms == now - 60_000
    assert queue.concerns == ()


def test_a_queue_of_reported_jobs_needs_no_broker(still: Site) -> None:
    for id in "ab":
        jobs_service.create(still, NewJob(agent="app", id=id, queue="mail"))
    jobs_service.update(still, JobRef(agent="app", id="a"), Update(status="processing"))
    queue = only(still)
    assert (queue.engine, queue.depth, queue.at_work, queue.workers, queue.is_old) == (None, 1, 1, None, False)


def test_what_waits_where_no_worker_listens_is_said_unless_it_was_paused(still: Site) -> None:
    for queue, said in (
        (QueueNow(name="mail", counts={"queued": 1200}, workers=0), ["1,200 jobs wait and no worker listens"]),
        (QueueNow(name="mail", counts={"queued": 1}, workers=0), ["1 job waits and no worker listens"]),
        (QueueNow(name="mail", counts={"queued": 0, "scheduled": 4}, workers=0), []),
        (QueueNow(name="mail", counts={"queued": 9}, workers=None), []),
        (QueueNow(name="mail", counts={"queued": 9}, workers=0, paused=True), []),
    ):
        stands(still, queues=[queue])
        assert words(only(still)) == said
    assert only(still).paused


def test_what_ended_a_minute_and_how_many_failed_is_told_of_lately(still: Site) -> None:
    now = now_ms(still)
    for place in range(9):
        mirrors(still, f"done{place}", qu="mail", s="completed", x="finished", ca=now, sa=now, fa=now - 5_000)
    past = now - 30 * MINUTE_MS
    mirrors(still, "past", qu="mail", s="failed", x="failed", ca=past, sa=past, fa=past)
    queue = only(still)
    assert (sum(queue.completed), sum(queue.failed)) == (9, 1)
    assert queue.per_minute == 2.0, "9 in four minutes and a half"
    assert queue.failure_rate == 10.0
    assert (queue.added[-1], sum(queue.added)) == (9, 10)


def test_nothing_ended_is_no_rate_of_failures(still: Site) -> None:
    stands(still, queues=[QueueNow(name="mail", counts={})])
    assert (only(still).failure_rate, only(still).per_minute) == (None, 0.0)


def test_a_broker_that_is_away_leaves_its_last_figures_which_say_how_old_they_are(still: Site) -> None:
    stands(still, queues=[QueueNow(name="mail", counts={"queued": 7}, workers=2)])
    later = ago(still, -240)
    fails(later, "nothing listens at its address")
    found = queues_service.queues(later)
    (broker,), (queue,) = found.brokers, found.queues
    assert (broker.why, broker.read_ms) == ("nothing listens at its address", now_ms(still))
    assert (queue.depth, queue.is_old) == (7, True)


def test_a_broker_that_nobody_follows_any_more_is_unavailable(still: Site) -> None:
    stands(still, queues=[QueueNow(name="mail", counts={"queued": 7})])
    (broker,) = queues_service.queues(ago(still, -15)).brokers
    assert broker.why is None, "another process takes over"
    found = queues_service.queues(ago(still, -25))
    assert (
        found.brokers[0].why
        == "nothing was noted of it for 25 s: no process of Headway follows it, or its own store is full"
    )
    assert found.queues[0].is_old


def test_queues_are_found_by_a_part_of_their_name_and_one_by_all_of_it(still: Site) -> None:
    stands(still, queues=[QueueNow(name=name, counts={}) for name in ("mail", "mail/eu", "Web")])
    stands(still, "celery", engine="celery", queues=[QueueNow(name="mail", counts={})])
    names = [(queue.agent, queue.name) for queue in queues_service.queues(still).queues]
    assert names == [("celery", "mail"), ("rq", "Web"), ("rq", "mail"), ("rq", "mail/eu")]
    assert [queue.name for queue in queues_service.queues(still, "rq/MAIL").queues] == ["mail", "mail/eu"]
    found = queues_service.one(still, "rq", "mail")
    assert found is not None
    assert (found.agent, found.name) == ("rq", "mail")
    assert queues_service.one(still, "rq", "mai") is None


def test_the_most_that_waited_in_a_minute_is_kept_for_an_hour(still: Site) -> None:
    wide = replace(still, store=Store(still.store.url, partitions=3))
    for agent in ("app", "other", "third"):
        jobs_service.create(wide, NewJob(agent=agent, queue="mail"))
    for ago_min, depth in ((2, 5), (0, 9), (0, 4)):
        moment = ago(wide, 60 * ago_min)
        stands(moment, queues=[QueueNow(name="web", counts={"queued": depth})])
        queue_depths.sample(moment)
    shown = queues_service.with_depths(wide, queues_service.queues(wide).queues)
    found = {(queue.agent, queue.name): queue.depths for queue in shown}
    assert found["rq", "web"] == (*(None,) * (MINUTES - 3), 5, None, 9)
    assert found["third", "mail"][-1] == 1
    wide.store.close()


def test_a_broker_that_is_away_has_no_depth_of_this_minute(still: Site) -> None:
    mirrors(still, "a", qu="mail", x="queued", ca=now_ms(still))
    stands(still, queues=[QueueNow(name="mail", counts={"queued": 7})])
    fails(still, "nothing listens at its address")
    queue_depths.sample(still)
    queue = queues_service.one(still, "rq", "mail")
    assert queue is not None
    assert queue.depths[-1] is None, "what Headway keeps of it is as old as its last reading"


def test_a_broker_that_nobody_follows_any_more_has_no_depth_of_this_minute(still: Site) -> None:
    stands(ago(still, 300), queues=[QueueNow(name="mail", counts={"queued": 7})])
    queue_depths.sample(still)
    queue = queues_service.one(still, "rq", "mail")
    assert queue is not None
    assert queue.depths == (None,) * MINUTES


def test_a_queue_that_was_not_seen_for_long_among_many_is_told_of_and_found_as_any(still: Site) -> None:
    now, many = now_ms(still), MOST_QUEUES + 5
    jobs_service.apply_all(
        still, "app", [Change("put", a="app", i=f"j{at}", qu=f"q{at:03}", w=now - many + at) for at in range(many)]
    )
    first = queues_service.one(still, "app", "q000")
    assert first is not None
    assert (first.kept, sum(first.added), first.oldest_ms is None) == ({"queued": 1}, 1, False)
    assert [queue.name for queue in queues_service.queues(still, "APP/q000").queues] == ["q000"]
    assert len(queues_service.queues(still, "q").queues) == len(queues_service.queues(still).queues) == MOST_QUEUES
    stands(still, "app", queues=[QueueNow(name="q000", counts={"queued": 7})])
    told = queues_service.queues(still).queues[0]
    assert (told.name, told.depth, told.kept, sum(told.added)) == ("q000", 7, {"queued": 1}, 1)
    assert queues_service.one(still, "app", "q000") == queues_service.with_depths(still, [told])[0]


def test_a_queue_whose_name_no_record_takes_is_one_with_that_of_its_jobs(still: Site) -> None:
    odd = " mail\nof Ann "
    mirrors(still, "a", qu="mail of Ann", x="queued")
    listens, other = (WorkerNow(name=queue[:2], state="idle", queues=(queue,)) for queue in (odd, "web"))
    stands(still, queues=[QueueNow(name=odd, counts={"queued": 7})], workers=[listens, other])
    queue_depths.sample(still)
    (queue,) = queues_service.with_depths(still, queues_service.queues(still).queues)
    assert (queue.name, queue.depth, queue.kept, queue.depths[-1]) == ("mail of Ann", 7, {"queued": 1}, 7)
    assert queues_service.one(still, "rq", "mail of Ann") == queue
    assert [one.now for one in workers_service.workers(still, queue=("rq", "mail of Ann")).workers] == [listens]


def test_a_minute_of_depths_is_bounded_and_has_the_deepest_queues_of_its_beginning(
    still: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_depths, "MOST_SAMPLED", 2)
    for depths in ({"a": 1, "b": 5, "c": 3}, {"a": 9, "b": 4, "c": 4}):
        stands(still, queues=[QueueNow(name=name, counts={"queued": depth}) for name, depth in depths.items()])
        queue_depths.sample(still)
    shown = queues_service.with_depths(still, queues_service.queues(still).queues)
    assert {queue.name: queue.depths[-1] for queue in shown} == {"a": None, "b": 5, "c": 4}


def test_a_queues_jobs_are_told_oldest_waiting_first_with_the_last_failures_and_what_functions_take(
    still: Site,
) -> None:
    now = now_ms(still)
    for place in range(queue_jobs.WAITING + 2):
        mirrors(still, f"wait{place}", qu="mail", x="queued", ca=now, qa=now)
    for place in range(10):
        begun: dict[str, Any] = {
            "qu": "mail",
            "fn": "app.send",
            "ca": now - 9_000,
            "qa": now - 9_000,
            "sa": now - 8_000 + place,
        }
        mirrors(still, f"send{place}", s="processing", x="started", **begun)
        mirrors(still, f"send{place}", s="completed", x="finished", fa=now - 7_000 + place)
    mirrors(still, "late", qu="mail", s="failed", x="failed", ca=now, sa=now, fa=now + 1_000)
    mirrors(still, "broken", qu="mail", fn="app.sort", s="failed", x="failed", ca=now, sa=now, fa=now)
    mirrors(still, "elsewhere", qu="web", fn="app.send", s="failed", x="failed", ca=now, sa=now, fa=now)
    mail = queues_service.one(still, "rq", "mail")
    assert mail is not None
    jobs = queue_jobs.of(still, mail)
    assert [job.id for job in jobs.waiting] == [f"wait{place}" for place in range(queue_jobs.WAITING)]  # type: ignore[union-attr]
    assert [job.id for job in jobs.failed] == ["late", "broken"]  # type: ignore[union-attr]
    send, sort = queue_jobs.functions(still, "rq", "mail")
    assert (send.name, send.jobs, send.failed) == ("app.send", 10, 0)
    assert (send.wait, send.run) == (Times(1_004, 1_009, 10), Times(1_000, 1_000, 10))
    assert (sort.name, sort.jobs, sort.failed) == ("app.sort", 1, 1)
