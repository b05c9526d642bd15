"""Tasks of real Celery workers, from their sending to their end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil
import pytest
import redis
from celery import Celery

from services.brokers import celery_presence
from tests.celery_workers import CeleryWorker, client
from tests.conftest import Valkey, wait_until
from tests.services.brokers.followed_celery import FollowedCelery
from tests.services.brokers.followed_rq import metadata


class Shop(NamedTuple):
    worker: CeleryWorker
    app: Celery
    redis: redis.Redis

    def gate(self, name: str) -> None:
        """Let one go that holds there."""
        self.redis.rpush(name, "go")

    @contextmanager
    def holding(self, count: int) -> Iterator[list[str]]:
        """The ids of that many tasks, which hold until the end of it, however that comes."""
        held = [self.app.send_task("shop.hold", ("held",)).id for _ in range(count)]
        try:
            yield held
        finally:
            for _ in held:
                self.gate("held")


@pytest.fixture(scope="module")
def shop(theirs: Valkey) -> Iterator[Shop]:
    """A worker of the usual kind, with two processes; the clock of its heart goes fast."""
    worker = CeleryWorker(theirs.url, pool="prefork", options=("-E", "--heartbeat-interval", "1")).start()
    app = client(theirs.url)
    yield Shop(worker, app, redis.Redis.from_url(theirs.url))
    app.close()
    worker.close()


@pytest.fixture
def followed(shop: Shop, theirs: Valkey, follow_celery: Callable[..., FollowedCelery]) -> FollowedCelery:
    return follow_celery(theirs.url)


def states(followed: FollowedCelery) -> dict[str, str]:
    """Workers' states by name."""
    return {worker.name: worker.state for worker in followed.snapshot.workers}


def test_a_task_that_ends_well_tells_all_that_celery_knows(shop: Shop, followed: FollowedCelery) -> None:
    id = shop.app.send_task("shop.say", kwargs={"to": "Łucja", "password": "hunter2"}).id
    followed.comes_to(id, "finished")
    followed.until(lambda: (job := followed.job(id)) and job.enqueued_at, "its sender's word, which may come last")
    job = followed.comes_to(id, "finished")
    assert (job.status, job.progress, job.engine) == ("completed", 100, "celery")
    assert (job.function, job.queue, job.worker) == ("shop.say", "celery", shop.worker.name)
    assert job.enqueued_at is not None and job.started_at is not None and job.finished_at is not None
    assert job.enqueued_at <= job.started_at <= job.finished_at
    assert metadata(job)["kwargs"] == {"to": "Łucja", "password": "***"}
    assert job.result == '{"to":"Łucja","password":"***"}'


def test_a_failure_tells_its_traceback_and_its_type(shop: Shop, followed: FollowedCelery) -> None:
    job = followed.comes_to(shop.app.send_task("shop.fail", ("no such box",)).id, "failed")
    assert job.error_type == "tests.workloads.celery_tasks.OrderError"
    assert job.error is not None
    assert job.error.startswith("Traceback")
    assert job.error.strip().endswith("OrderError: no such box")


def test_a_retry_tells_when_it_is_due_and_what_each_attempt_said(shop: Shop, followed: FollowedCelery) -> None:
    id = shop.app.send_task("shop.retry", (1, 5)).id
    waiting = followed.comes_to(id, "retrying")
    assert waiting.status == "queued"
    assert waiting.due_at is not None and waiting.enqueued_at is not None
    assert waiting.due_at > waiting.enqueued_at
    job = followed.comes_to(id, "finished")
    assert (job.attempt, job.result, job.due_at, job.message) == (2, '"went well at attempt 2"', None, None)
    assert [attempt.error is not None and "attempt 1 failed" in attempt.error for attempt in job.attempts] == [True]


