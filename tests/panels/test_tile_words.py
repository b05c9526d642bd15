"""How the values of tiles are said."""

from __future__ import annotations

import pytest

from panels._tile_words import Format, said


@pytest.mark.parametrize(
    ("value", "format", "unit", "shown"),
    [
        (None, "number", "people", ("–", "")),
        (0, "number", "", ("0", "")),
        (1204, "number", "people", ("1,204", "people")),
        (1204.7, "number", "", ("1,204.7", "")),
        (0.4237, "number", "", ("0.42", "")),
        (1e-9, "number", "", ("1e-09", "")),
        (-3.14159, "number", "", ("−3.14", "")),
        (1_284_311, "number", "", ("1,284,311", "")),
        (2**40, "number", "", ("1.100", "T")),
        (1e300, "number", "", ("1e+300", "")),
        (1_284_311, "compact", "EUR", ("1.284", "M EUR")),
        (-1_284_311, "compact", "", ("−1.284", "M")),
        (42, "percent", "", ("42", "%")),
        (99.96, "percent", "", ("99.9", "%")),
        (130, "percent", "", ("130", "%")),
        (5.4e9, "bytes", "", ("5.4", "GB")),
        (2.5e12, "bytes", "", ("2.5", "TB")),
        (0.084, "duration", "", ("84", "ms")),
        (390, "duration", "", ("6 min 30 s", "")),
    ],
)
def test_a_value_is_said_by_its_format_short_enough_for_a_card(
    value: float | None, format: Format, unit: str, shown: tuple[str, str]
) -> None:
    words = said(value, format, unit)
    assert (words.text, words.unit) == shown
    assert len(words.text) <= 12


@pytest.mark.parametrize(
    ("value", "format", "unit", "exact"),
    [
        (1_284_311, "compact", "EUR", "1,284,311 EUR"),
        (0.123456789, "number", "", "0.123456789"),
        (5.4e9, "bytes", "", "5,400,000,000 bytes"),
        (99.96, "percent", "", "99.96 %"),
        (390.5, "duration", "", "390.5 s"),
        (None, "number", "", "no value yet"),
    ],
)
def test_the_tooltip_tells_it_exactly(value: float | None, format: Format, unit: str, exact: str) -> None:
    assert said(value, format, unit).exact == exact
