"""Windows of time: whole steps up to now or between two moments, whatever the clocks on the wall do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fields import FieldError
from core.site import Site
from services import windows
from services.windows import DAY_S, HOUR_S, MOST_STEPS, RANGES
from tests.services.sampled_series import at, gauge, means

SWITCHES = tuple(datetime(*when, tzinfo=UTC).timestamp() for when in ((2026, 3, 29, 1), (2026, 10, 25, 1)))
"""When clocks in Berlin go forward, and back."""
NOW = SWITCHES[1] + 90 * 60


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process' own zone is Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("switch", SWITCHES, ids=["forward", "back"])
def test_when_clocks_change_every_hour_is_told_once(site: Site, switch: float) -> None:
    moved, clock = at(site, switch - 3 * HOUR_S)
    for hour in range(6):
        gauge(moved, float(hour))
        clock.now += HOUR_S
    clock.now -= HOUR_S
    span = windows.of_span(switch - 3 * HOUR_S, switch + 3 * HOUR_S, clock.now + 1)
    hourly = windows.Window(span.start, HOUR_S, 6)
    assert means(moved, hourly) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("name", RANGES)
def test_the_day_before_is_twenty_four_hours_earlier_also_when_clocks_change(name: str) -> None:
    window = windows.of_range(name, NOW)
    before = window.earlier(DAY_S)
    assert [there - here for here, there in zip(before.starts, window.starts, strict=True)] == [DAY_S] * window.steps
    assert {later - sooner for sooner, later in zip(window.starts, window.starts[1:], strict=False)} == {window.step_s}
    assert window.end - window.step_s <= NOW < window.end


@settings(max_examples=50)
@given(st.floats(1, 90 * DAY_S), st.floats(1, 90 * DAY_S))
def test_a_span_is_widened_to_whole_steps_and_holds_what_was_asked_for(ago_s: float, lasts_s: float) -> None:
    since, until = NOW - ago_s, min(NOW - ago_s + lasts_s, NOW)
    window = windows.of_span(since, NOW - ago_s + lasts_s, NOW)
    assert window.start <= since
    assert window.end >= until
    assert 1 <= window.steps <= MOST_STEPS + 1
    assert window.start % window.step_s == 0


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [(NOW, NOW - 1, "before to"), (NOW + 1, NOW + 9, "future"), (NOW - 99 * DAY_S, NOW, "last 90 days")],
)
def test_what_is_no_span_is_said_in_words(since: float, until: float, says: str) -> None:
    with pytest.raises(FieldError, match=says):
        windows.of_span(since, until, NOW)
