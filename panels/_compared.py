"""How a chart's span is named, how its times are said, and how its figures differ from those of the span compared with."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment

from panels._charted import Charted
from panels._lines import Line
from panels._words import count, figure, percent, span
from services.windows import DAY_S, HOUR_S

SPANS = {"15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
LONG_S = 10 * DAY_S
"""An axis that is longer bears days alone."""
SAME_SHARE = 0.005
TIMES = 10
"""What is so many times as much is not told in percent."""


def lately(data: Charted) -> str:
    """`in the last 6 hours`, or `in this span of 2 h`."""
    return (
        f"in the last {SPANS[data.range]}" if data.range else f"in this span of {span(data.step_s * len(data.points))}"
    )


def unsampled(data: Charted) -> str:
    """Why a chart of samples is empty."""
    if data.range:
        return "No sample yet. The first one comes within a few seconds."
    return "No sample was taken then."


def compared(data: Charted, lines: Sequence[Line]) -> str:
    """What the dashed line is, or that there is none."""
    span = f"the {data.compare} before"
    known = any(getattr(point, line.key) is not None for line in lines if line.compared for point in data.before.points)
    return f"compared with {span}" if known else f"nothing is known of {span}"


def says(data: Charted) -> str:
    """How the page's script says the times of its points: `hour`, `moment` with the day, `stamp` to the second."""
    if data.range:
        return "moment" if data.step_s >= HOUR_S else "hour"
    return "stamp" if data.step_s % 60 else "moment"


def axis(data: Charted) -> str:
    """How times are said below the chart."""
    return "day" if data.step_s * len(data.points) > LONG_S else says(data)


def said(number: float | None, unit: str = "") -> str:
    """A figure with its unit: `41 s`, `98.6 %`, `0.42 ms`, `12.5`; of what is counted, `1,204`."""
    if unit == "count":
        return count(number)
    if unit == "s" or number is None:
        return span(number) if number != 0 else "0 s"
    return f"{percent(number) if unit == '%' else figure(number) if number else 0} {unit}".strip()


def than(now: float | None, before: float | None, unit: str = "") -> str:
    """How a figure differs from an earlier one: `12 % less`, `0.4 points more`, `the same`; empty where that is not known."""
    if before is None:
        return ""
    if now is None:
        return f"{said(before, unit)} then"
    word = "more" if now > before else "less"
    if unit == "%":
        points = abs(now - before)
        return "the same" if points < 0.05 else f"{figure(points)} points {word}"
    if now == before:
        return "the same"
    if not before:
        return "none then"
    share = abs(now - before) / before
    if share < SAME_SHARE:
        return "about the same"
    return f"{now / before:.0f} times as much" if now / before >= TIMES else f"{share * 100:.0f} % {word}"


def install(jinja: Environment) -> None:
    """Give all templates these words."""
    jinja.filters.update({word.__name__: word for word in (lately, unsampled, compared, says, axis, said, than)})
    jinja.globals["SPANS"] = SPANS
