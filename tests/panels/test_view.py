"""What a reader of charts chose: how it is named, how often it is asked for, and what it comes to at a moment."""

from __future__ import annotations

import pytest

from panels import USUAL, Choice
from panels._view import USUALS
from services.windows import RANGES, Window
from tests.panels.boards import NOON

MORNING = Window(int(NOON) - 7200, 60, 60)


def test_a_range_moves_on_with_the_time_and_a_span_stays() -> None:
    assert USUAL.view(NOON).window.end == NOON + 60
    assert USUAL.view(NOON + 3600).window.end == NOON + 3660
    assert Choice(MORNING).view(NOON).window == Choice(MORNING).view(NOON + 3600).window == MORNING


@pytest.mark.parametrize(("compare", "days"), [("day", 1), ("week", 7)])
@pytest.mark.parametrize("name", RANGES)
def test_the_span_compared_with_has_the_same_steps_so_many_days_before(name: str, compare: str, days: int) -> None:
    view = Choice(name, compare).view(NOON)  # type: ignore[arg-type]
    before = view.before
    assert before is not None
    assert (before.step_s, before.steps) == (view.window.step_s, view.window.steps)
    assert view.window.start - before.start == days * 86_400
    assert before.start % before.step_s == 0


def test_what_links_alone_can_choose_has_a_short_name_of_its_own() -> None:
    marks = [choice.mark for choice in USUALS]
    assert len(set(marks)) == len(marks) == 3 * len(RANGES)
    assert Choice("6h", "day").mark == "6h-day"
    assert Choice("1h", "day").mark == "1h-day"
    assert USUAL.mark == ""
    assert all(choice.usual for choice in USUALS)


def test_anything_else_is_named_by_its_address() -> None:
    span = Choice(MORNING, "week", "a & b")
    assert not span.usual
    assert span.query == "from=2026-11-21T10:00:00Z&to=2026-11-21T11:00:00Z&compare=week&agent=a+%26+b"
    assert span.mark == span.query
    assert not Choice("6h", agent="studio").usual


def test_longer_steps_are_asked_for_more_seldom_and_kept_for_longer() -> None:
    assert [Choice(name).every(5) for name in RANGES] == [5, 5, 10, 30, 120, 300]
    assert [Choice(name).fresh_s(NOON) for name in RANGES] == [0.0, 0.0, 5.0, 15.0, 60.0, 60.0]


def test_a_span_that_is_over_is_past_and_a_range_never_is() -> None:
    assert Choice(MORNING).past(NOON)
    assert not Choice(MORNING).past(NOON - 3601)
    assert Choice(MORNING).fresh_s(NOON) > 1
    assert not USUAL.past(NOON)
