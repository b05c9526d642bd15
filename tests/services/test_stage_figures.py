"""What each stage of an agent takes, and how often it fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import stage_figures
from services.job_model import Attempt, Job
from services.stage_figures import figures, lengths
from services.stage_times import Usual
from tests.timed_jobs import JOB, NOON, after, timed


def failed(*stages: tuple[str, float]) -> Job:
    return replace(timed("failed", 40, *stages), failed_stage=stages[-1][0] if stages else None)


def test_of_no_jobs_there_is_nothing_to_tell() -> None:
    found = figures([])
    assert (found.jobs, found.stages, found.failures, found.slowest, found.most_failing) == (0, (), 0, None, None)


def test_runs_shares_and_failures_are_counted_and_the_slowest_and_the_most_failing_named() -> None:
    jobs = [
        timed("completed", 100, ("fetch", 10), ("render", 60), ("upload", 10)),
        failed(("fetch", 10), ("render", 50), ("upload", 10)),
        failed(("fetch", 10), ("render", 30), ("upload", 10)),
        failed(("fetch", 0)),
    ]
    found = figures(jobs)
    assert [(one.name, one.runs, one.share, one.failures) for one in found.stages] == [
        ("fetch", 4, 15.0, 1),
        ("render", 3, 70.0, 0),
        ("upload", 3, 15.0, 2),
    ]
    assert found.slowest is not None
    assert found.most_failing is not None
    assert (found.slowest.name, found.most_failing.name, found.failures, found.unplaced) == ("render", "upload", 3, 0)
    assert found.slowest.lengths is not None
    assert found.slowest.lengths.p50_s == 50.0


def test_lengths_are_those_of_the_agents_last_runs_where_they_are_known() -> None:
    usual = Usual(("render", "fetch"), {"render": (1.0, 2.0, 3.0)})
    found = figures([timed("completed", 100, ("fetch", 10), ("render", 60))], usual)
    assert [one.name for one in found.stages] == ["render", "fetch"], "in the agent's usual order"
    assert [one.lengths.p50_s for one in found.stages if one.lengths] == [2.0, 10.0]


def test_earlier_attempts_count_and_a_failure_in_no_stage_is_told_apart() -> None:
    before = Attempt(1, "failed", "no", "fetch", 0.0, NOON, after(5), timed("failed", 0, ("fetch", 5)).stages)
    found = figures([replace(timed("completed", 100, ("fetch", 5)), attempts=(before,), attempt=2), failed()])
    assert (found.stages[0].runs, found.stages[0].failures, found.failures, found.unplaced) == (2, 1, 2, 1)


def test_a_stage_that_goes_on_is_a_run_without_a_length() -> None:
    found = figures([timed("processing", 5, ("fetch", 5))])
    assert [(one.runs, one.lengths, one.share) for one in found.stages] == [(1, None, None)]
    assert found.slowest is None


def test_a_failed_stage_that_was_never_entered_is_told_too() -> None:
    found = figures([replace(JOB, status="failed", failed_stage="packing")])
    assert [(one.name, one.runs, one.failures) for one in found.stages] == [("packing", 0, 1)]


def test_of_many_stages_the_weightiest_stay_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_figures, "MOST_STAGES", 3)
    jobs = [timed("completed", 100, *((f"s{at}", float(at)) for at in range(8))), failed(("s1", 1))]
    found = figures(jobs)
    assert ([one.name for one in found.stages], found.left_out) == (["s1", "s6", "s7"], 5)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_nineteen_of_twenty_runs_lie_under_p95_and_half_under_p50(lasted: list[float]) -> None:
    found = lengths(tuple(sorted(lasted)))
    assert found is not None
    assert min(lasted) <= found.p50_s <= found.p95_s <= max(lasted)
    assert sum(each <= found.p50_s for each in lasted) >= len(lasted) / 2
    assert sum(each > found.p95_s for each in lasted) <= len(lasted) / 20 + 1
