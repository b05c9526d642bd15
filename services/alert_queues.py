"""Queues as rules watch them: a broker's by its engine's own counts, others by Headway's indexes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core import keys
from core.config import alerts
from core.config.alerts import When
from core.site import Site
from services import broker_states, queue_depths, waiting_jobs
from services.broker_states import Broker
from services.brokers.model import QueueNow

BY_DEPTH = (alerts.OnQueueDepth, alerts.OnQueueAge, alerts.OnNoWorker)
BY_JOBS = (alerts.OnFailedJobs, alerts.OnFailureRate, alerts.OnNoJob, alerts.OnStalledJobs)
"""Rules that go by Headway's own records of jobs alone; how much waits, and who listens, a broker's engine tells."""

MOST_AGENTS = 5_000
"""Agents that are asked for a queue which a rule names without its agent."""


@dataclass(frozen=True)
class Watched:
    """An agent's queue. `engine` is what its broker says of it; None where the queue is not a broker's."""

    agent: str
    name: str
    depth: int
    """Jobs that could begin now."""
    engine: QueueNow | None

    @property
    def key(self) -> str:
        return f"{self.agent}/{self.name}"


@dataclass(frozen=True)
class Queues:
    """All queues at a moment, each read when it is first asked for, and once for all rules. Raises StoreError."""

    site: Site
    _named: dict[tuple[str | None, str | None], tuple[Watched, ...]] = field(default_factory=dict, init=False)
    """By the agent and the queue that rules name."""
    _since_ms: dict[str, int] = field(default_factory=dict, init=False)
    """By AGENT/QUEUE, since when the job waits that is next there."""

    @cached_property
    def brokers(self) -> dict[str, Broker]:
        return {broker.state.agent: broker for broker in broker_states.brokers(self.site)}

    @cached_property
    def depths(self) -> dict[str, int]:
        """By AGENT/QUEUE, of brokers and of those that were seen last."""
        return queue_depths.now(self.site)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """All that have jobs, and all brokers; some more than MOST_AGENTS stand for any number of them."""
        found = dict.fromkeys(self.brokers)
        for partition in range(self.site.store.partitions):
            names: Any = self.site.store.redis.zrange(keys.AGENTS.at(partition), 0, MOST_AGENTS, desc=True)
            found |= dict.fromkeys(names)
        return tuple(found)

    def away(self, when: When) -> str | None:
        """Why what a rule is about can't be told; None where it can, or where the rule is about no broker."""
        agent, queue = whose(when)
        for name, broker in self.brokers.items() if agent or queue else ():
            state, known = broker.state, broker.snapshot
            has_it = queue is None or known is None or queue in broker.queues
            # Without an agent, a broker that nobody ever read may have the queue as well as not.
            if not (agent == name if agent else has_it):
                continue
            if state.why is not None:
                return _unavailable(broker)
            if known is not None and known.is_new and isinstance(when, BY_JOBS):
                return f"what was there before is still being read from the broker {name}"
        if self.are_too_many(when):
            return f"more than {MOST_AGENTS:,} agents may have the queue {queue}: say in the rule which one is meant"
        return None

    def are_too_many(self, when: When) -> bool:
        """Whether more agents may have a rule's queue than are asked for it."""
        agent, queue = whose(when)
        return queue is not None and agent is None and len(self.agents) > MOST_AGENTS

    def missing(self, when: When) -> str | None:
        """Why a part of what a rule on all that waits is about can't be told; None where it can, and of any other rule."""
        if not isinstance(when, BY_DEPTH) or whose(when) != (None, None):
            return None
        return next((_unavailable(broker) for broker in self.brokers.values() if broker.state.why is not None), None)

    def of_brokers(self) -> tuple[Watched, ...]:
        """Of those that answer."""
        answering = [broker for broker in self.brokers.values() if broker.state.why is None]
        return tuple(
            Watched(broker.state.agent, name, queue.depth, queue)
            for broker in answering
            for name, queue in broker.queues.items()
        )

    def watched(self, when: When) -> tuple[Watched, ...]:
        """The queues that a rule is about; of one about a broker all of the broker's. None where it is about neither."""
        named = whose(when)
        if named not in self._named:
            self._named[named] = tuple(self._watched(*named))
        return self._named[named]

    def _watched(self, agent: str | None, queue: str | None) -> Iterable[Watched]:
        if queue is not None:
            named = [f"{one}/{queue}" for one in (self.agents if agent is None else (agent,))]
            depths = queue_depths.of(self.site, self.brokers.values(), named)
        elif agent in self.brokers:
            depths = {key: depth for key, depth in self.depths.items() if key.partition("/")[0] == agent}
        else:
            return
        for key, depth in depths.items():
            of, _, name = key.partition("/")
            broker = self.brokers.get(of)
            yield Watched(of, name, depth, broker.queues.get(name) if broker else None)

    def waits_s(self, queues: Collection[Watched], now: float) -> Iterator[tuple[Watched, float]]:
        """For how long the job waits that is next in each of some queues; 0 where none does."""
        unread = {queue.key: queue.engine for queue in queues if queue.depth and queue.key not in self._since_ms}
        self._since_ms.update(waiting_jobs.since_ms(self.site, unread))
        for queue in queues:
            since = self._since_ms.get(queue.key)
            yield queue, 0.0 if since is None else round(max(0.0, now - since / 1000), 3)


def _unavailable(broker: Broker) -> str:
    return f"the broker {broker.state.agent} is unavailable, because {broker.state.why}"


def whose(when: When) -> tuple[str | None, str | None]:
    """The agent and the queue that a rule names."""
    return getattr(when, "agent", None), getattr(when, "queue", None)


def names(site: Site, when: When) -> list[str] | None:
    """Each AGENT/QUEUE that a rule on a queue is about; None for a rule that names no queue. Raises StoreError."""
    agent, queue = whose(when)
    if queue is None:
        return None
    if agent is not None:
        return [f"{agent}/{queue}"]
    return [one.key for one in Queues(site).watched(when)]
