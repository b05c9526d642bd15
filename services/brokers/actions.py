"""Acting on a job, a queue or a worker: only on what its caller saw, only through its engine, and never without a line in the audit.

Room for what an engine may raise: ActionRefused and Changed, after which nothing was done, and BrokerError where it can't be asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.config.brokers import Broker
from core.site import Site
from services import audit_service, jobs_service
from services.audit_service import Who
from services.brokers import possible, standings
from services.brokers.action_model import (
    QUEUE_ACTIONS,
    WORKER_ACTIONS,
    Acting,
    ActionRefused,
    Changed,
    JobAction,
    QueueAction,
    Seen,
    Target,
    WorkerAction,
    WorkerChange,
)
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job, to_ms

NO_SUCH_JOB = "There is no such job any more."


class Engines:
    """The engines that somebody acts on, each opened once: `with Engines(site) as engines:`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._opened: dict[str, Acting] = {}

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._opened.values():
            engine.close()

    def of(self, agent: str) -> Acting:
        """Raises ActionRefused where the agent is no broker, BrokerError, StoreError."""
        if agent not in self._opened:
            broker = broker_of(self._site, agent)
            if broker is None:
                raise ActionRefused(possible.NO_BROKER)
            self._opened[agent] = _open(self._site, broker)
        return self._opened[agent]


def broker_of(site: Site, agent: str) -> Broker | None:
    """The broker whose jobs are an agent's; None where Headway follows none of that name. Raises StoreError."""
    for broker in site.config.queues:
        if broker.agent == agent:
            return broker
    standing = standings.of(site, agent)
    return Broker("rq", site.store.url, agent) if standing is not None and standing.discovered else None


def possible_of_job(site: Site, job: Job) -> dict[JobAction, str | None]:
    """Each action, with the sentence that says why it can't be, None where it can. Raises StoreError."""
    return possible.of_job(job.engine, job.state, broker_of(site, job.agent) if job.engine else None)


def possible_of_queue(site: Site, agent: str) -> dict[QueueAction, str | None]:
    """Raises StoreError."""
    why = None if broker_of(site, agent) else possible.REPORTED
    return dict.fromkeys(QUEUE_ACTIONS, why)


def possible_of_worker(site: Site, agent: str) -> dict[WorkerAction, str | None]:
    """Raises StoreError."""
    broker = broker_of(site, agent)
    return possible.of_worker(broker.kind) if broker else dict.fromkeys(WORKER_ACTIONS, possible.REPORTED)


def on_job(
    site: Site, who: Who, action: JobAction, number: int, seen: Seen | None = None, to: str | None = None
) -> str:
    """Do it and say what was done. Raises ActionRefused, Changed, BrokerError, StoreError; what was tried stands in the audit."""
    what = f"{action} to {to}" if to else action
    with audit_service.noted(site, who, what, f"job {number}") as note, Engines(site) as engines:
        note.done = act(site, engines, action, number, seen, to)
        return note.done


def on_queue(site: Site, who: Who, action: QueueAction, agent: str, queue: str) -> str:
    """As `on_job`."""
    with audit_service.noted(site, who, action, f"queue {agent}/{queue}") as note, Engines(site) as engines:
        if why := possible_of_queue(site, agent)[action]:
            raise ActionRefused(why)
        note.done = engines.of(agent).on_queue(action, queue)
        return note.done


def on_worker(site: Site, who: Who, change: WorkerChange, agent: str, worker: str) -> str:
    """As `on_job`."""
    what = " ".join(str(part) for part in _told(change))
    with audit_service.noted(site, who, what, f"worker {agent}/{worker}") as note, Engines(site) as engines:
        if why := possible_of_worker(site, agent)[change.action]:
            raise ActionRefused(why)
        note.done = engines.of(agent).on_worker(change, worker)
        return note.done


def act(site: Site, engines: Engines, action: JobAction, number: int, seen: Seen | None, to: str | None) -> str:
    """One job's action without a line in the audit: `on_job` and operations write that. Raises as `on_job` does."""
    job = jobs_service.get(site, JobRef(number=number))
    if job is None or isinstance(job, DamagedJob):
        raise ActionRefused(NO_SUCH_JOB)
    if seen is not None and (seen.state != job.state or seen.attempt not in (None, job.attempt)):
        raise Changed(job.state or job.status)
    if why := possible_of_job(site, job)[action]:
        raise ActionRefused(why)
    return engines.of(job.agent).on_job(action, target_of(job), to)


def target_of(job: Job) -> Target:
    return Target(
        id=job.engine_id or job.id,
        state=job.state or "queued",
        queue=job.queue,
        function=job.function,
        worker=job.worker,
        started_ms=to_ms(job.started_at) if job.started_at else None,
    )


def _open(site: Site, broker: Broker) -> Acting:
    if broker.kind == "rq":
        # Late: most processes never act, and both libraries take room.
        from services.brokers.rq_actions import RqActions

        return RqActions(broker)
    from services.brokers.celery_actions import CeleryActions

    return CeleryActions(site, broker)


def _told(change: WorkerChange) -> Iterator[object]:
    yield change.action
    if change.action in ("grow", "shrink"):
        yield change.amount
    if change.action == "limit":
        yield change.task
        yield change.rate or "0"
