"""Queues, workers and schedules for programs."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from core import access
from core.problems import Problem
from panels._words import iso
from routes import query, site
from services import queues_service, schedules_service, workers_service
from services.broker_states import BrokerState
from services.job_model import Job
from services.queue_concerns import Concern
from services.queues_service import Queue
from services.schedules_service import Schedule
from services.workers_service import Worker

bp = Blueprint("queues_api", __name__, url_prefix="/api/v1")

MOST_SOUGHT = 200
MOST_DUE = 500


@bp.get("/queues")
@access.scope("read")
def queues() -> Response:
    """`{brokers, queues}`, by agent and name; `?find=` narrows to those whose AGENT/QUEUE holds it."""
    found = queues_service.queues(site(), _sought())
    shown = queues_service.with_depths(site(), found.queues)
    return _listed(found.brokers, queues=[_queue(one) for one in shown])


@bp.get("/queues/<agent>/<path:queue>", merge_slashes=False)
@access.scope("read")
def queue(agent: str, queue: str) -> Response:
    found = queues_service.one(site(), agent, queue)
    if found is None:
        raise Problem(
            404, "No such queue", f"The agent {agent[:128]!r} has no queue {queue[:200]!r}. See /api/v1/queues."
        )
    return _answer(_queue(found))


@bp.get("/workers")
@access.scope("read")
def workers() -> Response:
    """`{brokers, workers}`, dead ones first, then those to look at, all by agent and name; `?find=` narrows to those whose AGENT/NAME holds it."""
    found = workers_service.workers(site(), _sought())
    return _listed(found.brokers, workers=[_worker(one) for one in found.workers])


@bp.get("/schedules")
@access.scope("read")
def schedules() -> Response:
    """`{brokers, schedules, due: {items, total}}`, soonest first; `?limit=` is how many jobs are told of."""
    found = schedules_service.schedules(site(), query.whole("limit", schedules_service.MOST_DUE, MOST_DUE))
    due = {"items": [_due(job) for job in found.due.jobs], "total": found.due.total}
    return _listed(found.brokers, schedules=[_schedule(one) for one in found.schedules], due=due)


def _listed(brokers: tuple[BrokerState, ...], **lists: Any) -> Response:
    told = [
        {
            "agent": one.agent,
            "engine": one.engine,
            "discovered": one.discovered,
            "available": one.why is None,
            "why": one.why,
            "read_at": _at(one.read_ms),
            "notes": one.notes,
        }
        for one in brokers
    ]
    return _answer({"brokers": told, **lists})


def _queue(one: Queue) -> dict[str, Any]:
    return {
        "agent": one.agent,
        "name": one.name,
        "engine": one.engine,
        "depth": one.depth,
        "counts": one.counts,
        "kept": one.kept,
        "oldest_at": _at(one.oldest_ms),
        "oldest_age_s": _age_s(one.oldest_ms),
        "paused": one.paused,
        "workers": one.workers,
        "jobs_per_minute": one.per_minute,
        "failure_rate": one.failure_rate,
        "wait": one.wait,
        "run": one.run,
        "minutes": {"added": one.added, "completed": one.completed, "failed": one.failed, "depth": one.depths},
        "warnings": _warnings(one.concerns),
        "stale": one.is_old,
    }


def _worker(one: Worker) -> dict[str, Any]:
    now = one.now
    return {
        "agent": one.agent,
        "engine": one.engine,
        "name": now.name,
        "state": now.state,
        "queues": now.queues,
        "jobs": [
            {"id": job.id, "queue_id": job.number, "function": job.function, "started_at": _at(job.since_ms)}
            for job in one.jobs
        ],
        "jobs_total": len(now.jobs),
        "heartbeat_at": _at(now.heartbeat_ms),
        "heartbeat_age_s": _age_s(now.heartbeat_ms),
        "born_at": _at(now.born_ms),
        "host": now.host,
        "pid": now.pid,
        "version": now.version,
        "succeeded": now.succeeded,
        "failed": now.failed,
        "working_s": now.working_s,
        "pool": now.pool,
        "concurrency": now.concurrency,
        "active": now.active,
        "reserved": now.reserved,
        "scheduled": now.scheduled,
        "skew_s": now.skew_s,
        "rate_limits": now.rate_limits,
        "warnings": _warnings(one.concerns),
        "stale": one.is_old,
    }


def _schedule(one: Schedule) -> dict[str, Any]:
    now = one.now
    return {
        "agent": one.agent,
        "engine": one.engine,
        "name": now.name,
        "spec": now.spec,
        "function": now.function,
        "queue": now.queue,
        "next_at": _at(now.next_ms),
        "last_at": _at(now.last_ms),
        "last_job": now.last_job,
        "runs": now.runs,
        "scheduler": now.scheduler,
        "alive": now.alive,
        "stale": one.is_old,
    }


def _due(job: Job) -> dict[str, Any]:
    return {
        "queue_id": job.number,
        "id": job.engine_id or job.id,
        "agent": job.agent,
        "queue": job.queue,
        "function": job.function,
        "title": job.title,
        "state": job.state,
        "due_at": iso(job.due_at) if job.due_at else None,
    }


def _warnings(concerns: tuple[Concern, ...]) -> list[dict[str, str]]:
    return [{"kind": each.kind, "text": each.words} for each in concerns]


def _at(ms: int | None) -> str | None:
    return None if ms is None else iso(ms / 1000)


def _age_s(ms: int | None) -> float | None:
    return None if ms is None else round(max(0.0, site().clock() - ms / 1000), 3)


def _sought() -> str:
    return (request.args.get("find") or "").strip()[:MOST_SOUGHT]


def _answer(value: Any) -> Response:
    return Response(msgspec.json.encode(value), mimetype="application/json")
