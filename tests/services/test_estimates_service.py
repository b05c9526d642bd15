"""What is to be expected of a job, at a frozen clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from unittest.mock import patch

import msgspec
import pytest
from redis.client import Pipeline

from core import keys
from core.site import Site
from services import estimates_service, jobs_service
from services.estimates_service import Estimate, Left, estimate
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job
from services.job_rules import NewJob, Update
from services.stage_times import NOTHING, Usual
from tests.timed_jobs import NOON, after, timed

STEADY = Usual(
    ("fetch", "render", "upload"),
    {"fetch": (9.0, 10.0, 11.0), "render": (58.0, 60.0, 62.0), "upload": (29.0, 30.0, 31.0)},
)
RENDERING = timed("processing", 40, ("fetch", 10), ("render", 20))


def left(one: Estimate) -> Left:
    assert one.left is not None
    return one.left


def in_s(moment: datetime) -> float:
    return (moment - NOON).total_seconds()


def test_the_end_is_what_is_left_of_the_stage_and_the_usual_stages_after_it() -> None:
    found = left(estimate(RENDERING, STEADY, after(30)))
    assert in_s(found.likely) == pytest.approx(10 + 60 + 30)
    assert in_s(found.earliest) < in_s(found.likely) < in_s(found.latest)
    assert found.sure == "figure"


def test_it_stays_where_it_is_while_all_goes_as_usual() -> None:
    ends = [left(estimate(RENDERING, STEADY, after(at))).likely for at in (10, 30, 60)]
    assert len(set(ends)) == 1


def test_a_stage_that_outlasts_its_short_runs_is_measured_by_the_longer_ones() -> None:
    usual = Usual(("render",), {"render": (10.0, 10.0, 10.0, 100.0, 100.0, 100.0)})
    early, late = (left(estimate(timed("processing", 5, ("render", at)), usual, after(at))) for at in (2, 20))
    assert in_s(early.likely) == 55
    assert early.sure == "range"
    assert in_s(late.likely) == 100
    assert late.sure == "figure"


def test_durations_that_differ_much_make_a_range() -> None:
    usual = Usual(("a", "b"), {"a": (1.0, 1.0, 1.0), "b": (60.0, 120.0, 240.0, 300.0)})
    found = left(estimate(timed("processing", 5, ("a", 0.5)), usual, after(0.5)))
    assert found.sure == "range"
    assert in_s(found.earliest) < 100 < 200 < in_s(found.latest)


def test_one_run_before_makes_a_guess() -> None:
    usual = Usual(("a",), {"a": (60.0,)})
    assert left(estimate(timed("processing", 5, ("a", 10)), usual, after(10))).sure == "guess"


def test_a_stage_longer_than_it_ever_was_is_late_and_tells_no_end() -> None:
    found = estimate(timed("processing", 40, ("fetch", 10), ("render", 200)), STEADY, after(210))
    assert found.left is None
    assert found.is_late


def test_one_shorter_run_before_does_not_make_a_stage_late() -> None:
    found = estimate(timed("processing", 40, ("a", 10)), Usual(("a",), {"a": (0.004,)}), after(10))
    assert not found.is_late
    assert left(found).sure == "guess"


def test_a_stage_that_comes_again_is_not_followed_by_what_was_passed() -> None:
    usual = Usual(("scan", "fix", "sign"), {"scan": (5.0,) * 3, "fix": (10.0,) * 3, "sign": (1.0,) * 3})
    again = timed("processing", 1, ("scan", 5), ("fix", 10), ("scan", 1))
    found = estimate(again, usual, after(16))
    assert [step.name for step in found.steps] == ["scan", "fix", "scan", "sign"]
    assert in_s(left(found).likely) == 15 + 5 + 1


@pytest.mark.parametrize(
    "usual",
    [
        NOTHING,
        Usual(("fetch", "other"), STEADY.lasted),
        Usual(("fetch", "render"), {"fetch": (10.0,)}),
        Usual(("render", "new"), {"render": (60.0,)}),
    ],
    ids=["no history", "another order", "the stage was never passed", "a stage to come was never passed"],
)
def test_where_history_does_not_tell_its_own_progress_is_a_guess(usual: Usual) -> None:
    found = estimate(RENDERING, usual, after(30))
    assert found.steps == ()
    assert in_s(left(found).likely) == pytest.approx(30 + 30 * 60 / 40)
    assert left(found).sure == "guess"


@pytest.mark.parametrize("progress", [0.0, 1.0, 100.0])
def test_too_little_progress_tells_nothing(progress: float) -> None:
    assert estimate(timed("processing", progress, ("a", 60)), NOTHING, after(60)).left is None


def test_a_guess_that_did_not_come_true_is_taken_back() -> None:
    assert estimate(RENDERING, NOTHING, after(60)).left is not None
    assert estimate(RENDERING, NOTHING, after(80)).left is None


def test_an_end_beyond_all_measure_is_not_told() -> None:
    assert estimate(timed("processing", 2, ("a", 30 * 86_400)), NOTHING, after(30 * 86_400)).left is None
    assert estimate(timed("processing", 2, ("a", 1)), Usual(("a",), {"a": (1e12,)}), after(1)).left is None


@pytest.mark.parametrize(("at", "stalled"), [(329, False), (330, True), (86_400, True)])
def test_a_job_without_an_update_for_five_minutes_is_stalled(at: float, stalled: bool) -> None:
    found = estimate(RENDERING, NOTHING, after(at))
    assert found.stalled_since == (RENDERING.updated_at if stalled else None)


@pytest.mark.parametrize(("at", "stalled"), [(1200, False), (2500, True)])
def test_a_stage_that_often_takes_long_is_given_twice_that(at: float, stalled: bool) -> None:
    usual = Usual(("fetch", "render"), {"fetch": (10.0,) * 5, "render": (100.0, 600.0, 1200.0, 1200.0, 1200.0)})
    assert (estimate(RENDERING, usual, after(at)).stalled_since is not None) is stalled


def test_only_a_job_that_is_processed_is_estimated() -> None:
    failed = estimate(replace(RENDERING, status="failed"), STEADY, after(10_000))
    assert (failed.left, failed.stalled_since, failed.is_late) == (None, None, False)
    assert [step.name for step in failed.steps] == ["fetch", "render", "upload"]


def late_by(hours: float) -> Job:
    """The same job, told by a clock that is so far behind."""
    moved = timedelta(hours=-hours)
    stages = tuple(
        replace(span, started_at=span.started_at + moved, finished_at=span.finished_at and span.finished_at + moved)
        for span in RENDERING.stages
    )
    return replace(
        RENDERING, stages=stages, started_at=NOON + moved, updated_at=RENDERING.updated_at + moved, heard_at=RENDERING.updated_at
    )  # fmt: skip


def test_a_clock_that_is_behind_changes_nothing_of_what_is_expected() -> None:
    for at in (30, 60, 400):
        right, behind = estimate(RENDERING, STEADY, after(at)), estimate(late_by(1), STEADY, after(at))
        assert behind.left == right.left
        assert behind.stalled_since == right.stalled_since
        assert (behind.is_late, behind.share) == (right.is_late, right.share)


@pytest.mark.parametrize("usual", [STEADY, NOTHING])
@pytest.mark.parametrize("at", [-86_400.0, 0.0, 29.9, 30.0, 1e9])
def test_the_sites_own_clock_may_jump(usual: Usual, at: float) -> None:
    found = estimate(RENDERING, usual, after(at))
    if found.left:
        assert after(at) <= found.left.earliest <= found.left.likely <= found.left.latest < after(1e7)
    assert found.share is None or 0 <= found.share <= 1


def test_stages_that_took_no_time_divide_by_nothing() -> None:
    usual = Usual(("a", "b"), {"a": (0.0, 0.0), "b": (0.0,)})
    assert estimate(timed("processing", 50, ("a", 0)), usual, after(0)).share == 0


@pytest.fixture
def frozen(site: Site) -> Callable[[float], Site]:
    """The site at so many seconds from now."""
    start = site.clock()
    return lambda seconds: replace(site, clock=lambda: start + seconds)


def processing(site: Site, agent: str, stage: str) -> int:
    job = jobs_service.create(site, NewJob(agent=agent)).job
    assert job is not None
    jobs_service.update(site, JobRef(number=job.number), Update(stage=stage))
    return job.number


def remember(site: Site, agent: str, **lasted_ms: list[int]) -> None:
    packed = {stage: msgspec.msgpack.encode(each) for stage, each in lasted_ms.items()}
    site.store.raw.hset(keys.STAGE_TIMES.at(0, agent), mapping={"": msgspec.msgpack.encode(list(lasted_ms)), **packed})


def test_all_jobs_are_estimated_in_one_round_trip(site: Site, frozen: Callable[[float], Site]) -> None:
    numbers = [processing(site, f"agent {at % 7}", "render") for at in range(30)]
    for at in range(7):
        remember(site, f"agent {at}", render=[60_000] * 5, upload=[30_000] * 5)
    jobs = jobs_service.page(site, status="processing").items
    with patch.object(Pipeline, "execute", autospec=True, side_effect=Pipeline.execute) as execute:
        found = estimates_service.of(frozen(1.0), [*jobs, DamagedJob(99)])
    assert execute.call_count == 1
    assert sorted(found) == numbers
    assert {len(each.steps) for each in found.values()} == {2}
    assert all(each.left and each.left.sure == "figure" for each in found.values())


def test_without_jobs_the_store_is_not_asked(site: Site) -> None:
    with patch.object(Pipeline, "execute", autospec=True) as execute:
        assert estimates_service.of(site, []) == {}
    assert execute.call_count == 0


@pytest.mark.parametrize("bytes_", [b"", b"\xc1", b"\x93\xa1a\x01\x02", b"\xff" * 40])
def test_what_cant_be_read_is_as_if_it_were_not_there(site: Site, bytes_: bytes) -> None:
    processing(site, "studio", "render")
    site.store.raw.hset(keys.STAGE_TIMES.at(0, "studio"), mapping={"": bytes_, b"render": bytes_, b"\xff": bytes_})
    jobs = jobs_service.page(site).items
    assert [found.steps for found in estimates_service.of(site, jobs).values()] == [()]
    site.store.raw.delete(keys.STAGE_TIMES.at(0, "studio"))
    site.store.raw.set(keys.STAGE_TIMES.at(0, "studio"), b"no hash")
    assert [found.steps for found in estimates_service.of(site, jobs).values()] == [()]


def test_the_stages_of_real_runs_tell_the_next_one(site: Site) -> None:
    for _ in range(3):
        job = jobs_service.create(site, NewJob(agent="studio")).job
        assert job is not None
        for change in (Update(stage="fetch"), Update(stage="render"), Update(status="completed")):
            jobs_service.update(site, JobRef(number=job.number), change)
    number = processing(site, "studio", "fetch")
    (found,) = estimates_service.of(site, jobs_service.page(site, status="processing").items).items()
    assert found[0] == number
    assert [step.name for step in found[1].steps] == ["fetch", "render"]