@pytest.mark.parametrize(
    ("limits", "error"),
    [({"soft_time_limit": 0.3, "time_limit": 30}, "SoftTimeLimitExceeded"), ({"time_limit": 0.5}, "TimeLimitExceeded")],
    ids=["soft", "hard"],
)
def test_a_task_past_its_time_limit_fails(
    shop: Shop, followed: FollowedCelery, limits: dict[str, float], error: str
) -> None:
    job = followed.comes_to(shop.app.send_task("shop.hold", ("never",), **limits).id, "failed")
    assert job.error is not None and error in job.error
    assert job.error_type is not None and job.error_type.endswith(error)


def test_a_task_whose_process_is_killed_fails(shop: Shop, followed: FollowedCelery) -> None:
    id = shop.app.send_task("shop.hold", ("never",)).id
    followed.comes_to(id, "started")
    answers = shop.app.control.inspect(timeout=5, limit=1).active(safe=True)
    pid = next(one["worker_pid"] for one in answers[shop.worker.name] if one["id"] == id)
    psutil.Process(pid).send_signal(signal.SIGKILL)
    job = followed.comes_to(id, "failed")
    assert job.error is not None and "WorkerLostError" in job.error


def test_progress_of_a_task_shows_as_it_says_it(shop: Shop, followed: FollowedCelery) -> None:
    id = shop.app.send_task("shop.steps", (4, "steps")).id
    followed.comes_to(id, "started")
    for percent in (25, 50):
        shop.gate("steps")
        followed.until(lambda percent=percent: followed.job(id).progress == percent, f"{percent} %")  # type: ignore[misc, union-attr]
    for _ in range(3):
        shop.gate("steps")
    assert followed.comes_to(id, "finished").progress == 100


def test_a_task_with_a_countdown_is_scheduled_and_can_be_revoked(shop: Shop, followed: FollowedCelery) -> None:
    sent = shop.app.send_task("shop.add", (1, 2), countdown=8)
    job = followed.comes_to(sent.id, "scheduled")
    assert job.due_at is not None
    followed.until(lambda: followed.queue("celery").counts.get("scheduled") == 1, "the count")
    shop.app.control.revoke(sent.id)
    ended = followed.comes_to(sent.id, "canceled")
    assert (ended.status, ended.message) == ("failed", "revoked")
    followed.until(lambda: followed.queue("celery").counts == {"queued": 0}, "its leaving the count")


def test_a_task_that_is_revoked_at_work_is_stopped(shop: Shop, followed: FollowedCelery) -> None:
    sent = shop.app.send_task("shop.hold", ("never",))
    followed.comes_to(sent.id, "started")
    shop.app.control.revoke(sent.id, terminate=True)
    assert followed.comes_to(sent.id, "stopped").started_at is not None


def test_queues_and_workers_say_what_celery_says_of_itself(shop: Shop, followed: FollowedCelery) -> None:
    with shop.holding(7) as held:
        inspect = shop.app.control.inspect(timeout=5, limit=1)
        followed.until(lambda: followed.queue("celery").counts.get("started") == 2, "two at work")
        name = shop.worker.name
        active, reserved = inspect.active(safe=True)[name], inspect.reserved()[name]
        waiting = shop.redis.llen("celery")

        def agrees() -> bool:
            counts = followed.queue("celery").counts
            return (counts["queued"], counts.get("reserved"), counts.get("started")) == (
                waiting,
                len(reserved),
                len(active),
            )

        followed.until(agrees, "the same counts as Celery's")
        assert waiting + len(reserved) + len(active) == len(held)
        followed.until(
            lambda: followed.worker(name).concurrency == 2 and followed.worker(name).queues, "the answers of the worker"
        )
        worker = followed.worker(name)
        stats = inspect.stats()[name]
        assert (worker.state, worker.pool, worker.queues, worker.pid) == ("busy", "prefork", ("celery",), stats["pid"])
        assert set(worker.jobs) == {one["id"] for one in active}
        assert worker.functions == ("shop.hold", "shop.hold")
        assert worker.skew_s is not None
        assert followed.queue("celery").workers == 1
        assert followed.queue("celery").oldest_ms is not None
        told = [job.state for id in held if (job := followed.job(id)) is not None]
        assert (told.count("started"), told.count("reserved"), told.count("queued")) == (
            len(active), len(reserved), waiting,
        )  # fmt: skip
    for id in held:
        followed.comes_to(id, "finished")


