"""How figures, sizes, durations and times are said, at their borders above all."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panels import _words as words

UNITS = {
    "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9,
    "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0,
}  # fmt: skip
NOON = datetime(2026, 11, 21, 11, 20, 41, 250_000, UTC)


def meant(text: str) -> float:
    """The number that the words say."""
    parts = re.findall(r"(-?[\d,]+(?:\.\d+)?) ?([A-Za-z]*)", text)
    return sum(float(number.replace(",", "")) * UNITS[unit] for number, unit in parts)


def short(number: float) -> str:
    return " ".join(words.short(number)).strip()


@pytest.mark.parametrize("number,text", [
    (0, "0"), (7, "7"), (99_999, "99,999"), (99_999.4, "99,999"), (99_999.5, "100.0 k"), (100_000, "100.0 k"),
    (284_311, "284.3 k"), (999_949, "999.9 k"), (999_960, "1.000 M"), (999_999, "1.000 M"), (1_284_311, "1.284 M"),
    (9_999_499, "9.999 M"), (9_999_600, "10.00 M"), (12_345_678, "12.35 M"), (99_996_000, "100.0 M"),
    (999_960_000, "1.000 G"), (1e9, "1.000 G"), (999.96e9, "1.000 T"), (2.5e12, "2.500 T"), (2.5e15, "2,500 T"),
])  # fmt: skip
def test_a_large_figure_has_four_digits_and_its_unit(number: float, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize("number,text", [
    (0, "0.00"), (0.004, "0.004"), (0.00999, "0.010"), (0.01, "0.01"), (0.42, "0.42"), (1.93, "1.93"), (9.994, "9.99"),
    (9.996, "10.0"), (24.8, "24.8"), (99.94, "99.9"), (99.96, "100"), (312.4, "312"), (999.6, "1,000"), (-9.996, "-10.0"),
])  # fmt: skip
def test_a_figure_has_three_digits_that_mean_something(number: float, text: str) -> None:
    assert words.figure(number) == text


@pytest.mark.parametrize("number,text", [(0, "0"), (999, "999"), (1_284_311, "1,284,311"), (1_234.6, "1,235")])
def test_a_count_stands_in_full(number: float, text: str) -> None:
    assert words.count(number) == text


@pytest.mark.parametrize(
    "number,text", [(0, "0.0"), (66.67, "66.7"), (98.64, "98.6"), (99.96, "99.9"), (99.9999, "99.9"), (100, "100")]
)
def test_a_percentage_is_never_rounded_up_to_100(number: float, text: str) -> None:
    assert words.percent(number) == text


def test_a_percentage_of_whole_tenths_is_said_as_it_is() -> None:
    assert [words.percent(tenths / 10) for tenths in range(1000)] == [f"{tenths / 10:.1f}" for tenths in range(1000)]


@pytest.mark.parametrize("number,text", [
    (0, "0 B"), (812, "812 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_960, "1.0 MB"),
    (1_340_000, "1.3 MB"), (999_960_000, "1.0 GB"), (5_000_000_000, "5.0 GB"),
])  # fmt: skip
def test_bytes_are_said_in_the_unit_that_they_are_rounded_to(number: float, text: str) -> None:
    assert words.size(number) == text


@pytest.mark.parametrize("seconds,text", [
    (-5, "0 ms"), (0, "0 ms"), (0.084, "84 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (8.2, "8.2 s"), (59.94, "59.9 s"),
    (59.96, "1 min"), (60, "1 min"), (390, "6 min 30 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h"), (7500, "2 h 5 min"),
    (86_399.6, "1 d"), (86_400 * 3 + 4 * 3600, "3 d 4 h"),
])  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize("number,text", [
    (0, "±0"), (0.0004, "±0"), (-0.0004, "±0"), (0.4, "+0.40"), (-0.1, "−0.10"), (-9.996, "−10.0"), (120, "+120"),
])  # fmt: skip
def test_a_change_has_its_sign_unless_it_is_none(number: float, text: str) -> None:
    assert words.signed(number) == text


@pytest.mark.parametrize("word", [words.count, words.figure, words.percent, words.span])
def test_what_is_not_known_is_a_dash(word: Callable[[None], str]) -> None:
    assert word(None) == words.NONE
    assert words.short(None) == (words.NONE, "")


BOUNDED = [
    (short, 7, 999e12), (words.figure, 5, 9_999), (words.size, 8, 999.9e9), (words.span, 13, 86_400 * 999), (words.percent, 4, 100),
]  # fmt: skip


@pytest.mark.parametrize("say,most,largest", BOUNDED, ids=["short", "figure", "size", "span", "percent"])
@given(data=st.data())
def test_the_words_keep_to_their_room_and_never_fall_as_the_number_rises(
    say: Callable[[float], str], most: int, largest: float, data: st.DataObject
) -> None:
    near = st.sampled_from([10.0**n for n in range(-3, 15)] + [60.0, 3600.0, 86_400.0])
    border = st.builds(lambda at, by: min(at * by, largest), near, st.floats(0.999, 1.001))
    numbers = st.floats(0, largest) | border
    less, more = sorted((data.draw(numbers), data.draw(numbers)))
    assert len(say(less)) <= most
    assert len(say(more)) <= most
    assert meant(say(less)) <= meant(say(more))


@pytest.mark.parametrize("time", [
    NOON, NOON.timestamp(), "2026-11-21T11:20:41.250Z", NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
])  # fmt: skip
def test_a_time_is_said_in_utc_however_it_is_given(time: datetime | float | str) -> None:
    assert words.iso(time) == "2026-11-21T11:20:41.250Z"
    assert words.utc(time) == "21 Nov 2026, 11:20:41 UTC"


@pytest.mark.parametrize("time,year", [(-1e18, "0001"), (1e18, "9999"), (float("inf"), "9999")])
def test_a_time_that_no_calendar_has_is_said_as_the_nearest_that_one_has(time: float, year: str) -> None:
    assert words.iso(time).startswith(year)
