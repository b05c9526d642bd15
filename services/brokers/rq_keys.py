"""Where RQ keeps what in its Redis, as both its major versions name it."""

from __future__ import annotations

from rq.defaults import RQ_KEY_PREFIX

from services.brokers.model import State

_RQ = RQ_KEY_PREFIX.encode() + b":"
"""RQ itself takes it from the environment, once a process, and so Headway can't follow one RQ with it and another without."""

QUEUES = _RQ + b"queues"
WORKERS = _RQ + b"workers"
SUSPENDED = _RQ + b"suspended"
CRON_SCHEDULERS = _RQ + b"cron_schedulers"

QUEUE = _RQ + b"queue:"
JOB = _RQ + b"job:"
RESULTS = _RQ + b"results:"
EXECUTIONS = _RQ + b"executions:"
WORKER = _RQ + b"worker:"
CRON_SCHEDULER = _RQ + b"cron_scheduler:"
SCHEDULER_LOCK = _RQ + b"scheduler-lock:"

RQ_SCHEDULER_JOBS = b"rq:scheduler:scheduled_jobs"
"""Ids by their times, of all queues: what the package rq-scheduler keeps, which RQ knows nothing of."""
RQ_SCHEDULER = b"rq:scheduler_"
RQ_SCHEDULER_LOCK = b"rq:scheduler_lock"
"""Those of its schedulers begin alike."""

CRON = _RQ + b"cron_"
ANY_WORKER = _RQ + b"worker"
"""What keys of all that begin with."""
CRON_JOB = _RQ + b"cron_job:"
PUBSUB = _RQ + b"pubsub:"
"""Where a worker hears what it is told to do."""

RATES = _RQ + b"rl-keys"
RATE = _RQ + b"rl:"
RATE_LIMITED = b":rate_limited"
INTERMEDIATE = b":intermediate"
AT_WORK = b":executions"
"""Behind a worker's key: what it is at."""
REGISTRIES: dict[State, bytes] = {
    "started": _RQ + b"wip:",
    "scheduled": _RQ + b"scheduled:",
    "deferred": _RQ + b"deferred:",
    "failed": _RQ + b"failed:",
    "finished": _RQ + b"finished:",
    "canceled": _RQ + b"canceled:",
}
"""A queue's sorted sets of job ids by state; `queued` is its list. What was stopped is in `failed`."""
WAITING: tuple[State, ...] = ("queued", "started", "scheduled", "deferred")
"""States that a job leaves again; one that is in no such place any more has ended or is gone."""
ENDED: tuple[State, ...] = ("failed", "finished", "canceled")

TRACKED = (
    *((_RQ + name).decode() for name in (b"job:", b"queue", b"worker", b"executions:", b"suspended", b"cron_")),
    *(prefix.decode() for prefix in REGISTRIES.values()),
    "rq:scheduler:",
    "rq:scheduler_",
)
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
