"""Acting on RQ, through RQ's own library: what it checks and writes stays its own. Nothing is unpickled, no task imported."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, NoReturn

from redis import WatchError
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from rq import Queue, suspension
from rq.command import send_shutdown_command, send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchGroupError, NoSuchJobError
from rq.job import Job

from core.config.brokers import Broker
from services.brokers import rq_emptying, rq_keys
from services.brokers.action_model import (
    ActionRefused,
    Changed,
    JobAction,
    QueueAction,
    Target,
    Unknown,
    WorkerChange,
)
from services.brokers.connections import asking, reaching, redis_of
from services.brokers.possible import TIMED
from services.job_rules import State

TRIES = 50
"""How often a change is begun anew where a busy queue changed between looking and doing."""
SETTLE_S = 0.1
"""RQ's own requeue takes a job out of its registry, and puts it into its queue a moment after."""
SAME_START_MS = 1_000
Held = Literal["failed", "canceled", "scheduled"]
"""Registries that a job is put into its queue from."""
PRESENT: dict[str, State] = {
    "created": "queued",
    "queued": "queued",
    "started": "started",
    "deferred": "deferred",
    "ready_to_enqueue": "deferred",
    "rate_limited": "deferred",
    "scheduled": "scheduled",
    "finished": "finished",
    "failed": "failed",
    "stopped": "stopped",
    "canceled": "canceled",
}
UNREADABLE = (ValueError, TypeError, AssertionError, NoSuchGroupError)
"""What RQ raises over a field that it can't read, as it fetches a job or once it is to write it."""


class Unread:
    """Stands where RQ would unpickle: what it can't read it leaves as it is."""

    @staticmethod
    def loads(data: bytes) -> NoReturn:
        raise ValueError("nothing is unpickled here")

    @staticmethod
    def dumps(value: object) -> NoReturn:
        raise ValueError("nothing is pickled here")


