"""When a job will end and whether it goes on at all: from what its agent's stages took before, or else from its own progress."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.site import Site
from services import stage_times
from services.job_model import DamagedJob, Job
from services.stage_times import NOTHING, Stretch, Usual

STALLED_S = 300.0
"""A job with no update for so long is stalled, unless its stage often takes longer than half of that."""
STALLED_TIMES = 2.0
"""How many times its stage's long end a job may go without an update."""
FEW = 3
"""With fewer earlier runs than this an estimate is a guess."""
NARROW, NARROW_S = 1.5, 10.0
"""An estimate whose long end is within so many times its short one, or so near to it, is a figure and not a range."""
LEAST_PROGRESS, LEAST_ELAPSED_S = 2.0, 3.0
"""From less than this of its own progress nothing is told."""
MOST_S = 60 * 86_400.0

Sure = Literal["figure", "range", "guess"]


@dataclass(frozen=True, slots=True)
class Left:
    """When a job will end, and how sure that is: a `figure` is near, a `range` is from `earliest` to `latest`."""

    earliest: datetime
    likely: datetime
    latest: datetime
    sure: Sure

    def later(self, by: timedelta) -> Left:
        return Left(self.earliest + by, self.likely + by, self.latest + by, self.sure)


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of a job, passed or to come, and how long it usually takes."""

    name: str
    usual_s: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be expected of a job. Its moments are the site's own, also where the reporter's clock is behind."""

    left: Left | None = None
    """None where nothing can be told."""
    is_late: bool = False
    """Whether its stage takes longer than it ever did lately."""
    stalled_since: datetime | None = None
    """The last update of a job that seems to stand still; None for any other."""
    steps: tuple[Step, ...] = ()
    """The stages it passed, the one it is in and those to come; empty where the agent's usual order does not tell."""
    share: float | None = None
    """How much of its stage's usual time is over, 1 for all of it; None where that is not known."""
    behind: timedelta = timedelta(0)
    """How far the job's times lie before those at which they were told to the site."""


def of(site: Site, jobs: Iterable[Job | DamagedJob]) -> dict[int, Estimate]:
    """The estimate of each job that is processed or failed, by its number; in one round trip for all.

    Raises redis.RedisError.
    """
    wanted = [job for job in jobs if isinstance(job, Job) and job.status in ("processing", "failed")]
    known = stage_times.of(site, (job.agent for job in wanted if job.stages))
    now = datetime.fromtimestamp(site.clock(), UTC)
    return {job.number: estimate(job, known.get(job.agent, NOTHING), now) for job in wanted}


def estimate(job: Job, usual: Usual, now: datetime) -> Estimate:
    """What `usual` and the job's own progress tell at a time."""
    behind = (job.heard_at - job.updated_at) if job.heard_at else timedelta(0)
    here = max(now - behind, job.updated_at)
    ahead = _ahead(job, usual)
    steps = () if ahead is None else _steps(job, usual, [name for name, _ in ahead])
    if job.status != "processing":
        return Estimate(steps=steps)
    if ahead is None:
        left, is_late, share = _by_progress(job, here), False, None
    else:
        present, gone_s = job.stages[-1], _seconds(here - job.stages[-1].started_at)
        rest = usual.of_those_over(present.name, gone_s)
        is_late = rest is None and len(usual.lasted[present.name]) >= FEW
        if rest:
            left = _sum(present.started_at, [rest, *(stretch for _, stretch in ahead)])
        else:
            left = None if is_late else _by_progress(job, here)
        share = min(gone_s / max(steps[len(job.stages) - 1].usual_s, 0.001), 1.0)
    return Estimate(
        left=left and left.later(behind),
        is_late=is_late,
        stalled_since=_stalled_since(job, usual, now),
        steps=steps,
        share=share,
        behind=behind,
    )


def _ahead(job: Job, usual: Usual) -> list[tuple[str, Stretch]] | None:
    """The stages to come with how long each takes; None where that, or how long the present one takes, is not known."""
    names = usual.after([stage.name for stage in job.stages]) if job.stages else None
    if names is None or usual.stretch(job.stages[-1].name) is None:
        return None
    stretches = [usual.stretch(name) for name in names]
    known = [(name, stretch) for name, stretch in zip(names, stretches, strict=True) if stretch]
    return known if len(known) == len(names) else None


def _steps(job: Job, usual: Usual, coming: Iterable[str]) -> tuple[Step, ...]:
    passed = [(stage.name, stage.seconds or 0.0) for stage in job.stages]
    told = [(name, usual.stretch(name), took_s) for name, took_s in [*passed, *((name, 0.0) for name in coming)]]
    return tuple(Step(name, stretch.usual if stretch else took_s) for name, stretch, took_s in told)


def _sum(start: datetime, stretches: list[Stretch]) -> Left | None:
    """The end of stages that follow each other from `start` on, each as long as it is independently of the others."""
    usual = sum(one.usual for one in stretches)
    low = usual - math.hypot(*(one.usual - one.low for one in stretches))
    high = usual + math.hypot(*(one.high - one.usual for one in stretches))
    if high > MOST_S:
        return None
    sure: Sure = "figure" if high <= max(NARROW * low, low + NARROW_S) else "range"
    if min(one.seen for one in stretches) < FEW:
        sure = "guess"
    return Left(start + timedelta(seconds=low), start + timedelta(seconds=usual), start + timedelta(seconds=high), sure)


def _by_progress(job: Job, here: datetime) -> Left | None:
    """A guess: that it goes on at the pace that it had up to its last update. None once that time is over."""
    if job.started_at is None or not LEAST_PROGRESS <= job.progress < 100:
        return None
    took_s = _seconds(job.updated_at - job.started_at)
    left_s = took_s * (100 - job.progress) / job.progress
    if took_s < LEAST_ELAPSED_S or left_s > MOST_S:
        return None
    end = job.updated_at + timedelta(seconds=left_s)
    return Left(end, end, end, "guess") if end > here else None


def _stalled_since(job: Job, usual: Usual, now: datetime) -> datetime | None:
    last = job.heard_at or job.updated_at
    stretch = usual.stretch(job.stages[-1].name) if job.stages else None
    patience_s = max(STALLED_S, STALLED_TIMES * stretch.high if stretch else 0.0)
    return last if _seconds(now - last) >= patience_s else None


def _seconds(span: timedelta) -> float:
    return max(span.total_seconds(), 0.0)
