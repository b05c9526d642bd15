"""Attempts as rows of bars: lengths compare, nothing leaves the axis, whatever the times."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panels._waterfall import MOST_PIECES, Chart, Row, by_clock, by_length, of_job
from services.stage_figures import Lengths
from services.workflow_service import Bar, Lane, present
from tests.timed_jobs import NOON, after, timed


def lane(*seconds: float, waited_s: float | None = None, started_s: float = 0.0) -> Lane:
    """An attempt whose stages took so long each."""
    bars, at = list[Bar](), 0.0
    for number, lasted in enumerate(seconds):
        bars.append(Bar(f"stage {number}", "done", at, lasted, lasted, after(started_s + at)))
        at += lasted
    return Lane(1, "completed", after(started_s), waited_s, at, tuple(bars))


def ends(row: Row) -> list[float]:
    return [piece.x + piece.width for piece in row.pieces]


def test_of_no_rows_there_is_an_axis_and_nothing_on_it() -> None:
    assert by_length([]).rows == ()
    assert by_clock([]) == Chart((), ())
    assert of_job([lane()]).rows[0].pieces == ()


def test_twice_as_long_is_twice_as_wide_in_every_row() -> None:
    chart = by_length([lane(10, 20), lane(40)])
    (short, long), (longest,) = (row.pieces for row in chart.rows)
    assert short.x == longest.x == 0.0
    assert long.width == pytest.approx(2 * short.width, rel=0.02)
    assert longest.width == pytest.approx(4 * short.width, rel=0.02)
    assert [tick.at_s for tick in chart.ticks] == [0, 10, 20, 30, 40]
    assert [tick.x for tick in chart.ticks] == [0.0, 25.0, 50.0, 75.0, 100.0]


@pytest.mark.parametrize("longest_s", [0.0, 0.0042, 0.9, 59.0, 61.0, 3700.0, 90_000.0, 1e9])
def test_an_axis_has_a_few_round_marks_and_its_longest_row_takes_half_of_it_at_least(longest_s: float) -> None:
    ticks = by_length([lane(longest_s)]).ticks
    assert 2 <= len(ticks) <= 6
    assert longest_s <= ticks[-1].at_s
    assert longest_s == 0 or ticks[-1].at_s <= 2 * longest_s
    assert (ticks[0].x, ticks[-1].x) == (0.0, 100.0)


def test_a_wait_stands_before_the_start_and_a_long_one_is_cut() -> None:
    chart = by_length([lane(30, waited_s=3), lane(30, waited_s=3600)])
    short, long = chart.rows
    assert short.wait is not None
    assert long.wait is not None
    assert short.pieces[0].x == long.pieces[0].x == chart.ticks[0].x == 25.0
    assert long.wait.x == 0.0
    assert (short.wait.seconds, long.wait.seconds) == (3, 3600)
    assert short.wait.x + short.wait.width == pytest.approx(25.0, abs=0.2)


def test_waits_too_short_to_see_take_no_room() -> None:
    chart = by_length([lane(30, waited_s=0.05)])
    assert (chart.rows[0].wait, chart.ticks[0].x) == (None, 0.0)


def test_one_job_that_hangs_does_not_hide_the_others() -> None:
    chart = by_length([*(lane(10 + at) for at in range(15)), lane(86_400)])
    assert [row.is_cut for row in chart.rows] == [False] * 15 + [True]
    assert chart.ticks[-1].at_s < 60
    assert ends(chart.rows[-1])[-1] == pytest.approx(100, abs=0.2)
    assert not any(row.is_cut for row in of_job([lane(10), lane(86_400)]).rows)


def test_many_stages_are_drawn_several_as_one_but_each_by_itself_in_its_own_jobs_first_row() -> None:
    rows = of_job([lane(*[1.0] * 100), lane(*[1.0] * 100)]).rows
    assert [len(row.pieces) for row in rows] == [100, 20]
    assert len(rows[1].pieces) <= MOST_PIECES
    assert rows[1].pieces[0].names == tuple(f"stage {at}" for at in range(5))
    assert [rows[1].pieces[0].seconds, rows[1].pieces[0].bar, rows[1].pieces[0].label] == [5.0, None, ""]


def test_a_name_is_written_into_its_bar_as_far_as_it_fits() -> None:
    chart = by_length([lane(90, 9, 3)])
    assert [piece.label for piece in chart.rows[0].pieces] == ["stage 0", "stage…", ""]


def test_the_usual_length_is_on_the_same_scale() -> None:
    bar = Bar("render", "now", 0.0, 50.0, None, NOON, usual=Lengths(25.0, 80.0, 9))
    (piece,) = of_job([Lane(1, "processing", NOON, None, None, (bar,))]).rows[0].pieces
    assert piece.usual == pytest.approx(piece.width / 2, abs=0.2)


def test_by_the_clock_rows_lie_where_they_were() -> None:
    chart = by_clock([lane(60, started_s=120), lane(60), replace(lane(60), started_at=None)])
    late, early = chart.rows
    assert (early.pieces[0].x, late.pieces[0].x) == (0.0, pytest.approx(66.67, abs=0.01))
    assert chart.moments == tuple(after(45.0 * at) for at in range(5))


def test_what_a_chart_draws_says_what_its_legend_tells() -> None:
    job = timed("processing", 10, ("fetch", 5), ("render", 5))
    assert of_job([present(job, after(20))]).kinds == {"done", "now"}
    assert by_length([lane(5, waited_s=5)]).kinds == {"wait", "done"}


moments = st.floats(-1e8, 1e8)
lengths_s = st.floats(0, 1e9)


@st.composite
def lanes(draw: st.DrawFn) -> Lane:
    bars = draw(
        st.lists(st.builds(Bar, st.text(max_size=5), st.just("done"), lengths_s, lengths_s, lengths_s | st.none()))
    )
    start = draw(st.none() | moments.map(lambda at: NOON + timedelta(seconds=at)))
    return Lane(1, "completed", start, draw(st.none() | lengths_s), None, tuple(bars))


@settings(max_examples=25)
@given(st.lists(lanes(), max_size=6))
def test_nothing_leaves_the_axis_whatever_the_times(some: list[Lane]) -> None:
    for chart in (by_length(some), of_job(some), by_clock(some)):
        for row in chart.rows:
            for piece in row.drawn:
                assert 0 <= piece.x <= 100
                assert piece.width > 0
                assert piece.x + piece.width <= 100.02
        assert all(isinstance(moment, datetime) for moment in chart.moments)
        assert len(chart.ticks) <= 6
