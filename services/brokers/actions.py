"""Acting on a job, a queue or a worker: only on what its caller saw, only through its engine, and never without a line in the audit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from core.config.brokers import Broker
from core.site import Site
from services import audit_service, broker_states, jobs_service, queue_figures
from services.audit_service import Entry, Who
from services.broker_states import BrokerState
from services.brokers import possible, standings
from services.brokers.action_model import (
    QUEUE_ACTIONS,
    Acting,
    ActionRefused,
    Changed,
    JobAction,
    QueueAction,
    Seen,
    Target,
    Unknown,
    WorkerAction,
    WorkerChange,
)
from services.brokers.deadline import in_time
from services.brokers.model import WorkerNow
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job, to_ms

FOLLOWED_S = 1.0
"""An engine that is followed tells of a change within some 200 ms."""
LOOK_S = 0.05
MOST_NAMED = 200
"""Characters of a name that an answer repeats."""
NO_SUCH_JOB = "There is no such job any more."


class Engines:
    """The engines that somebody acts on, each opened once: `with Engines(site) as engines:`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._brokers: dict[str, Broker | None] = {}
        self._opened: dict[str, Acting] = {}
        self._away: dict[str, BrokerState] | None = None

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._opened.values():
            engine.close()

    def broker(self, agent: str) -> Broker | None:
        """As `broker_of`, asked once."""
        if agent not in self._brokers:
            self._brokers[agent] = broker_of(self._site, agent)
        return self._brokers[agent]

    def away(self, agent: str) -> str | None:
        """Why nothing can be asked of a broker at present, in a sentence, as far as its follower noted it. Raises StoreError."""
        if self._away is None:
            self._away = broker_states.away(self._site)
        return self._away[agent].sentence if agent in self._away else None

    def possible_of_job(self, job: Job) -> dict[JobAction, str | None]:
        """Each action, with the sentence that says why it can't be, None where it can. Raises StoreError."""
        if not job.engine:
            return possible.of_job(None, job.state, None)
        return possible.of_job(job.engine, job.state, self.broker(job.agent), self.away(job.agent))

    def of(self, agent: str) -> Acting:
        """Raises ActionRefused where the agent is no broker, BrokerError, StoreError."""
        if agent not in self._opened:
            broker = self.broker(agent)
            if broker is None:
                raise ActionRefused(possible.NO_BROKER)
            self._opened[agent] = _open(self._site, broker)
        return self._opened[agent]


def brokers(site: Site) -> tuple[Broker, ...]:
    """All that are declared, and the one that was found. Raises StoreError."""
    found = (one.broker for one in standings.read(site) if one.discovered)
    return (*site.config.queues, *(Broker("rq", site.store.url, agent) for agent in found))


def broker_of(site: Site, agent: str) -> Broker | None:
    """The broker whose jobs are an agent's; None where Headway follows none of that name. Raises StoreError."""
    declared = next((broker for broker in site.config.queues if broker.agent == agent), None)
    return declared or next((broker for broker in brokers(site) if broker.agent == agent), None)


def possible_of_job(site: Site, job: Job) -> dict[JobAction, str | None]:
    """As `Engines.possible_of_job`."""
    with Engines(site) as engines:
        return engines.possible_of_job(job)


def possible_of_queue(site: Site, agent: str) -> dict[QueueAction, str | None]:
    """Raises StoreError."""
    with Engines(site) as engines:
        why = engines.away(agent) if engines.broker(agent) else possible.REPORTED
    return dict.fromkeys(QUEUE_ACTIONS, why)


def possible_of_workers(
    site: Site, workers: Iterable[tuple[str, WorkerNow]]
) -> dict[tuple[str, str], dict[WorkerAction, str | None]]:
    """By agent and name, of workers and their agents; none of a broker that is followed no longer. Raises StoreError."""
    with Engines(site) as engines:
        return {
            (agent, worker.name): possible.of_worker(broker.kind, worker.pool, engines.away(agent), worker.tells_tasks)
            for agent, worker in workers
            if (broker := engines.broker(agent))
        }


def on_job(
    site: Site, who: Who, action: JobAction, number: int, seen: Seen | None = None, to: str | None = None
) -> Entry:
    """Try it, and answer the entry of the audit that says what came of it. Raises StoreError."""

    def do() -> str:
        with Engines(site) as engines:
            return act(site, engines, action, number, seen, to)

    return audit_service.noted(site, who, f"{action} to {to}" if to else action, f"job {number}", do)


def on_queue(site: Site, who: Who, action: QueueAction, agent: str, queue: str) -> Entry:
    """As `on_job`."""

    def do() -> str:
        with Engines(site) as engines:
            if engines.broker(agent) is None:
                raise _of_no_broker(site, agent, queue)
            named = engines_name(site, agent, queue)
            return in_time(lambda: engines.of(agent).on_queue(action, named))

    return audit_service.noted(site, who, action, f"queue {agent}/{queue}", do)


def _of_no_broker(site: Site, agent: str, queue: str) -> ActionRefused:
    if queue_figures.one(site, agent, queue) is not None:
        return ActionRefused(possible.REPORTED)
    return Unknown(
        f"There is no queue {queue[:MOST_NAMED]!r} of {agent[:MOST_NAMED]!r}: no broker is called so, and no job named it."
    )


def engines_name(site: Site, agent: str, queue: str) -> str:
    """What its engine calls a queue that pages call so. Raises StoreError."""
    told = next((one.queues.get(queue) for one in broker_states.brokers(site) if one.state.agent == agent), None)
    return told.name if told else queue


def on_worker(site: Site, who: Who, change: WorkerChange, agent: str, worker: str) -> Entry:
    """As `on_job`."""

    def do() -> str:
        with Engines(site) as engines:
            broker = engines.broker(agent)
            if broker is None:
                raise Unknown(f"There is no broker {agent[:MOST_NAMED]!r}, and workers are known of brokers alone.")
            if why := possible.of_worker(broker.kind)[change.action]:
                raise ActionRefused(why)
            return in_time(lambda: engines.of(agent).on_worker(change, worker))

    what = " ".join(str(part) for part in _told(change))
    return audit_service.noted(site, who, what, f"worker {agent}/{worker}", do)


def act(site: Site, engines: Engines, action: JobAction, number: int, seen: Seen | None, to: str | None) -> str:
    """One job's action without a line in the audit: `on_job` and operations write that. Answers what was done.

    Raises ActionRefused and Changed, after which nothing was done, BrokerError where its engine can't be asked, StoreError.
    """
    job = jobs_service.get(site, JobRef(number=number))
    if job is None or isinstance(job, DamagedJob):
        raise ActionRefused(NO_SUCH_JOB)
    if seen is not None and (seen.state != job.state or seen.attempt not in (None, job.attempt)):
        raise Changed(job.state or job.status)
    broker = engines.broker(job.agent) if job.engine else None
    if why := possible.of_job(job.engine, job.state, broker)[action]:
        raise ActionRefused(why)
    return in_time(lambda: engines.of(job.agent).on_job(action, target_of(job), to))


def await_change(site: Site, number: int, seen: Seen) -> None:
    """Wait a moment until a job's record is no longer what was seen, so that the next page shows what came of an action. Raises
    StoreError."""
    until = time.monotonic() + FOLLOWED_S
    while time.monotonic() < until:
        job = jobs_service.get(site, JobRef(number=number))
        if not isinstance(job, Job) or (job.state, job.attempt) != (seen.state, seen.attempt):
            return
        time.sleep(LOOK_S)


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
