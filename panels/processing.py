from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel
from panels._estimates import Outlook, outlooks
from services import broker_states, jobs_service
from services.job_model import DamagedJob, Job

SHOWN = 5


@dataclass(frozen=True)
class Processing:
    """Jobs that are being processed, the lowest numbers first so that each stays in its place; what is to be expected of each by its
    number, and how many there are. `is_known` is false where nothing is and a broker is away, whose jobs nobody knows."""

    jobs: tuple[Job | DamagedJob, ...]
    outlooks: dict[int, Outlook]
    total: int
    is_known: bool = True


def data(site: Site) -> Processing:
    page = jobs_service.page(site, status="processing", limit=SHOWN, after=0)
    jobs = page.items[::-1]
    return Processing(jobs, outlooks(site, jobs), page.total, is_known=bool(jobs) or not broker_states.away(site))


PANEL = Panel("processing", title="Processing now", every=5, data=data, width=2, live=True, order=20)