def test_the_schedule_of_beat_shows_as_its_workers_know_it(shop: Shop, followed: FollowedCelery) -> None:
    (tidy,) = followed.until(lambda: followed.snapshot.schedules, "the schedule")
    assert (tidy.name, tidy.spec, tidy.function, tidy.next_ms) == ("tidy", "every hour", "shop.add", None)
    id = shop.app.send_task("shop.add", (1, 2)).id
    followed.comes_to(id, "finished")
    followed.until(lambda: followed.snapshot.schedules[0].last_ms is not None, "its last run")
    tidy = followed.snapshot.schedules[0]
    assert tidy.last_job == id
    assert tidy.last_ms is not None and tidy.next_ms == tidy.last_ms + 3_600_000


def test_a_killed_worker_is_dead_and_what_it_had_at_work_has_failed(
    theirs: Valkey, shop: Shop, followed: FollowedCelery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_presence, "LOST_BEATS", celery_presence.DEAD_BEATS + 1)  # usually half a minute
    worker = CeleryWorker(theirs.url, "doomed", pool="threads", options=("-E", "--heartbeat-interval", "1")).start()
    try:
        id = shop.app.send_task("shop.hold", ("never",), queue="doomed").id
        followed.comes_to(id, "started")
        followed.until(lambda: states(followed).get(worker.name) == "busy", "the worker")
        worker.kill()
        job = followed.comes_to(id, "failed")
        assert job.error is not None and worker.name in job.error
        assert job.error_type == "WorkerLostError"
        assert followed.worker(worker.name).state == "dead"
        assert followed.worker(shop.worker.name).state != "dead"
    finally:
        worker.close()


def test_a_task_of_a_worker_that_was_silent_and_is_back_ends_as_that_says(
    theirs: Valkey, shop: Shop, followed: FollowedCelery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_presence, "LOST_BEATS", celery_presence.DEAD_BEATS + 1)  # usually half a minute
    worker = CeleryWorker(theirs.url, "frozen", pool="threads", options=("-E", "--heartbeat-interval", "1")).start()
    try:
        assert worker.process is not None
        id = shop.app.send_task("shop.hold", ("thaw",), queue="frozen").id
        followed.comes_to(id, "started")
        followed.until(lambda: states(followed).get(worker.name) == "busy", "the worker")
        os.killpg(worker.process.pid, signal.SIGSTOP)
        lost = followed.comes_to(id, "failed")
        shop.gate("thaw")
        os.killpg(worker.process.pid, signal.SIGCONT)
        job = followed.comes_to(id, "finished")
        assert (job.attempt, job.result, job.error) == (2, '"let go"', None)
        assert [attempt.error for attempt in job.attempts] == [lost.error]
    finally:
        worker.close()


def test_of_many_quick_tasks_none_ends_without_its_result_or_its_error(shop: Shop, followed: FollowedCelery) -> None:
    well = [shop.app.send_task("shop.add", (number, 1)).id for number in range(200)]
    badly = [shop.app.send_task("shop.fail", (f"no. {number}",)).id for number in range(200)]
    for number, id in enumerate(well):
        assert followed.comes_to(id, "finished").result == str(number + 1)
    for number, id in enumerate(badly):
        job = followed.comes_to(id, "failed")
        assert job.error is not None and job.error.strip().endswith(f"OrderError: no. {number}")


def test_a_worker_that_ends_leaves_the_list(theirs: Valkey, shop: Shop, followed: FollowedCelery) -> None:
    worker = CeleryWorker(theirs.url, "brief", pool="solo").start()
    try:
        followed.until(lambda: worker.name in states(followed) and followed.worker(worker.name).queues, "its answer")
        assert worker.process is not None
        worker.process.terminate()
        wait_until(lambda: worker.process is not None and worker.process.poll() is not None, what="its end")
        followed.until(lambda: worker.name not in states(followed), "its leaving")
    finally:
        worker.close()
