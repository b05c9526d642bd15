"""Where RQ keeps what in its Redis, as both its major versions name it."""

from __future__ import annotations

from services.brokers.model import State

QUEUES = b"rq:queues"
WORKERS = b"rq:workers"
SUSPENDED = b"rq:suspended"
CRON_SCHEDULERS = b"rq:cron_schedulers"

QUEUE = b"rq:queue:"
JOB = b"rq:job:"
RESULTS = b"rq:results:"
EXECUTIONS = b"rq:executions:"
WORKER = b"rq:worker:"
CRON_SCHEDULER = b"rq:cron_scheduler:"
SCHEDULER_LOCK = b"rq:scheduler-lock:"

RQ_SCHEDULER_JOBS = b"rq:scheduler:scheduled_jobs"
"""Ids by their times, of all queues: what the package rq-scheduler keeps, which RQ knows nothing of."""
RQ_SCHEDULER = b"rq:scheduler_"
RQ_SCHEDULER_LOCK = b"rq:scheduler_lock"
"""Those of its schedulers begin alike."""

RATES = b"rq:rl-keys"
RATE = b"rq:rl:"
RATE_LIMITED = b":rate_limited"
INTERMEDIATE = b":intermediate"
AT_WORK = b":executions"
"""Behind a worker's key: what it is at."""
REGISTRIES: dict[State, bytes] = {
    "started": b"rq:wip:",
    "scheduled": b"rq:scheduled:",
    "deferred": b"rq:deferred:",
    "failed": b"rq:failed:",
    "finished": b"rq:finished:",
    "canceled": b"rq:canceled:",
}
"""A queue's sorted sets of job ids by state; `queued` is its list. What was stopped is in `failed`."""
WAITING: tuple[State, ...] = ("queued", "started", "scheduled", "deferred")
"""States that a job leaves again; one that is in no such place any more has ended or is gone."""
ENDED: tuple[State, ...] = ("failed", "finished", "canceled")

TRACKED = ("rq:job:", "rq:queue", "rq:worker", "rq:executions:", "rq:suspended", "rq:cron_",
           "rq:scheduler:", "rq:scheduler_",
           *(prefix.decode() for prefix in REGISTRIES.values()))  # fmt: skip
"""What a follower is told of. None may begin with another."""


def place(queue: str, state: State) -> bytes:
    """The key of a queue's jobs of a state."""
    return (QUEUE if state == "queued" else REGISTRIES[state]) + queue.encode()


def job_of(key: bytes) -> bytes | None:
    """The job whose hash this is; None for the sets of jobs that depend on it or that it depends on."""
    name = key.removeprefix(JOB)
    return None if name is key or name.endswith((b":dependents", b":dependencies")) else name


def queue_of(key: bytes) -> str | None:
    """The queue that a list or registry belongs to; None for any other key."""
    for prefix in (QUEUE, *REGISTRIES.values()):
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            if prefix == QUEUE:  # rq:queue:mail:intermediate, rq:queue:mail:intermediate:first_seen:ID
                name = name.split(INTERMEDIATE)[0]
            return text(name)
    return None


def text(value: bytes | None) -> str:
    """What Redis holds as text; bytes that are none show as replaced."""
    return (value or b"").decode("utf-8", "replace")
