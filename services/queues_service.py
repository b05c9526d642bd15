"""Queues as pages and programs see them: each engine's own counts, and what Headway's indexes know besides, as one value a queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from core.config.brokers import Engine
from core.site import Site
from services import broker_states, name_order, queue_concerns, queue_depths, queue_figures
from services.broker_states import Broker, BrokerState
from services.brokers.mirror_texts import name_of
from services.brokers.model import QueueNow
from services.queue_concerns import Concern
from services.queue_figures import MINUTES, QueueFigures, Times

RATE_MINUTES = 5
"""Throughput is told of so many minutes, the present one among them."""
NOTHING = (0,) * MINUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """An agent's queue. `counts` are its engine's own where that tells of a state, else those of `kept`, which are of the jobs that
    Headway has. `added`, `completed`, `failed` and `depths` are of the last MINUTES, the present one last; a depth is None where
    nobody looked. `is_old`: its broker is unavailable, and the engine's counts are those of its last reading."""

    agent: str
    name: str
    engine: Engine | None
    counts: Mapping[str, int]
    kept: Mapping[str, int]
    oldest_ms: int | None
    """Since when the job waits that is next."""
    paused: bool
    workers: int | None
    """How many listen; None where nobody knows."""
    added: tuple[int, ...]
    completed: tuple[int, ...]
    failed: tuple[int, ...]
    depths: tuple[int | None, ...]
    per_minute: float
    """Jobs that ended a minute, lately."""
    failure_rate: float | None
    """Of the jobs that ended in the last MINUTES, in percent with two decimals; None where none did."""
    wait: Times
    run: Times
    concerns: tuple[Concern, ...]
    is_old: bool

    @property
    def depth(self) -> int:
        """Jobs that could begin now."""
        return self.counts.get("queued", 0)

    @property
    def at_work(self) -> int:
        return self.counts.get("started", 0) + self.counts.get("processing", 0)

    @property
    def later(self) -> int:
        """Jobs that wait for a time, for other jobs, or in a worker."""
        return sum(self.counts.get(state, 0) for state in ("scheduled", "deferred", "reserved", "retrying"))


@dataclass(frozen=True, slots=True)
class Queues:
    """By agent and name."""

    brokers: tuple[BrokerState, ...] = ()
    queues: tuple[Queue, ...] = field(default=())

    @property
    def concerned(self) -> int:
        return sum(bool(queue.concerns) for queue in self.queues)


def queues(site: Site, sought: str = "") -> Queues:
    """All of them, or those whose AGENT/QUEUE holds what is sought, whatever the case. Raises StoreError."""
    brokers = broker_states.brokers(site)
    engines = {broker.state.agent: broker for broker in brokers}
    told = {(broker.state.agent, name_of(queue.name) or ""): queue for broker in brokers for queue in _queues(broker)}
    figures = {(one.agent, one.name): one for one in queue_figures.queues(site, sought)}
    names = [name for name in {*told, *figures} if sought.casefold() in "/".join(name).casefold()]
    names.sort(key=lambda name: name_order.place(*name))
    depths = queue_depths.lately(site, ["/".join(name) for name in names])
    merged = (
        _merged(site, name, engines.get(name[0]), told.get(name), figures.get(name), depths["/".join(name)])
        for name in names
    )
    return Queues(tuple(broker.state for broker in brokers), tuple(merged))


def one(site: Site, agent: str, name: str) -> Queue | None:
    """None for a queue that nobody knows. Raises StoreError."""
    found = queues(site, f"{agent}/{name}").queues
    return next((queue for queue in found if (queue.agent, queue.name) == (agent, name)), None)


def names(site: Site, agents: Collection[str] = ()) -> list[str]:
    """Of the queues that brokers tell of: of these agents' brokers, or of all. Raises StoreError."""
    brokers = (broker for broker in broker_states.brokers(site) if not agents or broker.state.agent in agents)
    return sorted({name for broker in brokers for queue in _queues(broker) if (name := name_of(queue.name))})


def _queues(broker: Broker) -> tuple[QueueNow, ...]:
    return broker.snapshot.queues if broker.snapshot else ()


def _merged(
    site: Site,
    name: tuple[str, str],
    broker: Broker | None,
    told: QueueNow | None,
    figures: QueueFigures | None,
    depths: tuple[int | None, ...],
) -> Queue:
    kept = dict(figures.counts) if figures else {}
    counts = kept | dict[str, int](told.counts) if told else kept  # type: ignore[arg-type]
    completed, failed = (figures.completed, figures.failed) if figures else (NOTHING, NOTHING)
    return Queue(
        agent=name[0],
        name=name[1],
        engine=broker.state.engine if broker else None,
        counts={state: count for state, count in counts.items() if count},
        kept=kept,
        oldest_ms=_oldest(told, figures),
        paused=bool(told and told.paused),
        workers=told.workers if told else None,
        added=figures.created if figures else NOTHING,
        completed=completed,
        failed=failed,
        depths=depths,
        per_minute=_per_minute(completed, failed, site.clock()),
        failure_rate=_share(sum(failed), sum(completed) + sum(failed)),
        wait=figures.wait if figures else Times(),
        run=figures.run if figures else Times(),
        concerns=queue_concerns.of_queue(told) if told else (),
        is_old=bool(told and broker and broker.state.why),
    )


def _oldest(told: QueueNow | None, figures: QueueFigures | None) -> int | None:
    if told is None:
        return figures.oldest_ms if figures else None
    if not told.depth:
        return None
    return told.oldest_ms or (figures.oldest_ms if figures else None)


def _per_minute(completed: tuple[int, ...], failed: tuple[int, ...], now: float) -> float:
    ended = sum(completed[-RATE_MINUTES:]) + sum(failed[-RATE_MINUTES:])
    return round(ended / (RATE_MINUTES - 1 + now % 60 / 60), 2)


def _share(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None
