"""A job's bar: a segment a stage, and never wider than the whole, whatever the stages."""

from __future__ import annotations

from itertools import pairwise

import pytest

from panels._track import Segment, segments
from services import estimates_service
from services.job_model import Job
from services.job_rules import Status
from services.stage_times import Usual
from tests.timed_jobs import after, timed

ROOM = Segment("", 0.0, 100.0, "room")
USUAL = Usual(("fetch", "render", "upload"), {"fetch": (10.0,), "render": (60.0,), "upload": (30.0,)})


def job(status: Status, progress: float, *seconds: float) -> Job:
    """A job whose stages took so long each; the last one goes on where the job does."""
    return timed(status, progress, *((f"stage {at}", lasted) for at, lasted in enumerate(seconds)))


def filled(drawn: tuple[Segment, ...]) -> list[Segment]:
    return [part for part in drawn if part.kind != "room"]


def planned(one: Job, usual: Usual = USUAL, *, at_s: float = 30.0) -> tuple[Segment, ...]:
    return segments(one, estimates_service.estimate(one, usual, after(at_s)))


@pytest.mark.parametrize("lasted", [(1.0,), (0.15, 0.9, 0.0), (0.0,) * 3, (1e-3,) * 100, (3600.0, *(0.01,) * 99)])
@pytest.mark.parametrize("progress", [2.0, 49.5, 100.0])
def test_it_ends_where_the_progress_does_however_many_stages_there_are(
    lasted: tuple[float, ...], progress: float
) -> None:
    drawn = filled(segments(job("completed" if progress == 100 else "processing", progress, *lasted)))
    assert drawn[-1].x + drawn[-1].width == pytest.approx(progress, abs=0.02)
    assert len(drawn) == len(lasted)
    assert all(part.width > 0 for part in drawn)
    assert all(left.x + left.width <= right.x + 0.011 for left, right in pairwise(drawn))


def test_a_stage_is_as_wide_as_it_took_long_and_a_short_one_is_still_seen() -> None:
    long, middle, short = filled(segments(job("completed", 100, 60, 30, 0)))
    assert long.width == pytest.approx(2 * middle.width, rel=0.03)
    assert short.width >= 1


def test_the_last_stage_says_how_the_job_stands() -> None:
    assert [part.kind for part in filled(segments(job("failed", 40, 1, 1)))] == ["done", "bad"]
    assert [part.kind for part in filled(segments(job("processing", 40, 1, 1)))] == ["done", "now"]
    assert [part.kind for part in filled(segments(job("completed", 100, 1, 1)))] == ["done", "done"]


def test_without_stages_it_is_one_bar_or_none() -> None:
    assert segments(job("queued", 0)) == (ROOM,)
    assert segments(job("failed", 30)) == (ROOM, Segment("failed", 0.0, 30, "bad"))


def test_stages_to_come_are_room_each_as_wide_as_it_usually_takes() -> None:
    drawn = planned(timed("processing", 40, ("fetch", 10), ("render", 20)))
    rooms = [part for part in drawn if part.kind == "room"]
    assert [part.name for part in rooms] == ["fetch", "render", "upload"]
    assert rooms[1].width == pytest.approx(2 * rooms[2].width, rel=0.02)
    assert rooms[-1].x + rooms[-1].width == pytest.approx(100, abs=0.02)
    assert [(part.name, part.kind) for part in filled(drawn)] == [("fetch", "done"), ("render", "now")]


@pytest.mark.parametrize(("progress", "share"), [(1.0, 0.08), (40.0, 0.5), (99.0, 0.92)])
def test_the_present_stage_is_filled_up_to_the_progress_within_its_own_room(progress: float, share: float) -> None:
    drawn = planned(timed("processing", progress, ("fetch", 10), ("render", 20)))
    room, now = drawn[1], drawn[-1]
    assert now.x == room.x
    assert now.width == pytest.approx(share * room.width, rel=0.03)


def test_a_job_that_tells_no_progress_fills_its_stage_by_time() -> None:
    one = timed("processing", 0, ("fetch", 10), ("render", 15))
    widths = [planned(one, at_s=at)[-1].width for at in (25, 26, 40, 69, 1e6)]
    room = planned(one)[1]
    assert widths[0] == widths[1] == pytest.approx(0.25 * room.width, rel=0.02), "it moves in steps"
    assert widths == sorted(widths)
    assert widths[-1] < room.width


def test_a_failed_job_shows_what_it_did_not_reach() -> None:
    drawn = planned(timed("failed", 40, ("fetch", 10), ("render", 20)))
    assert [part.kind for part in drawn] == ["room", "room", "room", "done", "bad"]


def test_a_stage_out_of_the_usual_order_draws_the_progress_alone() -> None:
    assert planned(timed("processing", 40, ("other", 10)))[0] == ROOM
