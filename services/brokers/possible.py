"""What can be done with a job, a queue, a worker, and why the rest can't: by engine and state alone, without asking anybody."""

from __future__ import annotations

from core.config.brokers import Broker, Engine
from services.brokers.action_model import (
    JOB_ACTIONS,
    WORKER_ACTIONS,
    JobAction,
    WorkerAction,
)
from services.brokers.celery_app import is_redis
from services.job_rules import State

REPORTED = "It was reported by its app; Headway can't act on it."
NO_BROKER = "Headway follows its broker no longer: it is not among the [[queues]] of headway.toml."
WAITING: tuple[State, ...] = ("queued", "scheduled", "deferred", "reserved", "retrying")
TIMED: tuple[State, ...] = ("scheduled", "retrying")
RETRIED: tuple[State, ...] = ("failed", "stopped", "canceled")

POOLS_OF_PROCESSES = ("prefork", "gevent", "eventlet", "asynpool")
"""Celery's kinds of pools that can change their size, and end a task at work: of processes, or of what counts as such."""


def of_job(
    engine: Engine | None, state: State | None, broker: Broker | None, away: str | None = None
) -> dict[JobAction, str | None]:
    """By a job's engine and state; `broker` is None where Headway does not follow its, `away` says why it can't be asked at present."""
    if engine is None or state is None:
        return dict.fromkeys(JOB_ACTIONS, REPORTED)
    if broker is None:
        return dict.fromkeys(JOB_ACTIONS, NO_BROKER)
    if away is not None:
        return dict.fromkeys(JOB_ACTIONS, away)
    return {action: _why_not(engine, action, state, broker) for action in JOB_ACTIONS}


def of_worker(
    engine: Engine, pool: str | None = None, away: str | None = None, tells_tasks: bool | None = None
) -> dict[WorkerAction, str | None]:
    """`pool` is the kind of its pool, where that is known, `tells_tasks` whether its events are on; `away` as in `of_job`."""
    if away is not None:
        return dict.fromkeys(WORKER_ACTIONS, away)
    if engine == "celery":
        fixed = of_fixed_size(pool) if pool and pool not in POOLS_OF_PROCESSES else None
        events = "It tells of its tasks already." if tells_tasks else None
        return {**dict.fromkeys(WORKER_ACTIONS), "grow": fixed, "shrink": fixed, "events": events}
    only: dict[WorkerAction, str | None] = {
        "grow": "A worker of RQ does one job at a time: start another worker.",
        "shrink": "A worker of RQ does one job at a time: shut it down.",
        "limit": "RQ limits the rate of jobs as they are enqueued, not in its workers.",
        "events": "RQ's workers have no events to switch on: Headway follows what they write.",
    }
    return {**only, "shutdown": None}


def of_fixed_size(pool: str) -> str:
    return f"A pool of the kind {pool} can't change its size while it runs; one of the kind prefork can."


def keeps_lists(broker: Broker) -> bool:
    """Whether what waits lies in lists of a Redis, where a message can be found and moved."""
    return broker.kind == "rq" or is_redis(broker.address)


def _why_not(engine: Engine, action: JobAction, state: State, broker: Broker) -> str | None:
    name = "RQ" if engine == "rq" else "Celery"
    if state == "deleted":
        return f"{name} knows this job no longer."
    if action == "retry":
        return None if state in RETRIED else _no_retry(state)
    if action == "cancel":
        return None if state in WAITING else _ended_or_at_work(state, "Stop it instead.")
    if action == "stop":
        return None if state == "started" else f"It is not at work: it is {state}."
    if action == "delete":
        return _no_delete(engine, state)
    if action == "run":
        return _no_run(engine, state)
    return _no_move(engine, action, state, broker)


def _no_retry(state: State) -> str:
    return "It ended well." if state == "finished" else f"It has not ended: it is {state}."


def _ended_or_at_work(state: State, instead: str) -> str:
    return f"It is at work. {instead}" if state == "started" else f"It has ended: it is {state}."


def _no_delete(engine: Engine, state: State) -> str | None:
    if state == "started":
        return "It is at work. Stop it first."
    if engine == "celery" and state in WAITING:
        return "Celery keeps nothing of a task that waits. Cancel it instead."
    return None


def _no_run(engine: Engine, state: State) -> str | None:
    if state not in TIMED:
        return f"It is not scheduled: it is {state}."
    if engine == "celery":
        return "A worker of Celery's holds it until its time, and can't be told to begin sooner."
    return None


def _no_move(engine: Engine, action: JobAction, state: State, broker: Broker) -> str | None:
    if not keeps_lists(broker):
        return "Its broker keeps messages in an order of its own, and lets nobody pick one out."
    if state == "queued" or (engine == "rq" and action == "move" and state in TIMED):
        return None
    if state == "reserved":
        return "A worker has taken it already."
    return f"It does not wait in a queue: it is {state}."
