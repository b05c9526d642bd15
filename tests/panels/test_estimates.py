"""What is to be expected of a job, in words."""

from __future__ import annotations

import pytest

from panels._estimates import outlook, says
from services.estimates_service import Estimate, Left, Sure, estimate
from services.stage_times import Usual
from tests.timed_jobs import JOB, NOON, after, timed

NOW = NOON.timestamp()


def left(sure: Sure, low: float, likely: float, high: float) -> str:
    return says(Estimate(left=Left(after(low), after(likely), after(high), sure)), NOW)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-50, "a moment left"),
        (3, "a moment left"),
        (4.2, "about 5 s left"),
        (42, "about 40 s left"),
        (57.4, "about 55 s left"),
        (58, "about 1 min left"),
        (175, "about 3 min left"),
        (22 * 60, "about 20 min left"),
        (59 * 60, "about 1 h left"),
        (95 * 60, "about 1.5 h left"),
        (11.2 * 3600, "about 11 h left"),
        (50 * 3600, "about 2 d left"),
    ],
)
def test_an_end_that_is_near_is_a_figure_as_coarse_as_one_would_say_it(seconds: float, words: str) -> None:
    assert left("figure", seconds, seconds, seconds) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (130, 290, "2–5 min left"),
        (20, 41, "20–40 s left"),
        (40, 170, "40 s to 3 min left"),
        (1, 20, "up to 20 s left"),
        (170, 185, "about 3 min left"),
        (-20, 2, "a moment left"),
    ],
)
def test_an_end_that_is_not_so_sure_is_a_range(low: float, high: float, words: str) -> None:
    assert left("range", low, (low + high) / 2, high) == words


def test_a_guess_says_that_it_is_one() -> None:
    assert left("guess", 170, 170, 170) == "rough guess: 3 min left"


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert says(Estimate(), NOW) == ""
    assert says(Estimate(is_late=True), NOW) == "longer than usual"


def test_a_job_that_stands_still_has_no_end() -> None:
    usual = Usual(("render",), {"render": (4000.0,) * 5})
    going = timed("processing", 10, ("render", 10))
    soon, late = (outlook(going, estimate(going, usual, after(at)), after(at).timestamp()) for at in (20, 9000))
    assert (soon.left, soon.stalled_since) == ("about 1 h left", None)
    assert (late.left, late.stalled_since) == ("", going.updated_at)


def test_a_queued_job_has_its_bar_alone() -> None:
    seen = outlook(JOB, None, NOW)
    assert (seen.left, seen.stalled_since, seen.since) == ("", None, None)
    assert [part.kind for part in seen.track] == ["room"]
