"""What adds jobs at times, and the jobs that are to begin at one, soonest first."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from core.config.brokers import Engine
from core.site import Site
from services import broker_states, due_jobs
from services.broker_states import BrokerState
from services.brokers.model import ScheduleNow
from services.due_jobs import DueJobs

MOST_DUE = 50


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron entry, a repeating job, an entry of Celery's beat. `is_old`: its broker is unavailable, and this is how it was then."""

    agent: str
    engine: Engine
    now: ScheduleNow
    is_old: bool

    @property
    def is_unkept(self) -> bool:
        """Whether its scheduler gives no sign."""
        return self.now.alive is False


@dataclass(frozen=True, slots=True)
class Schedules:
    """Both soonest first; entries of which nobody knows when they are next come last, by name."""

    brokers: tuple[BrokerState, ...]
    schedules: tuple[Schedule, ...]
    due: DueJobs

    @property
    def unkept(self) -> int:
        return sum(one.is_unkept for one in self.schedules)


def schedules(site: Site, limit: int = MOST_DUE, sought: str = "") -> Schedules:
    """All entries, or those whose AGENT/NAME holds what is sought. `limit` is how many jobs are told of. Raises StoreError."""
    brokers = broker_states.brokers(site)
    entries = [
        Schedule(broker.state.agent, broker.state.engine, one, broker.state.why is not None)
        for broker in brokers
        for one in (broker.snapshot.schedules if broker.snapshot else ())
        if sought.casefold() in f"{broker.state.agent}/{one.name}".casefold()
    ]
    entries.sort(key=lambda one: (inf if one.now.next_ms is None else one.now.next_ms, one.now.name))
    return Schedules(tuple(broker.state for broker in brokers), tuple(entries), due_jobs.soonest(site, limit))
