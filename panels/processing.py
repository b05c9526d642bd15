from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel
from panels._estimates import Outlook, outlooks
from services import jobs_service
from services.job_model import DamagedJob, Job

SHOWN = 5


@dataclass(frozen=True)
class Processing:
    """The newest jobs that are being processed, newest first, what is to be expected of each by its number, and how many there are."""

    jobs: tuple[Job | DamagedJob, ...]
    outlooks: dict[int, Outlook]
    total: int


def data(site: Site) -> Processing:
    page = jobs_service.page(site, status="processing", limit=SHOWN)
    return Processing(page.items, outlooks(site, page.items), page.total)


PANEL = Panel("processing", title="Processing now", every=5, data=data, width=2, live=True, order=20)
