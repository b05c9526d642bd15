"""One line of the table: what was measured, beside what, and whether the promise holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    what: str
    value: float
    unit: str
    beside: str = ""
    """What stands beside it, in words."""
    beside_value: float | None = None
    wanted: str = ""
    holds: bool | None = None
    """None where nothing is promised of this line."""

    @property
    def ratio(self) -> float | None:
        return self.value / self.beside_value if self.beside_value else None


def at_most_times(what: str, value: float, unit: str, beside: str, beside_value: float, most: float) -> Row:
    """A figure that may be at most `most` times the one beside it."""
    return Row(what, value, unit, beside, beside_value, f"≤ {most:g} ×", value <= most * beside_value)


def at_least_times(what: str, value: float, unit: str, beside: str, beside_value: float, least: float) -> Row:
    return Row(what, value, unit, beside, beside_value, f"≥ {least:g} ×", value >= least * beside_value)


def at_most(
    what: str, value: float, unit: str, most: float, beside: str = "", beside_value: float | None = None
) -> Row:
    return Row(what, value, unit, beside, beside_value, f"≤ {most:,g} {unit}", value <= most)


def at_least(
    what: str, value: float, unit: str, least: float, beside: str = "", beside_value: float | None = None
) -> Row:
    return Row(what, value, unit, beside, beside_value, f"≥ {least:,g} {unit}", value >= least)


def table(rows: list[Row]) -> str:
    """The rows as aligned text."""
    lines = [("measured", "Headway", "beside it", "", "ratio", "wanted", "")]
    for row in rows:
        lines.append((
            row.what,
            f"{figure(row.value)} {row.unit}",
            "" if row.beside_value is None else f"{figure(row.beside_value)} {row.unit}",
            row.beside,
            "" if row.ratio is None else f"{row.ratio:.2f} ×",
            row.wanted,
            "" if row.holds is None else "holds" if row.holds else "MISSED",
        ))  # fmt: skip
    widths = [max(len(line[column]) for line in lines) for column in range(7)]
    right = (1, 2, 4, 5)
    return "\n".join(
        "  ".join(cell.rjust(width) if at in right else cell.ljust(width)
                  for at, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )  # fmt: skip


def figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
