"""Quiet hours by the clocks of a zone, and what changes of those do to them."""

from __future__ import annotations

from datetime import datetime

import pytest

from core.config import Quiet
from services.quiet_hours import ends

NIGHT = Quiet("22:00", "07:00", "Europe/Berlin")
NOON = Quiet("12:00", "13:30", "Europe/Berlin")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        (NIGHT, "2026-11-21T21:59:59+01:00", None),
        (NIGHT, "2026-11-21T22:00:00+01:00", "2026-11-22T07:00:00+01:00"),
        (NIGHT, "2026-11-22T06:59:59+01:00", "2026-11-22T07:00:00+01:00"),
        (NIGHT, "2026-11-22T07:00:00+01:00", None),
        (NOON, "2026-11-22T11:59:00+01:00", None),
        (NOON, "2026-11-22T12:30:00+01:00", "2026-11-22T13:30:00+01:00"),
        (NOON, "2026-11-22T13:30:00+01:00", None),
        (Quiet("22:00", "07:00", "America/Los_Angeles"), "2026-11-22T06:30:00Z", "2026-11-22T15:00:00Z"),
        (Quiet("22:00", "07:00"), "2026-11-22T06:30:00Z", "2026-11-22T07:00:00Z"),
        (None, "2026-11-22T06:30:00Z", None),
    ],
)
def test_quiet_hours_go_by_the_clocks_of_their_zone(quiet: Quiet | None, now: str, end: str | None) -> None:
    assert ends(quiet, at(now)) == (None if end is None else at(end))


def test_the_night_in_which_clocks_go_back_is_an_hour_longer() -> None:
    assert ends(NIGHT, at("2026-10-24T22:00:00+02:00")) == at("2026-10-25T07:00:00+01:00")
    assert at("2026-10-25T07:00:00+01:00") - at("2026-10-24T22:00:00+02:00") == 10 * 3600


def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter() -> None:
    assert ends(NIGHT, at("2027-03-27T22:00:00+01:00")) == at("2027-03-28T07:00:00+02:00")


def test_an_end_that_clocks_skip_and_one_that_comes_twice_are_each_one_moment() -> None:
    skipped = Quiet("22:00", "02:30", "Europe/Berlin")
    end = ends(skipped, at("2027-03-28T01:59:00+01:00"))
    assert end == at("2027-03-28T03:30:00+02:00")
    assert ends(skipped, end) is None
    assert ends(skipped, at("2026-10-25T02:29:59+02:00")) == at("2026-10-25T02:30:00+02:00")
    assert ends(skipped, at("2026-10-25T02:15:00+01:00")) is None  # the second quarter past two
