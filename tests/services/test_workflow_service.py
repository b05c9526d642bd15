"""How jobs went through their stages: bars of each attempt, from what a job tells and from a real store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core import keys
from core.site import Site
from core.store import Store
from services import estimates_service, jobs_service, workflow_service
from services.job_model import Attempt, Job, StageSpan
from services.job_rules import HistoryRow, PastStage
from services.stage_times import Usual
from services.workflow_service import Lane, earlier, present
from tests.services.reports import create, iso, tell, told
from tests.timed_jobs import JOB, NOON, after, timed

USUAL = Usual(("fetch", "render", "upload"), {"fetch": (10.0,), "render": (50.0, 60.0, 70.0), "upload": (30.0,)})


def drawn(lane: Lane) -> list[tuple[str, str, float, float]]:
    return [(bar.name, bar.kind, bar.from_s, bar.lasts_s) for bar in lane.bars]


def span(name: str, start_s: float, end_s: float | None) -> StageSpan:
    return StageSpan(name, after(start_s), None if end_s is None else after(end_s))


def attempt(status: str, *stages: StageSpan, ended_s: float | None = None) -> Attempt:
    return Attempt(1, status, "bad", stages[-1].name, 40.0, NOON, None if ended_s is None else after(ended_s), stages)


def test_a_finished_job_is_its_stages_one_after_the_other_each_with_its_usual_lengths() -> None:
    job = replace(timed("completed", 100, ("fetch", 12), ("render", 40)), finished_at=after(52))
    lane = present(job, after(1000), USUAL)
    assert drawn(lane) == [("fetch", "done", 0.0, 12.0), ("render", "done", 12.0, 40.0)]
    assert [bar.seconds for bar in lane.bars] == [12.0, 40.0]
    assert (lane.ran_s, lane.length_s, lane.going_since) == (52.0, 52.0, None)
    usual = lane.bars[1].usual
    assert usual is not None
    assert (usual.p50_s, usual.p95_s, usual.seen) == (60.0, pytest.approx(69.0), 3)
    assert lane.bars[0].usual is None, "of one run nothing is usual"


def test_the_last_stage_of_a_failed_job_failed() -> None:
    job = replace(timed("failed", 40, ("fetch", 12), ("render", 3)), finished_at=after(15))
    assert [bar.kind for bar in present(job, after(99)).bars] == ["done", "bad"]


def test_a_running_stage_grows_in_steps_and_those_to_come_follow_as_long_as_they_usually_take() -> None:
    job = timed("processing", 40, ("fetch", 10), ("render", 0))
    lanes = []
    for at_s in (25.0, 25.9, 27.0):
        estimate = estimates_service.estimate(job, USUAL, after(at_s))
        lanes.append(present(job, after(at_s), USUAL, estimate))
    assert drawn(lanes[0]) == [
        ("fetch", "done", 0.0, 10.0),
        ("render", "now", 10.0, 14.0),
        ("upload", "room", 70.0, 30.0),
    ]
    assert lanes[0] == lanes[1], "what is drawn stays until there is something to see"
    assert lanes[2].bars[1].lasts_s == 16.0
    assert lanes[0].bars[1].seconds is None
    assert lanes[0].bars[1].going_since == after(10)
    assert lanes[0].bars[2].started_at is None


def test_of_a_long_stage_the_steps_are_a_hundredth_or_so_of_it() -> None:
    job = timed("processing", 40, ("render", 0))
    seen = {present(job, after(3600 + at)).bars[0].lasts_s for at in range(360)}
    assert len(seen) <= 10
    assert all(3500 < each <= 3960 for each in seen)


def test_a_job_that_was_told_late_goes_on_by_its_own_clock() -> None:
    job = replace(timed("processing", 10, ("fetch", 0)), updated_at=NOON, heard_at=after(3600))
    lane = present(job, after(3610))
    assert drawn(lane) == [("fetch", "now", 0.0, 10.0)]
    assert lane.going_since == after(3600)
    assert lane.bars[0].going_since == after(3600)


def test_a_job_without_stages_is_one_bar_once_it_began() -> None:
    done = replace(timed("completed", 100), finished_at=after(7))
    assert drawn(present(done, after(50))) == [("completed", "done", 0.0, 7.0)]
    assert drawn(present(timed("processing", 5), after(50))) == [("processing", "now", 0.0, 50.0)]
    assert present(replace(JOB, started_at=None), after(50)).bars == ()


def test_clocks_that_ran_backwards_make_no_length_below_nothing() -> None:
    stages = (span("a", 10, 4), span("b", -50, None), span("c", 20, 20))
    job = replace(JOB, status="failed", stages=stages, finished_at=after(-3), created_at=after(99))
    lane = present(job, after(-99))
    assert drawn(lane) == [("a", "done", 10.0, 0.0), ("b", "done", 0.0, 70.0), ("c", "bad", 20.0, 0.0)]
    assert lane.bars[1].seconds is None, "when it ended was not told"
    assert (lane.waited_s, lane.ran_s) == (0.0, 0.0)


def test_unknown_times_are_unknown_and_not_nothing() -> None:
    job = replace(JOB, status="completed", started_at=None, finished_at=None, stages=(span("a", 5, None),))
    lane = present(job, after(99))
    assert drawn(lane) == [("a", "done", 0.0, 0.0)]
    assert (lane.bars[0].seconds, lane.ran_s, lane.started_at) == (None, None, after(5))


def test_a_job_waited_since_its_creation_and_a_later_attempt_since_the_one_before() -> None:
    first = attempt("failed", span("fetch", 0, 4), span("render", 4, 9), ended_s=9)
    second = replace(attempt("processing", span("fetch", 20, None)), attempt=2, started_at=after(20))
    job = replace(JOB, created_at=after(-5), attempt=3, attempts=(first, second), started_at=after(60))
    last, then = earlier(job)
    assert (last.attempt, last.waited_s, then.attempt, then.waited_s) == (2, 11.0, 1, 5.0)
    assert drawn(then) == [("fetch", "done", 0.0, 4.0), ("render", "bad", 4.0, 5.0)]
    assert drawn(last) == [("fetch", "bad", 0.0, 0.0)], "an attempt that was given up did not finish its stage"
    assert present(job, after(61)).waited_s is None
    assert present(replace(job, attempts=(first,)), after(61)).waited_s == 51.0


def test_days_of_daylight_saving_are_as_long_as_the_stages_were() -> None:
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    stages = tuple(StageSpan(f"s{at}", before + timedelta(hours=at), before + timedelta(hours=at + 1)) for at in (0, 1))
    job = replace(JOB, status="completed", started_at=before, stages=stages, finished_at=stages[-1].finished_at)
    assert [bar.lasts_s for bar in present(job, after(0)).bars] == [3600.0, 3600.0]


def test_an_agent_that_never_began_a_job_has_nothing_to_draw(site: Site) -> None:
    create(site, agent="studio")
    flow = workflow_service.of_agent(site, "studio")
    assert (flow.jobs, flow.damaged, flow.figures.jobs, flow.figures.stages) == ((), 0, 0, ())


def test_an_agents_newest_jobs_that_began_are_drawn_newest_first_whatever_became_of_them(site: Site) -> None:
    going, failed, queued, done = (create(site, agent="studio") for _ in range(4))
    tell(site, going, stage="fetch")
    tell(site, failed, stage="fetch")
    tell(site, failed, status="failed", error="no")
    tell(site, done, stage="fetch")
    tell(site, done, status="completed")
    tell(site, create(site, agent="mail"), stage="other")
    flow = workflow_service.of_agent(site, "studio")
    assert [job.number for job, _ in flow.jobs] == [done.number, failed.number, going.number]
    assert queued.number not in [job.number for job, _ in flow.jobs]
    assert [lane.bars[-1].kind for _, lane in flow.jobs] == ["done", "bad", "now"]
    assert (flow.figures.jobs, flow.figures.stages[0].runs, flow.figures.failures) == (3, 3, 1)


def test_a_long_queue_hides_no_job_that_began(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow_service, "TOLD_OF", 5)
    monkeypatch.setattr(workflow_service, "SHOWN", 3)
    begun = [create(site, agent="studio") for _ in range(4)]
    for job in begun:
        tell(site, job, stage="fetch")
    for _ in range(6):
        create(site, agent="studio")
    flow = workflow_service.of_agent(site, "studio")
    assert [job.number for job, _ in flow.jobs] == [job.number for job in reversed(begun[1:])]


def test_a_damaged_job_is_counted_and_the_others_are_drawn(site: Site, store: Store) -> None:
    damaged, whole = create(site, agent="studio"), create(site, agent="studio")
    for job in (damaged, whole):
        tell(site, job, stage="fetch")
    store.redis.set(keys.JOB.at(0, damaged.number), "nonsense")
    flow = workflow_service.of_agent(site, "studio")
    assert ([job.number for job, _ in flow.jobs], flow.damaged) == ([whole.number], 1)


def test_attempts_of_a_real_job_are_told_with_their_stages(site: Site) -> None:
    job = create(site, agent="studio", timestamp=iso(NOON))
    for seconds, fields in (
        (2, {"stage": "fetch"}),
        (5, {"stage": "render"}),
        (9, {"status": "failed", "error": "no"}),
        (30, {"attempt": 2, "stage": "fetch"}),
        (33, {"stage": "render"}),
    ):
        tell(site, job, timestamp=iso(after(seconds)), **fields)
    last = told(site, job, timestamp=iso(after(40)), status="completed")
    lane, (first,) = present(last, after(50)), earlier(last)
    assert drawn(lane) == [("fetch", "done", 0.0, 3.0), ("render", "done", 3.0, 7.0)]
    assert drawn(first) == [("fetch", "done", 0.0, 3.0), ("render", "bad", 3.0, 4.0)]
    assert (first.waited_s, lane.waited_s) == (2.0, 21.0)


def test_a_row_of_history_with_a_hundred_stages_is_drawn_whole(site: Site) -> None:
    stages = [PastStage(f"step {at}", after(at), after(at + 1)) for at in range(100)]
    row = HistoryRow(status="completed", id="old", agent="past", started_at=NOON, finished_at=after(100), stages=stages)
    assert jobs_service.store_rows(site, [row]) == ["applied"]
    ((job, lane),) = workflow_service.of_agent(site, "past").jobs
    assert (len(lane.bars), lane.length_s) == (100, 100.0)
    assert isinstance(job, Job)
