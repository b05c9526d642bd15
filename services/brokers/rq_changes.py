"""What the keys that changed say about RQ: which jobs, queues and workers are to be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.brokers import rq_keys


@dataclass
class Changed:
    jobs: set[bytes] = field(default_factory=set)
    executed: set[bytes] = field(default_factory=set)
    """Jobs that began, went on or ended at a worker."""
    queues: set[str] = field(default_factory=set)
    workers: set[bytes] = field(default_factory=set)
    """Keys of workers, and of who they are."""
    names: bool = False
    """Whether there may be other queues."""
    cron: bool = False
    kept: bool = False
    """Whether what rq-scheduler keeps did."""
    schedulers: set[bytes] = field(default_factory=set)
    """Keys of its schedulers."""
    suspended: bool = False


def sorted_out(keys: Iterable[bytes]) -> Changed:
    changed = Changed()
    for key in keys:
        if key.startswith(rq_keys.JOB):
            if (job := rq_keys.job_of(key)) is not None:
                changed.jobs.add(job)
        elif key.startswith(rq_keys.EXECUTIONS):
            changed.executed.add(key.removeprefix(rq_keys.EXECUTIONS))
        elif key.startswith(rq_keys.ANY_WORKER):
            changed.workers.add(key)
        elif key == rq_keys.QUEUES:
            changed.names = True
        elif key == rq_keys.SUSPENDED:
            changed.suspended = True
        elif key.startswith(rq_keys.CRON):
            changed.cron = True
        elif key == rq_keys.RQ_SCHEDULER_JOBS:
            changed.kept = True
        elif key.startswith(rq_keys.RQ_SCHEDULER):
            changed.schedulers.add(key)
        elif (queue := rq_keys.queue_of(key)) is not None:
            changed.queues.add(queue)
    return changed
