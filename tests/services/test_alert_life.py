"""How an alert goes on, at moments that the tests name."""

from __future__ import annotations

import pytest

from services import alert_life
from services.alert_life import FLAPS, STEADY_S, Reading, Step, advance, begin
from services.alert_model import Record
from tests.services.alert_rules import rule

BEGAN = 1_000_000.0
UNKNOWN = None
Looks = list[tuple[float, float | None]]
"""When, in seconds after BEGAN, and what was read then; None where there was nothing to read."""


def go(looks: Looks, **fields: object) -> list[Step]:
    """The steps of a rule on more than 10 waiting jobs."""
    watched = rule('kind = "queue_depth", above = 10, clear = 5', **fields)
    record, steps = begin(BEGAN), []
    for at, value in looks:
        reading = Reading(unknown="its source is away") if value is None else Reading(value)
        steps.append(advance(watched, record, reading, BEGAN + at))
        record = steps[-1].record
    return steps


def every(step_s: float, until_s: float, value: float | None, since_s: float = 0) -> Looks:
    return [(since_s + at * step_s, value) for at in range(int((until_s - since_s) / step_s) + 1)]


@pytest.mark.parametrize(("name", "looks", "fields", "states", "tells"), [
    ("fires at once without for", [(0, 11)], {}, ["firing"], ["fired"]),
    ("at the bound itself is fine", [(0, 10)], {}, ["ok"], [None]),
    ("is pending for as long as for", [(0, 11), (5, 11), (9.9, 11), (10, 11)], {"for_": "10s"},
     ["pending", "pending", "pending", "firing"], [None, None, None, "fired"]),
    ("begins anew when it was fine between", [(0, 11), (5, 3), (6, 11), (15, 11), (16, 11)], {"for_": "10s"},
     ["pending", "ok", "pending", "pending", "firing"], [None, None, None, None, "fired"]),
    ("is over when it was fine for keep", [(0, 11), (5, 4), (34, 4), (35, 4)], {"keep": "30s"},
     ["firing", "firing", "firing", "ok"], ["fired", None, None, "over"]),
    ("starts keep anew when it is too much between", [(0, 11), (5, 4), (20, 11), (25, 4), (54, 4), (55, 4)],
     {"keep": "30s"}, ["firing"] * 5 + ["ok"], ["fired", None, None, None, None, "over"]),
    ("stays firing between clear and above", [(0, 11), (5, 6), (50, 6), (55, 5), (56, 5), (60, 5)], {"keep": "5s"},
     ["firing", "firing", "firing", "firing", "firing", "ok"], ["fired", None, None, None, None, "over"]),
    ("between clear and above never begins", [(0, 6), (60, 10)], {}, ["ok", "ok"], [None, None]),
    ("what is unknown keeps a state", [(0, 11), (5, UNKNOWN), (60, UNKNOWN), (65, 11)], {},
     ["firing"] * 4, ["fired", None, None, None]),
    ("what is unknown from the start is fine", [(0, UNKNOWN), (5, UNKNOWN)], {}, ["ok", "ok"], [None, None]),
    ("time in which nothing is known does not count for for", [(0, 11), (5, 11), (10, UNKNOWN), (15, UNKNOWN), (20, 11), (25, 11)],
     {"for_": "10s"}, ["pending"] * 4 + ["firing"] * 2, [None, None, None, None, "fired", None]),
    ("nor for keep", [(0, 11), (5, 1), (20, UNKNOWN), (40, UNKNOWN), (44, 1), (60, 1)], {"keep": "20s"},
     ["firing"] * 5 + ["ok"], ["fired", None, None, None, None, "over"]),
    ("nor does time in which nobody looked", [(0, 11), (600, 11), (609, 11), (610, 11)], {"for_": "10s"},
     ["pending", "pending", "pending", "firing"], [None, None, None, "fired"]),
])  # fmt: skip
def test_an_alert(
    name: str, looks: Looks, fields: dict[str, object], states: list[str], tells: list[str | None]
) -> None:
    steps = go(looks, **fields)
    assert [step.record.state for step in steps] == states, name
    assert [step.tell for step in steps] == tells, name


def test_it_says_that_nothing_is_known_and_keeps_the_last_figure() -> None:
    *_, last = go([(0, 11), (5, UNKNOWN)])
    assert (last.record.unknown, last.record.value) == ("its source is away", 11)
    (*_, after) = go([(0, 11), (5, UNKNOWN), (10, 12)])
    assert (after.record.unknown, after.record.value) == (None, 12)


