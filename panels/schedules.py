from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel
from services import schedules_service
from services.broker_states import BrokerState
from services.job_model import Job
from services.schedules_service import Schedule

SHOWN = 4


@dataclass(frozen=True)
class SchedulesOverview:
    """The schedules and the jobs that are next, and how many there are of each."""

    brokers: tuple[BrokerState, ...]
    schedules: tuple[Schedule, ...]
    entries: int
    jobs: tuple[Job, ...]
    due: int
    unkept: int
    """Schedules whose scheduler gives no sign."""


def data(site: Site) -> SchedulesOverview:
    found = schedules_service.schedules(site, SHOWN)
    return SchedulesOverview(
        brokers=found.brokers,
        schedules=found.schedules[:SHOWN],
        entries=len(found.schedules),
        jobs=found.due.jobs,
        due=found.due.total,
        unkept=found.unkept,
    )


def is_absent(read: SchedulesOverview) -> bool:
    return not (read.brokers or read.jobs)


PANEL = Panel("schedules", title="Schedules", every=5, data=data, width=2, order=31, absent=is_absent)