class RqActions:
    def __init__(self, broker: Broker) -> None:
        self._redis = redis_of(broker.address)

    def close(self) -> None:
        self._redis.connection_pool.disconnect()

    def _reach(self) -> None:
        """So that a Redis that is away is told from one that went away while something was done."""
        with reaching():
            self._redis.ping()

    def on_job(self, action: JobAction, job: Target, to: str | None) -> str:
        self._reach()
        with asking():
            try:
                return self._on_job(action, job, to)
            except UNREADABLE as fault:
                raise ActionRefused("RQ can't read this job: a field of it is damaged.") from fault
            except (InvalidJobOperation, NoSuchJobError) as fault:  # since it was looked at
                status: Any = self._redis.hget(rq_keys.JOB + job.id.encode(), "status")
                raise Changed(rq_keys.text(status) or "deleted") from fault

    def _on_job(self, action: JobAction, target: Target, to: str | None) -> str:
        if action == "retry":
            return self._retry(target)
        if action == "run":
            return self._run(target)
        if action == "stop":
            return self._stop(target)
        if action == "front":
            self._change(target, self._to_front)
            return "It is the next of its queue now."
        if action == "move":
            queue = self._known(to or "")
            self._change(target, lambda job, pipe: self._move(job, pipe, queue))
            return f"It was moved to {queue.name}."
        if action == "cancel":
            self._end(target, self._cancel)
            return "It was canceled."
        self._end(target, self._delete)
        return "It was deleted from RQ."

    def expect_queue(self, queue: str) -> None:
        with asking():
            self._known(queue)

    def on_queue(self, action: QueueAction, queue: str) -> str:
        self._reach()
        with asking():
            self._known(queue, Unknown)
            if action == "pause":
                suspension.suspend(self._redis)
                return "All workers of this Redis rest once their present job is done: RQ can't pause one queue alone."
            if action == "resume":
                suspension.resume(self._redis)
                return "All workers of this Redis go on."
            return rq_emptying.empty(self._redis, self._queue(queue).key).said

    def on_worker(self, change: WorkerChange, worker: str) -> str:
        self._reach()
        with asking():
            self._listens(worker)
            send_shutdown_command(self._redis, worker)
        return "It was told to end once its present job is done."

    def _retry(self, target: Target) -> str:
        if target.state != "canceled":
            self._requeue(target, "failed")
        elif self._fetch(target).dependencies_are_met():
            self._requeue(target, "canceled")
        else:
            raise ActionRefused("It depends on other jobs, which have not ended.")
        return "It was put into its queue again."

    def _requeue(self, target: Target, held: Held) -> None:
        """As RQ's registries do, but in one step: theirs loses the job where the second of two fails."""
        self._change(target, lambda job, pipe: self._to_queue(job, pipe, held), held)

    def _run(self, target: Target) -> str:
        if not self._is_kept_beside(target.id):
            self._requeue(target, "scheduled")
            return "It was put into its queue."
        self._fetch(target)
        seconds, _ = self._redis.time()
        self._redis.zadd(rq_keys.RQ_SCHEDULER_JOBS, {target.id: seconds}, xx=True)  # as its change_execution_time does
        return "Its time is now: rq-scheduler puts it into its queue at its next look, within a minute unless it was told otherwise."

    def _cancel(self, job: Job, pipe: Pipeline | None) -> None:
        """Its next runs stay where it is one of them that waits in its queue."""
        if job.get_status(refresh=False) == "scheduled":
            self._take_off(job, pipe)
        job.cancel(pipeline=pipe)

    def _delete(self, job: Job, pipe: Pipeline | None) -> None:
        self._take_off(job, pipe)
        job.delete(pipeline=pipe)

    def _take_off(self, job: Job, pipe: Pipeline | None) -> None:
        """rq-scheduler would put it into its queue at its time, whatever RQ says of it."""
        if self._is_kept_beside(job.id):
            (self._redis if pipe is None else pipe).zrem(rq_keys.RQ_SCHEDULER_JOBS, job.id)

    def _is_kept_beside(self, id: str) -> bool:
        try:
            return self._redis.zscore(rq_keys.RQ_SCHEDULER_JOBS, id) is not None
        except ResponseError:  # another type, which is no list of rq-scheduler's
            return False

    def _stop(self, target: Target) -> str:
        job = self._fetch(target)
        self._listens(job.worker_name or "")
        try:
            send_stop_job_command(self._redis, job.id, serializer=Unread)
        except (InvalidJobOperation, NoSuchJobError) as fault:
            raise Changed("no longer at work") from fault
        return "Its worker was told to stop it."

    def _change(self, target: Target, change: Callable[[Job, Pipeline], Any], held: Held | None = None) -> None:
        """Make a change of a job as long as neither the job nor the registry or queue that it is in changes meanwhile, whole or not
        at all."""
        origin = self._fetch(target).origin
        place = rq_keys.place(origin, held or "queued")
        for _ in range(TRIES):
            with self._redis.pipeline() as pipe:
                pipe.watch(Job.key_for(target.id), place)  # type: ignore[no-untyped-call]
                job = self._fetch(target)
                self._check_place(target, place, held)
                pipe.multi()
                change(job, pipe)
                try:
                    pipe.execute()
                    return
                except WatchError as fault:
                    if isinstance(
                        fault.__context__, RedisConnectionError
                    ):  # redis-py's word for an answer that was lost
                        raise fault.__context__ from None
        raise ActionRefused("Its queue changes too fast to pick one job out. Try again.")

    def _check_place(self, target: Target, place: bytes, held: Held | None) -> None:
        """Raises Changed where the job has left the place that its state names. A failed one that is in none was lost: by who
        retried it in two steps, of which the second failed."""
        if held is None:
            if target.state == "queued" and self._redis.lpos(place, target.id) is None:
                raise Changed("on its way to a worker")
        elif self._redis.zscore(place, target.id) is None:
            if held == "scheduled":
                raise Changed("on its way to its queue")
            time.sleep(SETTLE_S)

    def _end(self, target: Target, end: Callable[[Job, Pipeline | None], Any]) -> None:
        job = self._fetch(target)
        if job.has_rate_limit:  # RQ gives its place to the next by itself, but in no transaction of somebody else's
            end(job, None)
        else:
            self._change(target, end)

    def _to_queue(self, job: Job, pipe: Pipeline, held: Held) -> None:
        queue = self._queue(job.origin)
        self._check_is_list(queue)
        pipe.zrem(rq_keys.place(job.origin, held), job.id)
        job.started_at = job.ended_at = None
        job._exc_info = ""
        if job.has_rate_limit:
            job.enqueue_at_front = False
            queue._enqueue_rate_limited_job(job, pipeline=pipe)
        else:
            queue._enqueue_job(job, pipeline=pipe)

    def _to_front(self, job: Job, pipe: Pipeline) -> None:
        queue = self._queue(job.origin)
        queue.remove(job, pipeline=pipe)
        queue.push_job_id(job.id, pipeline=pipe, at_front=True)

    def _move(self, job: Job, pipe: Pipeline, queue: Queue) -> None:
        if queue.name == job.origin:
            raise ActionRefused("It is in that queue already.")
        self._check_is_list(queue)
        if job.get_status(refresh=False) == "scheduled":
            due = self._redis.zscore(rq_keys.place(job.origin, "scheduled"), job.id)
            if not self._is_kept_beside(job.id):  # rq-scheduler puts it into the queue that it names
                pipe.zrem(rq_keys.place(job.origin, "scheduled"), job.id)
                pipe.zadd(rq_keys.place(queue.name, "scheduled"), {job.id: due or 0})
        else:
            self._queue(job.origin).remove(job, pipeline=pipe)
            queue.push_job_id(job.id, pipeline=pipe)
        pipe.sadd(rq_keys.QUEUES, queue.key)
        pipe.hset(job.key, "origin", queue.name)

    def _known(self, name: str, refusal: type[ActionRefused] = ActionRefused) -> Queue:
        """A queue that RQ knows or a worker listens to: what is put elsewhere would wait for ever."""
        queue = self._queue(name)
        if self._redis.sismember(rq_keys.QUEUES, queue.key) or self._redis.exists(queue.key):
            return queue
        workers = self._redis.smembers(rq_keys.WORKERS)
        with self._redis.pipeline(transaction=False) as pipe:
            for worker in workers:
                pipe.hget(worker, "queues")
            listened = {each for names in pipe.execute() for each in rq_keys.text(names).split(",")}
        if name not in listened:
            raise refusal(f"There is no queue {name[:200]!r}: no job was ever in it, and no worker listens to it.")
        return queue

    def _check_is_list(self, queue: Queue) -> None:
        """A push to what is none would fail alone in a transaction, and what goes with it be done. Raises redis.ResponseError."""
        self._redis.llen(queue.key)

    def _listens(self, worker: str) -> None:
        ((_, listeners),) = self._redis.pubsub_numsub(rq_keys.PUBSUB + worker.encode())
        if not listeners:
            raise ActionRefused("Its worker does not listen: it is gone, or its connection is broken.")

    def _queue(self, name: str) -> Queue:
        return Queue(name, connection=self._redis, serializer=Unread)

    def _fetch(self, target: Target) -> Job:
        """The job as RQ has it. Raises Changed where that is not what the caller saw."""
        try:
            job = Job.fetch(target.id, connection=self._redis, serializer=Unread)
        except NoSuchJobError as fault:
            raise Changed("deleted") from fault
        state = PRESENT.get(str(job.get_status(refresh=False).value), "queued")
        if state != target.state and not (state == "scheduled" and target.state in TIMED):
            raise Changed(state)
        began = job.started_at
        if began and target.started_ms and began.timestamp() * 1000 > target.started_ms + SAME_START_MS:
            raise Changed(f"{state} after another attempt")
        return job
