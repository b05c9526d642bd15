from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import positions

IDS = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))


@given(st.lists(IDS, min_size=1, max_size=5))
def test_a_position_is_read_as_it_was_written(position: list[positions.Id]) -> None:
    assert positions.parse(positions.text(position), len(position)) == tuple(position)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "x",
        "1",
        "1-",
        "-1-0",
        "1-0.",
        ".1-0",
        "1-0.2-0",
        " 1-0",
        "1-0\n",
        "١-0",
        "1_0-0",
        f"{2**64}-0",
        "1-0" * 9000,
    ],
)
def test_what_is_no_position_is_none(said: str) -> None:
    assert positions.parse(said, 1) is None


@given(st.text())
def test_no_text_breaks_it(said: str) -> None:
    positions.parse(said, 1)
