"""Jobs that have been, in any number, as a store holds them after some days of work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.site import Site
from services import jobs_service
from services.job_rules import HistoryRow, PastStage, Status

AGENTS = ("archive", "thumbs", "reports", "intake", "mail")
STAGES = ("download", "convert", "check", "upload")
CHUNK = 5_000


def seed(site: Site, count: int) -> None:
    """Store `count` jobs, one in twenty failed, one in a hundred still at work."""
    now = datetime.now(UTC)
    for start in range(0, count, CHUNK):
        rows = [
            job(number, now - timedelta(seconds=count - number)) for number in range(start, min(start + CHUNK, count))
        ]
        answers = jobs_service.store_rows(site, rows)
        assert all(answer == "applied" for answer in answers), answers[:3]


def job(number: int, created: datetime) -> HistoryRow:
    agent = AGENTS[number % len(AGENTS)]
    status: Status = "failed" if number % 20 == 7 else "processing" if number % 100 == 1 else "completed"
    ended = created + timedelta(seconds=4 * len(STAGES))
    done = status != "processing"
    return HistoryRow(
        status=status,
        id=f"{agent}-{number:08d}",
        agent=agent,
        title=f"Episode {number}: a title of a common length",
        stage=STAGES[-1],
        progress=100 if status == "completed" else 85,
        message=f"Uploaded 48 of 48 parts in {number % 90} s",
        error="The receiver closed the connection after 31 of 48 parts" if status == "failed" else None,
        result={"bytes": number * 31, "parts": 48} if status == "completed" else None,
        metadata={"source": "inbox", "width": 1920, "height": 1080},
        created_at=created,
        started_at=created + timedelta(seconds=1),
        finished_at=ended if done else None,
        stages=[
            PastStage(name, created + timedelta(seconds=4 * at), created + timedelta(seconds=4 * at + 4))
            for at, name in enumerate(STAGES)
        ],
    )
