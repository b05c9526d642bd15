"""What adds RQ's jobs at times, and what is told where nobody does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from rq import Repeat
from rq.cron import CronScheduler

from services.brokers.model import ScheduleNow
from tests.conftest import Valkey
from tests.rq_workers import TASKS, RqWorker, queue
from tests.services.brokers.followed_rq import FollowedRq
from tests.workloads import rq_tasks


@pytest.fixture
def client(theirs: Valkey) -> Iterator[Any]:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
        yield client


def by_name(followed: FollowedRq) -> dict[str, ScheduleNow]:
    return {entry.name: entry for entry in followed.snapshot.schedules}


def test_entries_of_cron_schedulers_are_told_with_their_last_job(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    scheduler = CronScheduler(connection=client, name="box:1")
    scheduler.register(rq_tasks.add, "mail", args=(1, 1), interval=30)
    scheduler.register(rq_tasks.say, "default", cron="*/5 * * * *", name="say it")
    scheduler.register_birth()
    followed = follow(theirs.url)
    followed.tick()
    every, cron = by_name(followed)[f"{TASKS}.add"], by_name(followed)["say it"]
    assert (every.spec, every.queue, every.last_job, every.scheduler) == ("every 30 s", "mail", None, "box:1")
    assert (cron.spec, cron.function, cron.alive) == ("*/5 * * * *", f"{TASKS}.say", True)
    assert cron.next_ms is not None
    scheduler.enqueue_jobs()
    scheduler.save()
    added = followed.until(lambda: by_name(followed)[f"{TASKS}.add"].last_job, "its job")
    assert added is not None
    assert followed.comes_to(added, "queued").queue == "mail"
    assert by_name(followed)[f"{TASKS}.add"].last_ms is not None
    client.zadd("rq:cron_schedulers", {"box:1": time.time() - 600})  # it gives no sign any more
    followed.until(lambda: not by_name(followed)["say it"].alive, "its death")
    scheduler.register_death()
    followed.until(lambda: followed.snapshot.schedules == (), "its leave")


@pytest.mark.parametrize("version", [3, 2])
def test_a_repeating_job_is_a_schedule_and_each_repeat_an_attempt(
    version: Any, theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    worker = RqWorker(theirs.url, version=version).start()
    try:
        id = (
            queue(theirs.url)
            .enqueue(f"{TASKS}.add", 1, 1, description="count", repeat=Repeat(times=3, interval=600))
            .id
        )
        followed = follow(theirs.url)
        job = followed.comes_to(id, "scheduled")
        assert job.attempt == 2
        assert job.attempts[0].status == "completed"
        (entry,) = followed.snapshot.schedules
        assert (entry.name, entry.spec, entry.last_job) == ("count", "every 10 min, 2 more times", id)
        assert entry.next_ms is not None
        again = follow(theirs.url)  # as after a restart
        again.settled()
        assert again.snapshot.schedules == (entry,)
        assert again.job(id) == job
        client.delete(f"rq:job:{id}")
        followed.until(lambda: followed.snapshot.schedules == (), "its end")
    finally:
        worker.close()


def test_scheduled_jobs_that_no_scheduler_keeps_are_told_of(
    theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    for name in ("mail", "mail", "other"):
        queue(theirs.url, name).enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 1)
    followed = follow(theirs.url)
    (note,) = followed.settled().notes
    assert note.startswith("3 jobs are scheduled in mail, other and no scheduler runs there")
    worker = RqWorker(theirs.url, "mail", options=("--with-scheduler",)).start()
    try:
        followed.until(lambda: "1 job is scheduled in other" in " ".join(followed.snapshot.notes), "the scheduler")
    finally:
        worker.close()


def test_damaged_entries_are_left_out(theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]) -> None:
    entries = {
        "list": json.dumps([1, {"name": 5}, {"cron": "* * * * *", "next_enqueue_time": 7}]),
        "no": "[",
        "map": "{}",
    }
    for name, said in entries.items():
        client.hset(f"rq:cron_scheduler:{name}", "cron_jobs", said)
        client.zadd("rq:cron_schedulers", {name: time.time()})
    client.zadd("rq:cron_schedulers", {"gone": time.time()})
    followed = follow(theirs.url)
    followed.tick()
    assert sorted(by_name(followed)) == ["5", "?"]
