"""Jobs of real RQ workers, of the present major version and the one before, from their making to their end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import psutil
import pytest
import redis
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.registry import StartedJobRegistry

from core.site import Site
from services.brokers import rq_gone
from services.brokers.mirror_changes import SAME_MS
from services.brokers.mirror_records import Known
from services.job_rules import State, Status
from tests.conftest import Valkey
from tests.rq_workers import TASKS, RqWorker, queue
from tests.services import reports
from tests.services.brokers.followed_rq import FollowedRq, metadata

OTHER_STATES = {"started": "started_job_registry", "scheduled": "scheduled_job_registry", "deferred": "deferred_job_registry",
                "finished": "finished_job_registry", "failed": "failed_job_registry", "canceled": "canceled_job_registry"}  # fmt: skip


class Rq(NamedTuple):
    worker: RqWorker
    queue: Queue
    url: str

    def gate(self, name: str) -> None:
        """Let one go that holds there."""
        self.queue.connection.rpush(name, "go")


@pytest.fixture(scope="module", params=[3, 2], ids=["RQ 3", "RQ 2"])
def rq(request: pytest.FixtureRequest, theirs: Valkey) -> Iterator[Rq]:
    redis.Redis.from_url(theirs.url).flushall()
    worker = RqWorker(theirs.url, version=request.param, options=("--with-scheduler",)).start()
    yield Rq(worker, queue(theirs.url), theirs.url)
    worker.close()


def ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


@pytest.fixture
def followed(rq: Rq, follow: Callable[..., FollowedRq]) -> FollowedRq:
    found = follow(rq.url)
    found.tick()
    return found


def test_a_job_that_ends_well_tells_all_that_rq_knows(rq: Rq, followed: FollowedRq) -> None:
    id = rq.queue.enqueue(f"{TASKS}.add", 1, b=2, job_timeout=77, meta={"customer": "Łucja", "tags": ["paid"]}).id
    job = followed.comes_to(id, "finished")
    assert (job.status, job.progress, job.result) == ("completed", 100, "3")
    assert (job.function, job.queue, job.worker) == (f"{TASKS}.add", "default", rq.worker.name)
    assert job.title == f"{TASKS}.add(1, b=2)"
    assert job.tags == ("paid",)
    told = metadata(job)
    assert (told["args"], told["kwargs"], told["timeout_s"]) == ([1], {"b": 2}, 77)
    assert told["meta"] == {"customer": "Łucja"}
    fetched = rq.queue.fetch_job(id)
    assert fetched is not None
    assert job.attempt == 1
    assert (ms(job.enqueued_at), ms(job.finished_at)) == (ms(fetched.enqueued_at), ms(fetched.ended_at))
    assert job.started_at is not None


def test_a_failure_tells_its_traceback_and_its_type(rq: Rq, followed: FollowedRq) -> None:
    job = followed.comes_to(rq.queue.enqueue(f"{TASKS}.fail", "no such box").id, "failed")
    assert job.error_type == f"{TASKS}.MailError"
    assert job.error is not None
    assert job.error.strip().endswith("MailError: no such box")
    assert job.error.startswith("Traceback")
    assert job.worker == rq.worker.name


def test_a_retry_at_once_is_another_attempt_however_fast_it_comes(rq: Rq, followed: FollowedRq) -> None:
    id = rq.queue.enqueue(f"{TASKS}.fail_times", 2, retry=Retry(max=3)).id
    followed.until(lambda: rq.queue.fetch_job(id).is_finished, "the end")  # type: ignore[union-attr]
    job = followed.comes_to(id, "finished")
    assert job.attempt == 3
    assert [attempt.status for attempt in job.attempts] == ["failed", "failed"]
    assert job.result == '"went well at attempt 3"'
    assert metadata(job)["retries_left"] == 1


def test_attempts_that_nobody_saw_are_counted_all_the_same(rq: Rq, followed: FollowedRq) -> None:
    rq.queue.connection.delete("hold-back")
    first = rq.queue.enqueue(f"{TASKS}.hold", "hold-back").id
    id = rq.queue.enqueue(f"{TASKS}.fail_times", 2, retry=Retry(max=3)).id
    followed.comes_to(id, "queued")
    rq.gate("hold-back")
    while not rq.queue.fetch_job(id).is_finished:  # type: ignore[union-attr]
        time.sleep(0.02)  # nobody looks
    assert followed.comes_to(id, "finished").attempt == 3
    assert followed.comes_to(first, "finished").result == '"let go"'


def test_a_retry_with_an_interval_waits_scheduled_with_its_time(rq: Rq, followed: FollowedRq) -> None:
    id = rq.queue.enqueue(f"{TASKS}.fail", retry=Retry(max=1, interval=600)).id
    job = followed.comes_to(id, "scheduled")
    assert job.status == "queued"
    assert job.attempt == 2
    assert job.due_at == rq.queue.scheduled_job_registry.get_scheduled_time(id)
    (first,) = job.attempts
    assert (first.attempt, first.status) == (1, "failed")
    fetched = rq.queue.fetch_job(id)
    assert fetched is not None
    assert ms(first.finished_at) == pytest.approx(ms(fetched.ended_at), abs=SAME_MS), "RQ notes it twice, some ms apart"
    followed.settled()
    assert followed.job(id) == job, "looking once more makes no more of it"


def test_a_job_that_takes_too_long_fails_as_rq_says(rq: Rq, followed: FollowedRq) -> None:
    job = followed.comes_to(rq.queue.enqueue(f"{TASKS}.sleep", 30, job_timeout=1).id, "failed")
    assert job.error_type == "rq.timeouts.JobTimeoutException"


def test_a_job_at_work_shows_its_progress_step_by_step(rq: Rq, followed: FollowedRq) -> None:
    id = rq.queue.enqueue(f"{TASKS}.steps", 4, "steps-gate").id
    followed.comes_to(id, "started")
    rq.gate("steps-gate")
    followed.until(lambda: (job := followed.job(id)) and (job.stage, job.progress) == ("step 1", 25), "a step")
    worker = followed.worker(rq.worker.name)
    assert (worker.state, worker.jobs, worker.functions) == ("busy", (id,), (f"{TASKS}.steps",))
    for _ in range(3):
        rq.gate("steps-gate")
    assert followed.comes_to(id, "finished").progress == 100


def test_a_scheduled_job_begins_when_its_time_has_come(rq: Rq, followed: FollowedRq) -> None:
    id = rq.queue.enqueue_in(timedelta(seconds=5), f"{TASKS}.add", 1, 1).id
    assert followed.comes_to(id, "scheduled").due_at is not None
    assert followed.comes_to(id, "finished").due_at is None


def test_a_job_waits_deferred_until_what_it_depends_on_has_ended(rq: Rq, followed: FollowedRq) -> None:
    first = rq.queue.enqueue(f"{TASKS}.hold", "first-gate")
    second = rq.queue.enqueue(f"{TASKS}.add", 1, 1, depends_on=first)
    assert metadata(followed.comes_to(second.id, "deferred"))["depends_on"] == [first.id]
    rq.gate("first-gate")
    assert followed.comes_to(second.id, "finished").result == "2"


def test_a_canceled_job_is_no_failure(rq: Rq, followed: FollowedRq) -> None:
    job = rq.queue.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 1)
    followed.comes_to(job.id, "scheduled")
    job.cancel()
    canceled = followed.comes_to(job.id, "canceled")
    assert (canceled.status, canceled.error) == ("failed", None)


def test_a_job_that_is_stopped_at_work_says_so(rq: Rq, followed: FollowedRq) -> None:
    job = rq.queue.enqueue(f"{TASKS}.hold", "stop-gate")
    followed.comes_to(job.id, "started")
    send_stop_job_command(rq.queue.connection, job.id)
    stopped = followed.comes_to(job.id, "stopped")
    assert stopped.error is not None
    assert "stopped" in stopped.error


def test_a_failed_job_that_is_put_back_is_another_attempt(rq: Rq, followed: FollowedRq) -> None:
    job = rq.queue.enqueue(f"{TASKS}.fail_times", 1)
    followed.comes_to(job.id, "failed")
    # Sooner, the worker takes it for one that its work horse left behind.
    followed.until(lambda: followed.worker(rq.worker.name).state == "idle", "the end of the work")
    job.requeue()
    done = followed.comes_to(job.id, "finished")
    assert done.attempt == 2
    assert done.attempts[0].error is not None


def test_both_serializers_are_read_job_by_job(rq: Rq, followed: FollowedRq) -> None:
    worker = RqWorker(rq.url, "as-json", version=rq.worker.version, options=("--serializer", "json")).start()
    try:
        id = queue(rq.url, "as-json", serializer="json").enqueue(f"{TASKS}.say", who="Zoë", meta={"progress": 5}).id
        job = followed.comes_to(id, "finished")
    finally:
        worker.close()
    assert job.function == f"{TASKS}.say"
    assert job.result == '{"who":"Zoë"}'
    assert metadata(job)["kwargs"] == {"who": "Zoë"}


def test_a_job_that_rq_keeps_nothing_of_ends_well_all_the_same(rq: Rq, followed: FollowedRq) -> None:
    rq.queue.connection.delete("fleeting-gate")
    id = rq.queue.enqueue(f"{TASKS}.hold", "fleeting-gate", result_ttl=0).id
    followed.comes_to(id, "started")
    rq.gate("fleeting-gate")
    assert followed.comes_to(id, "finished").status == "completed"
    never_seen = rq.queue.enqueue(f"{TASKS}.add", 1, 1, result_ttl=0).id
    while rq.queue.connection.exists(f"rq:job:{never_seen}"):
        time.sleep(0.01)
    assert "kept nothing" in str(followed.comes_to(never_seen, "finished").message)


def test_a_job_that_is_deleted_while_it_waits_counts_as_no_failure(rq: Rq, followed: FollowedRq) -> None:
    job = rq.queue.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 1)
    followed.comes_to(job.id, "scheduled")
    job.delete()
    assert followed.comes_to(job.id, "deleted").status == "failed"


def test_a_job_that_is_deleted_at_work_did_not_end_well(rq: Rq, followed: FollowedRq) -> None:
    rq.queue.connection.delete("deleted-gate")
    job = rq.queue.enqueue(f"{TASKS}.hold", "deleted-gate")
    followed.comes_to(job.id, "started")
    followed.until(lambda: followed.worker(rq.worker.name).jobs == (job.id,), "its worker's word")
    job.delete()
    deleted = followed.comes_to(job.id, "deleted")
    rq.gate("deleted-gate")
    assert "may have ended well unseen" in str(deleted.message)


def test_a_job_that_is_deleted_between_two_attempts_did_not_end_well(rq: Rq, followed: FollowedRq) -> None:
    job = rq.queue.enqueue(f"{TASKS}.fail", retry=Retry(max=1, interval=600))
    followed.comes_to(job.id, "scheduled")
    job.delete()
    assert followed.comes_to(job.id, "deleted").attempt == 2


@pytest.mark.parametrize(
    ("ttl", "status", "state", "was_at_work", "is_held", "has_ended"),
    [
        (None, "processing", "started", True, False, True),
        (None, "processing", "started", True, True, False),
        (None, "processing", "started", True, None, False),
        (0, "processing", "started", True, None, True),
        (0, "processing", "started", True, True, False),
        (500, "processing", "started", True, False, False),
        (None, "queued", "queued", True, None, True),
        (None, "queued", "queued", False, None, False),
        (0, "queued", "scheduled", True, False, False),
    ],
)
def test_what_rq_knows_no_longer_has_ended_where_its_worker_came_to_its_end(
    ttl: int | None, status: Status, state: State, was_at_work: bool, is_held: bool | None, has_ended: bool
) -> None:
    metadata = None if ttl is None else f'{{"result_ttl_s":{ttl}}}'
    record = Known("one", status, 0, state=state, metadata=metadata)
    assert rq_gone.has_ended(record, was_at_work, is_held) is has_ended


def test_figures_of_queues_are_rqs_own(rq: Rq, followed: FollowedRq) -> None:
    rq.queue.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 1)
    held = rq.queue.enqueue(f"{TASKS}.hold", "figures-gate")
    waiting = [rq.queue.enqueue(f"{TASKS}.add", 1, number) for number in range(3)]
    rq.queue.enqueue(f"{TASKS}.add", 1, 1, depends_on=waiting[-1])
    followed.comes_to(held.id, "started")
    followed.comes_to(waiting[-1].id, "queued")
    figures = followed.queue()
    assert figures.counts == {"queued": rq.queue.count} | {
        state: getattr(rq.queue, name).count for state, name in OTHER_STATES.items()
    }
    assert figures.counts["queued"] == 3
    next_job = rq.queue.fetch_job(rq.queue.job_ids[0])
    assert next_job is not None
    assert next_job.enqueued_at is not None
    assert figures.oldest_ms == round(next_job.enqueued_at.timestamp() * 1000)
    assert figures.workers == 1
    rq.gate("figures-gate")
    followed.comes_to(waiting[-1].id, "finished")


def test_what_a_killed_work_horse_did_fails(rq: Rq, followed: FollowedRq) -> None:
    id = rq.queue.enqueue(f"{TASKS}.hold", "horse-gate").id
    followed.comes_to(id, "started")
    assert rq.worker.process is not None
    for child in psutil.Process(rq.worker.process.pid).children():
        if os.getpgid(child.pid) == child.pid:  # the scheduler is of the worker's group
            child.kill()
    assert "work-horse" in str(followed.comes_to(id, "failed").error).lower()


def test_what_a_killed_worker_did_fails_once_rq_gives_it_up(rq: Rq, followed: FollowedRq) -> None:
    doomed = RqWorker(rq.url, "doomed", version=rq.worker.version).start()
    id = queue(rq.url, "doomed").enqueue(f"{TASKS}.hold", "never").id
    followed.comes_to(id, "started")
    doomed.kill()
    registry = StartedJobRegistry("doomed", connection=rq.queue.connection)
    registry.cleanup(timestamp=int(time.time()) + 3600)  # as maintenance does when its time is over
    job = followed.comes_to(id, "failed")
    assert job.error_type == "AbandonedJobError"
    assert job.finished_at is not None
    doomed.close()


def test_of_many_quick_jobs_none_ends_without_its_result_or_its_error(rq: Rq, followed: FollowedRq) -> None:
    many = queue(rq.url, "many")
    simple = ("--worker-class", "rq.worker.SimpleWorker")  # it makes no process a job
    worker = RqWorker(rq.url, "many", version=rq.worker.version, options=simple).start()
    try:
        well = [many.enqueue(f"{TASKS}.add", number, 1).id for number in range(200)]
        badly = [many.enqueue(f"{TASKS}.fail", f"no. {number}").id for number in range(200)]
        for number, id in enumerate(well):
            assert followed.comes_to(id, "finished").result == str(number + 1)
        for number, id in enumerate(badly):
            job = followed.comes_to(id, "failed")
            assert job.error is not None and job.error.strip().endswith(f"MailError: no. {number}")
    finally:
        worker.close()


@pytest.mark.parametrize("result_ttl", [500, 0])
def test_a_job_whose_app_reported_its_end_first_is_at_work_no_more_once_rq_says_so(
    rq: Rq, followed: FollowedRq, site: Site, result_ttl: int
) -> None:
    id = rq.queue.enqueue(f"{TASKS}.hold", f"reports-{result_ttl}", result_ttl=result_ttl).id
    followed.comes_to(id, "started")
    reports.batch(site, {"agent": "rq", "id": id, "status": "completed", "result": "mine"})
    rq.gate(f"reports-{result_ttl}")
    job = followed.comes_to(id, "finished")
    assert (job.status, job.result, job.attempt) == ("completed", '"mine"', 1)


def test_a_job_that_is_stopped_after_its_app_reported_its_end_has_failed(
    rq: Rq, followed: FollowedRq, site: Site
) -> None:
    id = rq.queue.enqueue(f"{TASKS}.hold", "reports-then-stops").id
    followed.comes_to(id, "started")
    reports.batch(site, {"agent": "rq", "id": id, "status": "completed"})
    send_stop_job_command(rq.queue.connection, id)
    job = followed.comes_to(id, "stopped")
    assert (job.status, job.attempt, [one.status for one in job.attempts]) == ("failed", 2, ["completed"])