def test_a_rate_of_nothing_is_fine() -> None:
    watched = rule('kind = "failure_rate", above = 5', keep="1s")
    firing = advance(watched, begin(BEGAN), Reading(50.0), BEGAN).record
    fine = advance(watched, firing, Reading(None), BEGAN + 5).record
    assert advance(watched, fine, Reading(None), BEGAN + 10).record.state == "ok"


def test_it_tells_since_when_and_when_it_fired() -> None:
    steps = go([(0, 11), (5, 11), (10, 11)], for_="10s")
    assert steps[-1].record.since == BEGAN
    assert steps[-1].record.fired_at == BEGAN + 10


def test_a_clock_that_is_set_back_begins_nothing_in_the_future() -> None:
    *_, last = go([(0, 11), (-3600, 11)], for_="10m")
    assert last.record.since == BEGAN - 3600
    assert [
        step.record.state for step in go([(0, 11), (-3600, 11), (-3000, 11), (-2950, 11), (-2890, 11)], for_="10m")
    ][-1] == "pending"


def muted(steps_at: Looks, until_s: float, **fields: object) -> list[Step]:
    watched = rule('kind = "queue_depth", above = 10', keep="1s", **fields)
    record, steps = Record("ok", BEGAN, BEGAN, muted_until=BEGAN + until_s), []
    for at, value in steps_at:
        steps.append(advance(watched, record, Reading(value), BEGAN + at))
        record = steps[-1].record
    return steps


def test_a_muted_one_fires_and_is_over_in_silence() -> None:
    steps = muted([(0, 11), (5, 1), (10, 1), (60, 1)], until_s=30)
    assert [step.happened for step in steps] == [("fired",), (), ("over",), ()]
    assert [step.tell for step in steps] == [None] * 4


def test_what_still_fires_when_its_mute_has_run_out_is_told_then() -> None:
    steps = muted([(0, 11), (25, 11), (30, 11), (35, 11)], until_s=30)
    assert [step.tell for step in steps] == [None, None, "fired", None]
    assert steps[2].record.muted_until is None


def test_what_was_over_while_it_was_muted_is_told_when_its_firing_was() -> None:
    firing = go([(0, 11)])[0].record
    watched = rule('kind = "queue_depth", above = 10', keep="1s")
    record = Record(**{**{name: getattr(firing, name) for name in firing.__struct_fields__}, "muted_until": BEGAN + 30})
    tells = []
    for at in (5, 10, 35):
        step = advance(watched, record, Reading(1.0), BEGAN + at)
        record = step.record
        tells.append(step.tell)
    assert tells == [None, None, "over"]


def to_and_fro(until_s: float) -> Looks:
    """Too much for two looks, fine for two, and so on."""
    return [(5.0 * at, 1.0 if at // 2 % 2 else 11.0) for at in range(int(until_s / 5))]


def test_one_that_fires_and_is_over_again_and_again_tells_that_once_and_then_nothing() -> None:
    steps = go(to_and_fro(200), keep="1ms")
    tells = [step.tell for step in steps if step.tell]
    assert tells == ["fired", "over", "fired", "over", "fired", "flapping"]
    assert len(tells) == FLAPS


def test_one_that_flapped_and_is_steady_tells_how_it_stands() -> None:
    looks = to_and_fro(200)
    firing_on = [*looks, *every(60, 200 + STEADY_S + 60, 11.0, since_s=200)]
    steps = go(firing_on, keep="1ms")
    tells = [step.tell for step in steps if step.tell]
    assert tells[-2:] == ["flapping", "steady"]
    assert steps[-1].record.told == "firing"
    fine = go([*firing_on, *every(60, 3000, 1.0, since_s=200 + STEADY_S + 120)], keep="1ms")
    assert [step.tell for step in fine if step.tell][-1] == "over", "it is as any other again"


def test_its_history_tells_all_that_happened_while_it_flapped() -> None:
    steps = go(to_and_fro(200), keep="1ms")
    happened = [one for step in steps for one in step.happened]
    assert happened.count("flapping") == 1
    assert happened.count("fired") == 10


def test_away_is_longer_than_a_duty_needs_to_be_tried_again() -> None:
    assert alert_life.AWAY_S > 5 * 2**3
