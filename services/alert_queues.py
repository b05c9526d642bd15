"""Queues as rules watch them: a broker's by its engine's own counts, others by Headway's indexes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from core.config import alerts
from core.config.alerts import When
from core.site import Site
from services import broker_states, jobs_service, live_search, queue_depths
from services.broker_states import Broker
from services.brokers.model import QueueNow
from services.job_model import Job, to_ms
from services.live_search import Conditions

MINUTE_MS = 60_000
BY_JOBS = (alerts.OnFailedJobs, alerts.OnFailureRate, alerts.OnNoJob, alerts.OnStalledJobs)
"""Rules that go by Headway's own records of jobs alone; how much waits, and who listens, a broker's engine tells."""


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
    """All queues at a moment, read when they are first asked for. Raises StoreError."""

    site: Site

    @cached_property
    def brokers(self) -> dict[str, Broker]:
        return {broker.state.agent: broker for broker in broker_states.brokers(self.site)}

    @cached_property
    def depths(self) -> dict[str, int]:
        """By AGENT/QUEUE."""
        return queue_depths.now(self.site)

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
                return f"the broker {name} is unavailable, because {state.why}"
            if known is not None and known.is_new and isinstance(when, BY_JOBS):
                return f"what was there before is still being read from the broker {name}"
        return None

    def watched(self, when: When) -> tuple[Watched, ...]:
        """The queues that a rule is about; of one about a broker all of the broker's. None where it is about neither."""
        agent, queue = whose(when)
        return tuple(self._watched(agent, queue))

    def _watched(self, agent: str | None, queue: str | None) -> Iterable[Watched]:
        if queue is None and agent not in self.brokers:
            return
        for key, depth in self.depths.items():
            of, _, name = key.partition("/")
            if (queue is None or name == queue) and (agent is None or of == agent):
                broker = self.brokers.get(of)
                yield Watched(of, name, depth, broker.queues.get(name) if broker else None)

    def waits_s(self, queue: Watched, now: float) -> float:
        """For how long the job waits that is next; 0 where none does."""
        if not queue.depth:
            return 0.0
        since_ms = (
            (queue.engine.oldest_ms if queue.engine else None) or self._oldest_ms(queue) or self._filled_ms(queue)
        )
        return round(max(0.0, now - since_ms / 1000), 3)

    def _oldest_ms(self, queue: Watched) -> int | None:
        waiting = Conditions(agents=(queue.agent,), queue=(queue.name,), states=("queued",))
        for job in live_search.find(self.site, waiting, after=0, limit=1).items:
            if isinstance(job, Job):
                return to_ms(jobs_service.waiting_since(job))
        return None

    def _filled_ms(self, queue: Watched) -> int:
        """Since when the queue was not seen empty, to the minute: what a broker says whose jobs nobody has told us of."""
        *before, _ = queue_depths.lately(self.site, [queue.key])[queue.key]
        minutes = next((age for age, depth in enumerate(reversed(before)) if not depth), len(before))
        minute_ms = int(self.site.clock() // 60) * MINUTE_MS
        return minute_ms - minutes * MINUTE_MS if minutes else int(self.site.clock() * 1000)


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
