"""How jobs went through their stages: each attempt as bars from its start on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.site import Site
from services import jobs_service, stage_times
from services.estimates_service import FEW, Estimate
from services.job_model import Attempt, DamagedJob, Job
from services.job_rules import Status
from services.stage_figures import Figures, Lengths, figures, lengths
from services.stage_times import NOTHING, Usual

SHOWN = 20
"""Jobs of an agent that are drawn."""
TOLD_OF = 100
"""Jobs of an agent by which runs, shares and failures are counted."""
AT_WORK: tuple[Status, ...] = ("processing", "completed", "failed")
STEP_S = 2.0
"""A stage that goes on grows in steps of so long, or of about a hundredth of its length where that is more."""

Kind = Literal["room", "done", "now", "bad"]
"""How a stage stands; `room` is one to come."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stage of an attempt. It begins `from_s` seconds after the attempt and is drawn `lasts_s` seconds long."""

    name: str
    kind: Kind
    from_s: float
    lasts_s: float
    seconds: float | None
    """How long it took; None while it goes on, before it began, and where nobody told."""
    started_at: datetime | None = None
    going_since: datetime | None = None
    """When one that goes on began, by the site's own clock."""
    usual: Lengths | None = None
    """None where it ran too seldom to tell."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One attempt of a job."""

    attempt: int
    status: str
    started_at: datetime | None
    waited_s: float | None
    """From its creation, or from the end of the attempt before, to its start; None where one of them is not known."""
    ran_s: float | None
    """From start to end; None while it goes on, and where nobody told."""
    bars: tuple[Bar, ...]
    going_since: datetime | None = None
    """When one that goes on began, by the site's own clock."""

    @property
    def length_s(self) -> float:
        return max((bar.from_s + bar.lasts_s for bar in self.bars), default=0.0)


@dataclass(frozen=True, slots=True)
class AgentWorkflow:
    """The newest jobs of an agent that began, newest first, each with its present attempt; `damaged` more can't be read."""

    jobs: tuple[tuple[Job, Lane], ...]
    damaged: int
    figures: Figures


def of_agent(site: Site, agent: str) -> AgentWorkflow:
    """Raises redis.RedisError."""
    newest = _newest(site, agent)
    usual = stage_times.of(site, [agent])[agent]
    now = datetime.fromtimestamp(site.clock(), UTC)
    jobs = [job for job in newest if isinstance(job, Job)]
    shown = tuple((job, present(job, now, usual)) for job in jobs[:SHOWN])
    return AgentWorkflow(shown, len(newest) - len(jobs), figures(jobs, usual))


def _newest(site: Site, agent: str) -> list[Job | DamagedJob]:
    """The newest TOLD_OF jobs, less those that are queued; where most are, as many of each other status as are drawn."""
    page = jobs_service.page(site, agent=agent, limit=TOLD_OF)
    begun = [job for job in page.items if isinstance(job, DamagedJob) or job.status != "queued"]
    if len(begun) >= SHOWN or page.total <= TOLD_OF:
        return begun
    found = [job for one in AT_WORK for job in jobs_service.page(site, status=one, agent=agent, limit=SHOWN).items]
    return sorted(found, key=lambda job: job.number, reverse=True)


def present(job: Job, now: datetime, usual: Usual = NOTHING, estimate: Estimate | None = None) -> Lane:
    """The attempt that a job is in, or ended with; with the stages to come where an estimate tells them.

    A job without stages is one bar with its status as name, once it began.
    """
    behind = (job.heard_at - job.updated_at) if job.heard_at else timedelta(0)
    here = max(now - behind, job.updated_at)
    start = job.started_at or (job.stages[0].started_at if job.stages else None)
    end = job.finished_at if job.is_final else here
    bars = _bars(job, start, end, usual)
    if job.status == "processing" and bars and (last := bars[-1]).seconds is None:
        began = last.started_at and last.started_at + behind
        bars[-1] = replace(last, kind="now", lasts_s=_stepped(last.lasts_s), going_since=began)
        bars += _to_come(job, bars[-1], estimate, usual)
    previous = job.attempts[-1].finished_at if job.attempts else job.created_at
    waited_s, ran_s = _between(previous, start), _between(start, job.finished_at)
    since = start + behind if start and job.status == "processing" else None
    return Lane(job.attempt, job.status, start, waited_s, ran_s, tuple(bars), since)


def earlier(job: Job) -> tuple[Lane, ...]:
    """The attempts before the present one, latest first."""
    starts = [job.created_at, *(attempt.finished_at for attempt in job.attempts)]
    lanes = [_lane(attempt, before) for attempt, before in zip(job.attempts, starts, strict=False)]
    return tuple(reversed(lanes))


def kind_of(part: Job | Attempt, at: int) -> Kind:
    """How the stage at a place of a job's present attempt, or of an earlier one, stands. One that was given up has failed."""
    if at < len(part.stages) - 1 or part.status == "completed":
        return "done"
    return "bad" if part.status == "failed" or isinstance(part, Attempt) else "now"


def _lane(attempt: Attempt, before: datetime | None) -> Lane:
    start = attempt.started_at or (attempt.stages[0].started_at if attempt.stages else None)
    bars = _bars(attempt, start, attempt.finished_at, NOTHING)
    return Lane(attempt.attempt, attempt.status, start, _between(before, start), attempt.seconds, tuple(bars))


def _bars(part: Job | Attempt, start: datetime | None, end: datetime | None, usual: Usual) -> list[Bar]:
    """Each stage up to its end, or to the next one's start where that was not told; an attempt without stages as one bar."""
    if start is None:
        return []
    if not part.stages and part.status != "queued":
        kind, took_s = kind_of(part, 0), _between(start, end)
        return [Bar(part.status, kind, 0.0, took_s or 0.0, None if kind == "now" else took_s, start)]
    ends = [*(stage.started_at for stage in part.stages[1:]), end]
    return [
        Bar(
            stage.name,
            kind_of(part, at),
            _between(start, stage.started_at) or 0.0,
            _between(stage.started_at, stage.finished_at or until) or 0.0,
            _between(stage.started_at, stage.finished_at),
            stage.started_at,
            usual=_usual(usual, stage.name),
        )
        for at, (stage, until) in enumerate(zip(part.stages, ends, strict=bool(part.stages)))
    ]


def _to_come(job: Job, last: Bar, estimate: Estimate | None, usual: Usual) -> Iterable[Bar]:
    if estimate is None or len(estimate.steps) < len(job.stages):
        return
    now_s = estimate.steps[len(job.stages) - 1].usual_s if job.stages else 0.0
    at_s = last.from_s + max(last.lasts_s, now_s)
    for step in estimate.steps[len(job.stages) :]:
        yield Bar(step.name, "room", at_s, step.usual_s, None, usual=_usual(usual, step.name))
        at_s += step.usual_s


def _usual(usual: Usual, stage: str) -> Lengths | None:
    """Of a stage that ran often enough to say so: one of the runs may be this one."""
    lasted = usual.lasted.get(stage, ())
    return lengths(lasted) if len(lasted) >= FEW else None


def _stepped(seconds: float) -> float:
    step = max(STEP_S, 2.0 ** math.floor(math.log2(max(seconds, 1.0) / 50)))
    return math.floor(seconds / step) * step


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)
