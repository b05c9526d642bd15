"""A job's bar is as wide as its progress, whatever its stages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from panels._track import Segment, segments
from services.job_model import Job, StageSpan, Status

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def job(status: Status, progress: float, *seconds: float) -> Job:
    """A job whose stages took so long each; the last one goes on where the job does."""
    stages, at = list[StageSpan](), NOON
    for number, lasted in enumerate(seconds):
        end = at + timedelta(seconds=lasted)
        open_ = number == len(seconds) - 1 and status == "processing"
        stages.append(StageSpan(f"stage {number}", at, None if open_ else end))
        at = end
    return Job(
        number=1, id="a", agent="x", title=None, status=status, stage=None, progress=progress, message=None, error=None,
        failed_stage=None, result=None, metadata=None, attempt=1, attempts=(), stages=tuple(stages), created_at=NOON,
        started_at=NOON, finished_at=None, updated_at=at, skew_seconds=None,
    )  # fmt: skip


def end(drawn: tuple[Segment, ...]) -> float:
    return drawn[-1].x + drawn[-1].width


@pytest.mark.parametrize("lasted", [(1.0,), (0.15, 0.9, 0.0), (0.0,) * 3, (1e-3,) * 100, (3600.0, *(0.01,) * 99)])
@pytest.mark.parametrize("progress", [2.0, 49.5, 100.0])
def test_it_ends_where_the_progress_does_however_many_stages_there_are(
    lasted: tuple[float, ...], progress: float
) -> None:
    drawn = segments(job("completed" if progress == 100 else "processing", progress, *lasted))
    assert end(drawn) == pytest.approx(progress, abs=0.02)
    assert len(drawn) == len(lasted)
    assert all(part.width > 0 for part in drawn)
    assert all(left.x + left.width <= right.x + 0.011 for left, right in pairwise(drawn))


def test_a_stage_is_as_wide_as_it_took_long_and_a_short_one_is_still_seen() -> None:
    long, middle, short = segments(job("completed", 100, 60, 30, 0))
    assert long.width == pytest.approx(2 * middle.width, rel=0.03)
    assert short.width >= 1


def test_the_last_stage_says_how_the_job_stands() -> None:
    assert [part.kind for part in segments(job("failed", 40, 1, 1))] == ["done", "bad"]
    assert [part.kind for part in segments(job("processing", 40, 1, 1))] == ["done", "now"]
    assert [part.kind for part in segments(job("completed", 100, 1, 1))] == ["done", "done"]


def test_without_stages_it_is_one_bar_or_none() -> None:
    assert segments(job("queued", 0)) == ()
    assert segments(job("failed", 30)) == (Segment("failed", 0.0, 30, "bad"),)
