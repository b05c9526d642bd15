"""The charts as they are drawn without a script."""

from __future__ import annotations

from typing import Any

from panels._drawing import Drawn, drawn


def line(*values: float | None, **more: Any) -> dict[str, Any]:
    return {"name": "a", "ink": "accent", "values": list(values), **more}


def test_a_line_goes_from_side_to_side_and_its_highest_value_reaches_the_top() -> None:
    assert drawn([line(0, 5, 10)], "line") == [Drawn("accent", "M0.0 97.0L150.0 50.0L300.0 3.0")]


def test_lines_share_one_scale() -> None:
    low, high = drawn([line(5, 5), line(10, 10)], "line")
    assert (low.path, high.path) == ("M0.0 50.0L300.0 50.0", "M0.0 3.0L300.0 3.0")


def test_a_filled_line_stands_on_zero() -> None:
    assert drawn([line(10, 10, fill=True)], "line")[0].area == "M0.0 97.0L0.0 3.0L300.0 3.0L300.0 97.0Z"


def test_a_line_is_broken_where_nothing_is_known_and_a_lone_point_is_a_dot() -> None:
    (found,) = drawn([line(10, 10, None, 0, None)], "line")
    assert found.path == "M0.0 3.0L75.0 3.0M225.0 97.0L225.0 97.0"
    assert drawn([line(None, None, fill=True)], "line") == [Drawn("accent", "", "")]


def test_a_scale_may_be_given() -> None:
    assert drawn([line(90, 100)], "line", 80.0, 100.0)[0].path == "M0.0 50.0L300.0 3.0"


def test_times_of_very_different_size_are_told_apart() -> None:
    short, long = drawn([line(1.0, 10.0), line(100.0, 100.0)], "line", times=True)
    assert (short.path, long.path) == ("M0.0 97.0L300.0 50.0", "M0.0 3.0L300.0 3.0")


def test_bars_stand_on_one_another_and_the_tallest_fills_the_height() -> None:
    good, bad = drawn([line(30, 0, 20), line(10, 0, 0)], "bars")
    assert good.path == "M10.0 97.0h80.0v-70.5h-80.0zM210.0 97.0h80.0v-47.0h-80.0z"
    assert bad.path == "M10.0 26.5h80.0v-23.5h-80.0z"


def test_zeros_are_a_line_at_the_foot_and_bars_of_no_height() -> None:
    assert drawn([line(0, 0)], "line")[0].path == "M0.0 97.0L300.0 97.0"
    assert drawn([line(0, 0)], "bars")[0].path == ""


def test_nothing_at_all_is_drawn_as_nothing() -> None:
    for kind, style in (("line", "series"), ("bars", "filled")):
        assert drawn([line()], kind) == [Drawn("accent", "", style=style)]
