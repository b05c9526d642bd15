"""Jobs that rq-scheduler keeps, the package beside RQ: by itself, as it is published."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from rq_scheduler import Scheduler

from core.site import Site
from services.brokers import mirror, rq_compare, rq_drift, rq_intake, rq_scheduler_jobs
from services.brokers.action_model import JobAction, Target
from services.brokers.model import EngineJob, ScheduleNow
from services.brokers.rq_actions import RqActions
from tests.conftest import Valkey
from tests.rq_workers import TASKS, RqWorker
from tests.schedulers import rq_scheduler
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers.rq_hashes_made import job_of, packed, put
from tests.services.brokers.test_rq_cost import calls

DAY = timedelta(days=1)


@pytest.fixture
def client(theirs: Valkey) -> Iterator[Any]:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def scheduler(client: Any) -> Any:
    """What an app adds by."""
    return Scheduler(connection=client)


def soon() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)  # as rq-scheduler takes times


def schedules(followed: FollowedRq) -> dict[str, ScheduleNow]:
    return {entry.name: entry for entry in followed.snapshot.schedules}


def due_s(followed: FollowedRq, id: str) -> float | None:
    job = followed.job(id)
    return job.due_at.timestamp() if job is not None and job.due_at is not None else None


@pytest.mark.parametrize("version", [3, 2])
def test_what_recurs_is_a_schedule_and_each_run_an_attempt(
    version: Any, theirs: Valkey, client: Any, scheduler: Any, follow: Callable[..., FollowedRq]
) -> None:
    nightly = cron(scheduler, "0 3 * * *", f"{TASKS}.add", args=[1, 2], queue_name="mail", description="nightly")
    counted = scheduler.schedule(soon() + DAY, f"{TASKS}.add", args=[1, 2], interval=600, repeat=4, description="count")
    followed = follow(theirs.url)
    assert followed.comes_to(nightly.id, "scheduled").due_at is not None
    followed.comes_to(counted.id, "scheduled")
    entry = schedules(followed)["nightly"]
    assert (entry.spec, entry.function, entry.queue, entry.scheduler) == (
        "0 3 * * *",
        f"{TASKS}.add",
        "mail",
        "rq-scheduler",
    )
    assert (entry.alive, entry.last_ms) == (None, None), "nobody knows yet whether one runs"
    assert entry.next_ms == client.zscore("rq:scheduler:scheduled_jobs", nightly.id) * 1000
    assert schedules(followed)["count"].spec == "every 10 min, 4 more times"
    worker = RqWorker(theirs.url, version=version).start()
    try:
        with rq_scheduler(theirs.url, version):
            followed.until(lambda: schedules(followed)["nightly"].alive, "a sign of it")
            scheduler.change_execution_time(counted, soon())
            followed.comes_to(counted.id, "finished")
            followed.until(lambda: schedules(followed)["count"].spec == "every 10 min, 3 more times", "the count")
            scheduler.change_execution_time(counted, soon())
            followed.until(lambda: schedules(followed)["count"].spec == "every 10 min, 2 more times", "the next")
            assert followed.comes_to(counted.id, "finished").attempt == 2
            worker.close()
            scheduler.change_execution_time(counted, soon())
            followed.until(lambda: schedules(followed)["count"].spec == "every 10 min, 1 more time", "the last but one")
            seen_late = follow(theirs.url, name="late").comes_to(counted.id, "queued")
            assert [(one.attempt, one.status) for one in seen_late.attempts] == [(1, "completed")]
        entry = followed.until(
            lambda: (one := schedules(followed)["count"]).next_ms > one.last_ms and one, "its next time"
        )  # type: ignore[operator]
        assert entry and entry.last_job == counted.id
        followed.until(lambda: schedules(followed)["nightly"].alive is False, "its end")
        assert followed.snapshot.notes[-1].startswith("2 jobs wait in the list of rq-scheduler and none")
        again = follow(theirs.url)  # as after a restart
        again.settled()
        assert schedules(again).keys() == {"nightly", "count"}
        assert again.job(counted.id) == followed.job(counted.id)
        scheduler.cancel(nightly)
        scheduler.cancel(counted)
        followed.until(lambda: not followed.snapshot.schedules, "the end of both")
    finally:
        worker.close()


def test_a_job_that_waits_for_its_time_is_scheduled_until_it_is_queued_or_taken_off(
    theirs: Valkey, client: Any, scheduler: Any, follow: Callable[..., FollowedRq]
) -> None:
    followed = follow(theirs.url)
    followed.settled()
    due, later, off = (scheduler.enqueue_at(soon() + DAY, f"{TASKS}.add", 1, number) for number in range(3))
    for job in (due, later, off):
        assert followed.comes_to(job.id, "scheduled").due_at is not None
    assert not followed.snapshot.schedules, "what is added once is no schedule"
    scheduler.change_execution_time(later, soon() + 2 * DAY)
    moved = client.zscore("rq:scheduler:scheduled_jobs", later.id)
    followed.until(lambda: due_s(followed, later.id) == moved, "its other time")
    scheduler.cancel(off)
    taken_off = followed.comes_to(off.id, "canceled")
    assert (taken_off.due_at, taken_off.message) == (None, "It was taken off the list of what is scheduled")
    with rq_scheduler(theirs.url) as kill:
        scheduler.change_execution_time(due, soon())
        assert followed.comes_to(due.id, "queued").due_at is None
        kill()
    followed.tick()
    assert not [note for note in followed.snapshot.notes if "rq-scheduler" in note], (
        "its key tells that it runs, for 10 s"
    )
    client.zadd("rq:scheduler:scheduled_jobs", {off.id: time.time() + 60})
    followed.comes_to(off.id, "scheduled")


def test_what_is_taken_off_after_an_attempt_is_canceled_too(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rq_intake, "LETS_GO_S", 0.2)
    ran = {"started_at": "2026-11-21T10:00:01.000000Z", "ended_at": "2026-11-21T10:00:02.000000Z"}
    client.sadd("rq:queues", "rq:queue:default")
    for id in ("sought", "told", "between"):
        client.hset(f"rq:job:{id}", mapping=job_of(packed("app.mail"), status="scheduled", **ran))
    client.zadd("rq:scheduled:default", {"sought": time.time() + 60})
    client.zadd("rq:scheduler:scheduled_jobs", {"told": time.time() + 60})
    first = follow(theirs.url)
    for id in ("sought", "told"):
        first.comes_to(id, "scheduled")
    client.hset("rq:job:between", "timeout", 180)
    client.zrem("rq:scheduler:scheduled_jobs", "told")
    taken_off = first.comes_to("told", "canceled")
    assert (taken_off.message, taken_off.attempt) == ("It was taken off the list of what is scheduled", 2)
    first.settled()
    first.close()
    client.zrem("rq:scheduled:default", "sought")
    followed = follow(theirs.url)
    followed.comes_to("sought", "canceled")
    assert followed.job("between") is None, "RQ has yet to say when it is due"
    client.zadd("rq:scheduled:default", {"between": time.time() + 60})
    client.hset("rq:job:between", "timeout", 180)
    followed.comes_to("between", "scheduled")


def test_what_changed_while_nobody_listened_is_found(
    theirs: Valkey, client: Any, scheduler: Any, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rq_scheduler_jobs, "SOONEST", 1)
    off, moved, stays = (scheduler.enqueue_at(soon() + DAY, f"{TASKS}.add", 1, number) for number in range(3))
    nightly = cron(scheduler, "0 3 1 1 *", f"{TASKS}.add", args=[1, 2], description="yearly")
    first = follow(theirs.url)
    for job in (off, moved, stays, nightly):
        first.comes_to(job.id, "scheduled")
    first.close()
    scheduler.cancel(off)
    scheduler.change_execution_time(moved, soon() + 3 * DAY)
    followed = follow(theirs.url)
    followed.comes_to(off.id, "canceled")
    at = client.zscore("rq:scheduler:scheduled_jobs", moved.id)
    followed.until(lambda: due_s(followed, moved.id) == at, "its other time")
    assert followed.job(stays.id) == first.job(stays.id)
    followed.until(lambda: "yearly" in schedules(followed), "what is none of the soonest")


def test_a_long_list_costs_no_more_than_its_changes(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    waits = {**job_of(packed("app.mail")), "status": "scheduled", "enqueued_at": ""}
    pipeline = client.pipeline(transaction=False)
    for number in range(2_000):
        pipeline.hset(f"rq:job:later-{number}", mapping=waits)
        pipeline.zadd("rq:scheduler:scheduled_jobs", {f"later-{number}": time.time() + 3_600 + number})
    pipeline.execute()
    put(client, {"waits": job_of(packed("app.mail"))})
    followed = follow(theirs.url)
    followed.settled()
    last = followed.job("later-1999")
    assert last is not None and last.state == "scheduled"
    followed.settled()
    for _ in range(3):
        client.config_resetstat()
        followed.tick()
        assert 0 < sum(calls(client).values()) < 20
        assert not {"keys", "scan", "zrange", "zscore"} & calls(client).keys()
    client.config_resetstat()
    client.zadd("rq:scheduler:scheduled_jobs", {"later-7": time.time() + 60})
    followed.until(lambda: (due_s(followed, "later-7") or 0) < time.time() + 120, "its other time")
    assert calls(client)["hmget"] <= 12, "of what changed alone"


def test_damage_is_named_and_the_rest_is_read(
    theirs: Valkey, client: Any, scheduler: Any, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = scheduler.schedule(soon() - DAY, f"{TASKS}.say", kwargs={"password": "hunter2"}, interval=60)
    client.hset(f"rq:job:{odd.id}", "meta", b"cos\nsystem\n(S'touch /tmp/no'\ntR.")
    cron(scheduler, "*/5 * * * *", f"{TASKS}.say", kwargs={"password": "hunter2"})
    client.zadd("rq:scheduler:scheduled_jobs", {"gone": time.time() + 60, b"\xff": "inf"})
    client.set("rq:job:text", "no hash")
    client.zadd("rq:scheduler:scheduled_jobs", {"text": time.time() + 60})
    client.set("rq:scheduler_instance:text", "no hash", ex=60)
    followed = follow(theirs.url)
    followed.settled()
    (entry,) = followed.snapshot.schedules
    assert entry.spec == "*/5 * * * *"
    assert "hunter2" not in str(followed.snapshot)
    assert "rq:job:text is no hash: that job is not read" in followed.snapshot.notes
    assert entry.alive is False, "what was due a day ago is there still"
    client.set("rq:scheduler:scheduled_jobs", "no list")
    note = "rq:scheduler:scheduled_jobs is no sorted set: it is not read"
    followed.until(lambda: note in followed.snapshot.notes, "its note")
    put(client, {"waits": job_of(packed("app.mail"))})
    followed.comes_to("waits", "queued")


def test_no_sign_of_a_scheduler_is_told_once_one_would_have_given_some(
    theirs: Valkey, scheduler: Any, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    cron(scheduler, "*/5 * * * *", f"{TASKS}.add", args=[1, 2], description="often")
    followed = follow(theirs.url)
    followed.settled()
    assert schedules(followed)["often"].alive is None
    monkeypatch.setattr(rq_scheduler_jobs, "SILENT_S", 0)
    followed.tick()
    assert schedules(followed)["often"].alive is False


def test_of_very_many_that_recur_it_is_told_that_some_are_not_shown(
    theirs: Valkey, scheduler: Any, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rq_scheduler_jobs, "MOST_RECURRING", 2)
    one, *_ = [scheduler.schedule(soon() + DAY, f"{TASKS}.add", args=[1, n], interval=60) for n in range(3)]
    followed = follow(theirs.url)
    assert followed.settled().notes == (
        "More than 2 jobs of rq-scheduler recur: not all of them are shown as schedules",
    )
    assert len(followed.snapshot.schedules) == 2
    scheduler.cancel(one)
    again = follow(theirs.url)
    assert again.settled().notes == ()
    assert len(again.snapshot.schedules) == 2


@pytest.mark.parametrize("action", ["run", "move", "cancel", "delete"])
def test_what_is_done_with_a_job_holds_for_rq_scheduler_too(
    action: JobAction, theirs: Valkey, client: Any, scheduler: Any, follow: Callable[..., FollowedRq]
) -> None:
    client.sadd("rq:queues", "rq:queue:other")
    job = scheduler.enqueue_at(soon() + DAY, f"{TASKS}.add", 1, 2)
    followed = follow(theirs.url)
    followed.comes_to(job.id, "scheduled")
    target = Target(id=job.id, state="scheduled", queue="default", function=None, worker=None, started_ms=None)
    with closing(RqActions(followed.broker)) as actions:
        said = actions.on_job(action, target, "other")
    if action in ("cancel", "delete"):
        assert not client.exists("rq:scheduler:scheduled_jobs")
        followed.comes_to(job.id, "canceled" if action == "cancel" else "deleted")
        return
    assert client.exists("rq:scheduled:default", "rq:scheduled:other") == 0, (
        "RQ's own scheduler has nothing to do with it"
    )
    if action == "run":
        assert said.startswith("Its time is now: rq-scheduler puts it into its queue")
    with rq_scheduler(theirs.url):
        if action == "move":
            scheduler.change_execution_time(job, soon())
        assert followed.comes_to(job.id, "queued").queue == ("other" if action == "move" else "default")


def test_emptying_a_queue_leaves_what_recurs_its_next_runs(
    theirs: Valkey, client: Any, scheduler: Any, follow: Callable[..., FollowedRq]
) -> None:
    hourly = scheduler.schedule(soon() - DAY, f"{TASKS}.add", args=[1, 2], interval=3600, description="hourly")
    once = scheduler.enqueue_at(soon() - DAY, f"{TASKS}.add", 1, 2)
    scheduler.enqueue_jobs()
    client.zadd("rq:scheduler:scheduled_jobs", {"gone": time.time() + 60})
    client.rpush("rq:queue:default", "gone")
    followed = follow(theirs.url)
    followed.comes_to(hourly.id, "queued")
    with closing(RqActions(followed.broker)) as actions:
        assert actions.on_queue("empty", "default") == (
            "2 jobs that waited were deleted from RQ. 1 that recurs was taken out of the queue: "
            "rq-scheduler adds what recurs again at its next time."
        )
    assert not client.exists("rq:queue:default", f"rq:job:{once.id}", "rq:job:gone")
    waits = followed.comes_to(hourly.id, "scheduled")
    assert (waits.attempt, due_s(followed, hourly.id)) == (
        1,
        client.zscore("rq:scheduler:scheduled_jobs", hourly.id),
    )
    assert [job.id for job in scheduler.get_jobs()] == [hourly.id], "it fetches each, and drops what is gone"
    scheduler.change_execution_time(hourly, soon())
    scheduler.enqueue_jobs()
    assert followed.comes_to(hourly.id, "queued").attempt == 1
    client.set("rq:scheduler:scheduled_jobs", "no list")
    with closing(RqActions(followed.broker)) as actions:
        assert actions.on_queue("empty", "default") == "1 job that waited was deleted from RQ."


@pytest.mark.parametrize("version", ["7", "6.0, which has no ZMSCORE"])
def test_what_is_kept_costs_by_its_jobs_however_many_queues_they_are_of(
    version: str,
    theirs: Valkey,
    site: Site,
    client: Any,
    follow: Callable[..., FollowedRq],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rq_scheduler_jobs, "SOONEST", 1)
    monkeypatch.setattr(rq_compare, "WINDOW", 10)
    has = "+zmscore" if version == "7" else "-zmscore"
    client.execute_command("ACL", "SETUSER", "of-version", "reset", "on", ">secret", "~*", "&*", "+@all", has)
    queues, many, due = 20, 200, int(time.time()) + 3_600
    jobs = [
        EngineJob(id=f"later-{n}", state="scheduled", queue=f"q{n % queues}", due_ms=due * 1000) for n in range(many)
    ]
    client.sadd("rq:queues", *(f"rq:queue:q{number}" for number in range(queues)))
    client.zadd("rq:scheduler:scheduled_jobs", {job.id: due for job in jobs})
    client.hset("rq:job:later-0", mapping=job_of(packed("app.mail"), status="scheduled", origin="q0"))  # the soonest
    mirror.take(site, "rq", "rq", jobs)  # as before a restart
    followed = follow(theirs.url.replace("//", "//of-version:secret@"))
    client.config_resetstat()
    followed.settled()
    for _ in range((rq_drift.LASTS + 1) * queues):
        followed.tick()  # by then each queue was compared by its counts, too
    asked = calls(client)
    assert asked["zrevrange"] <= many / 10 + 2 * queues + 10
    by_id = asked["zmscore"] if version == "7" else asked["zscore"] / 10
    assert 2 * queues <= by_id <= 2 * queues + 1
    assert asked["hmget"] < 10, "each is where it was"


def cron(scheduler: Any, *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its crontab announces another clock
        return scheduler.cron(*args, **options)
