"""Workers of all brokers as pages and programs see them, each with the jobs that it works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from core import keys
from core.config.brokers import Engine
from core.site import Site
from services import broker_states, name_order, queue_concerns
from services.broker_states import Broker, BrokerState
from services.brokers.mirror_records import our_id
from services.brokers.mirror_texts import name_of
from services.brokers.model import WorkerNow
from services.job_model import Job, from_record, to_ms
from services.queue_concerns import Concern

MOST_JOBS = 5
"""Of one worker, that are named."""
MOST_LOOKED_AT = 500
"""Jobs of all workers that are looked up."""


@dataclass(frozen=True, slots=True)
class AtWork:
    """A job that a worker works on. `number` is Headway's, None where it does not know the job (yet)."""

    id: str
    number: int | None
    function: str | None
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of a broker's. `jobs` are the first MOST_JOBS of `now.jobs`. `is_old`: its broker is unavailable, and this is how it
    was then."""

    agent: str
    engine: Engine
    now: WorkerNow
    jobs: tuple[AtWork, ...]
    concerns: tuple[Concern, ...]
    is_old: bool

    @property
    def needs_look(self) -> bool:
        """A suspended one is as it was told to be, but takes no job until somebody resumes it."""
        return bool(self.concerns) or self.now.state == "suspended"


@dataclass(frozen=True, slots=True)
class Workers:
    """Dead ones first, then others that need a look, all by agent and name: one that takes a job stays where it is."""

    brokers: tuple[BrokerState, ...]
    workers: tuple[Worker, ...]

    @property
    def busy(self) -> int:
        return sum(worker.now.state == "busy" for worker in self.workers)

    @property
    def dead(self) -> int:
        return sum(worker.now.state == "dead" for worker in self.workers)

    @property
    def concerned(self) -> int:
        return sum(worker.needs_look for worker in self.workers)


def workers(site: Site, sought: str = "", queue: tuple[str, str] | None = None) -> Workers:
    """All of them, or those whose AGENT/NAME holds what is sought, or that listen to a queue, (agent, name). Raises StoreError."""
    brokers = broker_states.brokers(site)
    found = [
        _worker(broker, worker)
        for broker in brokers
        for worker in (broker.snapshot.workers if broker.snapshot else ())
        if sought.casefold() in f"{broker.state.agent}/{worker.name}".casefold()
        and (queue is None or (broker.state.agent == queue[0] and queue[1] in map(name_of, worker.queues)))
    ]
    found.sort(key=lambda one: (one.now.state != "dead", not one.needs_look, name_order.place(one.agent, one.now.name)))
    jobs = _jobs(site, ((one.agent, id) for one in found for id in one.now.jobs[:MOST_JOBS]))
    return Workers(tuple(broker.state for broker in brokers), tuple(_with_jobs(one, jobs) for one in found))


def _worker(broker: Broker, worker: WorkerNow) -> Worker:
    """Without its jobs."""
    concerns = queue_concerns.of_worker(worker, broker.state.engine, broker.state.read_ms or 0)
    return Worker(broker.state.agent, broker.state.engine, worker, (), concerns, broker.state.why is not None)


def _with_jobs(worker: Worker, known: Mapping[tuple[str, str], Job]) -> Worker:
    now = worker.now
    named = list(zip_longest(now.jobs, now.functions[: len(now.jobs)], fillvalue=""))[:MOST_JOBS]
    return replace(worker, jobs=tuple(_at_work(id, function, known.get((worker.agent, id))) for id, function in named))


def _at_work(id: str, function: str, job: Job | None) -> AtWork:
    if job is None:
        return AtWork(id, None, function or None, None)
    since = job.started_at if job.status == "processing" else None
    return AtWork(id, job.number, function or job.function or job.title, to_ms(since) if since else None)


def _jobs(site: Site, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Job]:
    """Of (agent, the engine's id), as many as are looked up."""
    asked = list(dict.fromkeys(wanted))[:MOST_LOOKED_AT]
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for agent, id in asked:
            pipeline.hget(keys.IDS.at(site.store.partition_of(agent), agent), our_id(id))
        numbers: Any = pipeline.execute()
        known = [(one, int(number)) for one, number in zip(asked, numbers, strict=True) if number is not None]
        for (agent, _), number in known:
            pipeline.get(keys.JOB.at(site.store.partition_of(agent), number))
        records: Any = pipeline.execute(raise_on_error=False)
    jobs = ((one, from_record(number, record)) for (one, number), record in zip(known, records, strict=True))
    return {one: job for one, job in jobs if isinstance(job, Job)}
