from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel
from services import workers_service
from services.broker_states import BrokerState
from services.workers_service import Worker

SHOWN = 6


@dataclass(frozen=True)
class WorkersOverview:
    """Of all brokers' workers those that one would look at first, and how many there are."""

    brokers: tuple[BrokerState, ...]
    workers: tuple[Worker, ...]
    total: int
    busy: int
    dead: int


def data(site: Site) -> WorkersOverview:
    found = workers_service.workers(site)
    first = sorted(found.workers, key=lambda one: not one.concerns)
    return WorkersOverview(found.brokers, tuple(first[:SHOWN]), len(found.workers), found.busy, found.dead)


def is_absent(read: WorkersOverview) -> bool:
    return not read.brokers


PANEL = Panel("workers", title="Workers", every=5, data=data, width=2, order=31, absent=is_absent)
