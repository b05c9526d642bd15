"""What each stage of an agent takes, and how often it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from services import stage_times
from services.job_model import Attempt, Job
from services.stage_times import NOTHING, Usual

MOST_STAGES = 30


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long a stage took in its last `seen` runs, in seconds."""

    p50_s: float
    p95_s: float
    seen: int


@dataclass(frozen=True, slots=True)
class StageFigures:
    """A stage of an agent: `runs`, `share` of the time of all stages in percent, and `failures` are of the recent jobs, `lengths`
    of its last runs (None where none ended)."""

    name: str
    runs: int
    lengths: Lengths | None
    share: float | None
    failures: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the stages of `jobs` recent jobs tell, in the order in which they follow each other; `left_out` more take little time and
    fail seldom. `failures` are of all attempts, of which `unplaced` failed in no stage. The two stages are None where none takes any
    time, and where none failed."""

    jobs: int
    stages: tuple[StageFigures, ...]
    left_out: int
    failures: int
    unplaced: int
    slowest: StageFigures | None
    most_failing: StageFigures | None


def figures(jobs: Sequence[Job], usual: Usual = NOTHING) -> Figures:
    """What the stages of these jobs tell, their earlier attempts too. A stage whose usual lengths are not known is told by theirs."""
    parts = [part for job in jobs for part in _parts(job)]
    spans = [span for part in parts for span in part.stages]
    runs = Counter(span.name for span in spans)
    lasted: dict[str, list[float]] = {}
    for span in spans:
        if span.seconds is not None:
            lasted.setdefault(span.name, []).append(max(span.seconds, 0.0))
    failed = [part.failed_stage for part in parts if part.status == "failed"]
    failures, whole_s = Counter(failed), sum(map(sum, lasted.values()))
    names = dict.fromkeys((*(name for name in usual.order if name in runs), *runs, *filter(None, failures)))
    stages = tuple(
        StageFigures(
            name,
            runs[name],
            lengths(usual.lasted.get(name) or tuple(sorted(lasted.get(name, ())))),
            round(100 * sum(lasted.get(name, ())) / whole_s, 1) if whole_s else None,
            failures[name],
        )
        for name in names
    )
    slow = max(stages, key=lambda one: one.lengths.p50_s if one.lengths else 0.0, default=None)
    worst = max(stages, key=lambda one: one.failures, default=None)
    kept = _weightiest(stages, slow)
    return Figures(
        jobs=len(jobs),
        stages=kept,
        left_out=len(stages) - len(kept),
        failures=len(failed),
        unplaced=failures[None],
        slowest=slow if slow and slow.lengths and slow.lengths.p50_s > 0 else None,
        most_failing=worst if worst and worst.failures else None,
    )


def _weightiest(stages: Sequence[StageFigures], slow: StageFigures | None) -> tuple[StageFigures, ...]:
    heavy = sorted(stages, key=lambda one: (one is slow, one.failures, one.share or 0.0), reverse=True)[:MOST_STAGES]
    names = {one.name for one in heavy}
    return tuple(one for one in stages if one.name in names)


def lengths(lasted: tuple[float, ...]) -> Lengths | None:
    """Of durations in seconds, shortest first; None of none."""
    if not lasted:
        return None
    return Lengths(stage_times.quantile(lasted, 0.5), stage_times.quantile(lasted, 0.95), len(lasted))


def _parts(job: Job) -> tuple[Job | Attempt, ...]:
    return (*job.attempts, job)
