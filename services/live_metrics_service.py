"""Dialect M on the wire: the present figures every two seconds, and each change of a job's status, for all who listen."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from core import sse
from core.backlog import Frame
from core.event_log import Entry
from core.site import Site
from core.streams import Relay, Source
from core.ticks import Ticks
from core.times import rfc3339
from services import job_series_service, jobs_service, system_health, waiting_jobs
from services.analytics_service import success_rate
from services.job_events import JobEvent
from services.job_rules import FINAL, STATUSES
from services.job_series_service import Times
from services.machine_service import Load, Machine
from services.progress_dialect import number

CHANNEL = "m"
EVERY_S = 2.0
LIMIT = 64
"""Unread events that a client may hold which does not keep up."""


@dataclass(frozen=True)
class Jobs:
    """`total` has those too that were ended on purpose, which are neither completed nor failed."""

    total: int
    queued: int
    processing: int
    completed: int
    failed: int


@dataclass(frozen=True)
class Rates:
    """`jobs_per_minute` counts jobs that ended, a mean over the last five whole minutes. `success_rate` is a percentage of the
    jobs that are kept, None where none ended."""

    jobs_per_minute: float
    success_rate: float | None


@dataclass(frozen=True)
class System(Load):
    """The machine that this process runs on, and the open streams of all processes."""

    open_streams: int


@dataclass(frozen=True)
class Tick:
    """The present figures under the names that they have on the wire. `processing_time` is of the last 60 minutes."""

    jobs: Jobs
    rates: Rates
    processing_time: Times
    queue_depth: int
    system: System
    timestamp: str


class LiveMetrics(Relay):
    """One a process. Figures are read once for all who listen, and while nobody does, not at all."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.hub, CHANNEL, change)
        self._site = site
        self._machine = Machine()
        self._ticks = Ticks(site.hub, CHANNEL, "metrics", EVERY_S, self.tick)

    def stream(self) -> Source:
        return Source((CHANNEL,), limit=LIMIT, first=self._ticks.first, missed=change)

    def tick(self) -> Tick:
        """The present figures. Raises StoreError."""
        counts = jobs_service.counts(self._site)
        recent = job_series_service.recent(self._site)
        return Tick(
            jobs=Jobs(total=sum(counts.values()), **{status: counts[status] for status in STATUSES}),
            rates=Rates(recent.jobs_per_minute, success_rate(counts["completed"], counts["failed"])),
            processing_time=recent.took,
            queue_depth=waiting_jobs.depth(self._site),
            system=System(**asdict(self._machine.load()), open_streams=system_health.open_streams(self._site)),
            timestamp=rfc3339(self._site.clock()),
        )


def change(entry: Entry) -> Frame | None:
    """An entry of the bus as an event `job`; None where no job's status changed."""
    made: Frame | None = entry.memo.get("m")
    if made is None and entry.kind == "e" and _is_change(entry.value):
        made = entry.memo["m"] = _frame(entry.value, entry.position)
    return made


def _is_change(event: JobEvent) -> bool:
    return event.kind in ("created", "begun", "updated") and event.was != event.status


def _frame(event: JobEvent, position: str) -> Frame:
    data = {
        "id": event.id,
        "queue_id": event.number,
        "agent": event.agent,
        "title": event.title or None,
        "status": event.status,
        "stage": event.stage or None,
        "progress": number(event.progress),
        "timestamp": rfc3339(event.at_ms / 1000),
    }
    return Frame(sse.event(data, name="job", id=position), key=event.number, keep=event.status in FINAL)
