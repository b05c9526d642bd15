from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel
from services import queues_service
from services.broker_states import BrokerState
from services.queues_service import Queue

SHOWN = 6


@dataclass(frozen=True)
class QueuesOverview:
    """The queues that one would look at first: those with something wrong, then those with the most jobs. And how many there are."""

    brokers: tuple[BrokerState, ...]
    queues: tuple[Queue, ...]
    total: int
    waiting: int
    concerned: int


def data(site: Site) -> QueuesOverview:
    found = queues_service.queues(site)
    first = sorted(found.queues, key=lambda one: (not one.concerns, -one.depth - one.at_work, -one.per_minute))
    return QueuesOverview(
        brokers=found.brokers,
        queues=queues_service.with_depths(site, first[:SHOWN]),
        total=len(found.queues),
        waiting=sum(queue.depth for queue in found.queues),
        concerned=found.concerned,
    )


def is_absent(read: QueuesOverview) -> bool:
    return not (read.brokers or read.queues)


PANEL = Panel("queues", title="Queues", every=5, data=data, width=4, order=31, absent=is_absent)
