"""Queues as pages and programs see them: each engine's own counts, and what Headway's indexes know besides, as one value a queue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from core.config.brokers import Engine
from core.site import Site
from services import broker_states, name_order, queue_concerns, queue_depths, queue_figures
from services.broker_states import Broker, BrokerState
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
    nobody looked, and `with_depths` fills them in. `is_old`: its broker is unavailable, and the engine's counts are those of its last
    reading."""

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
    per_minute: float
    """Jobs that ended a minute, lately."""
    failure_rate: float | None
    """Of the jobs that ended in the last MINUTES, in percent with two decimals; None where none did."""
    wait: Times
    run: Times
    concerns: tuple[Concern, ...]
    is_old: bool
    depths: tuple[int | None, ...] = ()

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
    """Those that brokers tell of and those that were seen last, or of them the ones whose AGENT/QUEUE holds what is sought, whatever
    the case; without their depths. Raises StoreError."""
    brokers = {broker.state.agent: broker for broker in broker_states.brokers(site)}
    told = {
        (agent, name)
        for agent, broker in brokers.items()
        for name in broker.queues
        if sought.casefold() in f"{agent}/{name}".casefold()
    }
    found = queue_figures.queues(site, sought, ["/".join(name) for name in told])
    figures = {(one.agent, one.name): one for one in found}
    names = sorted({*told, *figures}, key=lambda name: name_order.place(*name))
    merged = (_merged(site, name, brokers.get(name[0]), figures.get(name)) for name in names)
    return Queues(tuple(broker.state for broker in brokers.values()), tuple(merged))


def one(site: Site, agent: str, name: str) -> Queue | None:
    """With its depths; None for a queue that nobody knows. Raises StoreError."""
    broker = next((one for one in broker_states.brokers(site) if one.state.agent == agent), None)
    figures = queue_figures.one(site, agent, name)
    if figures is None and (broker is None or name not in broker.queues):
        return None
    (found,) = with_depths(site, [_merged(site, (agent, name), broker, figures)])
    return found


def with_depths(site: Site, queues: Iterable[Queue]) -> tuple[Queue, ...]:
    """What waited in the last hour costs far more to read than all else of a queue: so it is read of those alone that are shown.

    Raises StoreError."""
    shown = {f"{queue.agent}/{queue.name}": queue for queue in queues}
    depths = queue_depths.lately(site, shown)
    return tuple(replace(queue, depths=depths[key]) for key, queue in shown.items())


def names(site: Site, agents: Collection[str] = ()) -> list[str]:
    """Of the queues that brokers tell of: of these agents' brokers, or of all. Raises StoreError."""
    brokers = (broker for broker in broker_states.brokers(site) if not agents or broker.state.agent in agents)
    return sorted({name for broker in brokers for name in broker.queues if name})


def _merged(site: Site, name: tuple[str, str], broker: Broker | None, figures: QueueFigures | None) -> Queue:
    told = broker.queues.get(name[1]) if broker else None
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
        per_minute=_per_minute(completed, failed, site.clock()),
        failure_rate=_share(sum(failed), sum(completed) + sum(failed)),
        wait=figures.wait if figures else Times(),
        run=figures.run if figures else Times(),
        concerns=queue_concerns.of_queue(told) if told else (),
        is_old=bool(broker and broker.state.why),
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
