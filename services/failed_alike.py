"""Jobs that failed in the same way, to be acted on together: the archive knows which they are, the store what became of them."""

from __future__ import annotations

from core.site import Site
from services import archive_alone, archive_search, job_conditions, operations_service
from services.archive_alone import End
from services.archive_filter import Filter
from services.operation_records import Chosen
from services.operations_service import MOST_CHOSEN
from services.windows import Window


def chosen(site: Site, fingerprint: str, window: Window) -> list[Chosen]:
    """Those whose last end in a span was of a fingerprint, as they are now: the newest MOST_CHOSEN, without those that the store has let
    go of. Raises DatabaseError, StoreError."""
    alike = Filter(fingerprint=fingerprint, since_ms=window.start * 1000, until_ms=window.end * 1000)
    jobs = [each.job for each in archive_search.page(site, alike, limit=MOST_CHOSEN).items]
    ends = [End(job.number, job.agent, job.id, job_conditions.ended_ms(job)) for job in jobs]
    return operations_service.look(site, [number for number in archive_alone.numbers(site, ends) if number])
