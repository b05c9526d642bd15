"""A chart's points as its script, its table and its CSV get them, from the `lines` that its panel declares."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from panels._charted import Charted
from panels._lines import Line
from panels._view import Compare
from panels._words import figure, percent, span
from services.upload_export import safe_cell

BEFORE: Mapping[Compare, str] = {"day": "the day before", "week": "the week before"}
SAYS = {"s": span, "%": percent}
"""Of any other unit, `_plain` does."""


def drawing(data: Charted, lines: Sequence[Line]) -> dict[str, Any]:
    """What there is to draw: `at` in seconds since the epoch, a value each in every line, None where nothing is known."""
    drawn = [_drawn(line, data.points) for line in _now(lines)]
    if data.compare and data.before:
        drawn += [_past(line, data.compare, data.before.points) for line in lines if line.compared]
    return {"at": [_epoch(point.at) for point in data.points], "lines": drawn, "marks": data.marks}


def _now(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if not line.only_before]


def _before(line: Line, compare: Compare) -> str:
    return f"{line.name} {BEFORE[compare]}".strip()


def _drawn(line: Line, points: Iterable[Any]) -> dict[str, Any]:
    looks = {"dash": line.dash, "fill": line.fill, "light": line.light}
    marked = {look: True for look, has in looks.items() if has}
    return {"name": line.name, "ink": line.ink, "values": [getattr(point, line.key) for point in points], **marked}


def _past(line: Line, compare: Compare, points: Iterable[Any]) -> dict[str, Any]:
    values = [getattr(point, line.key) for point in points]
    return {"name": _before(line, compare), "ink": "past", "values": values, "before": True}


def rows(data: Charted, lines: Sequence[Line], says: str) -> Markup:
    """The rows of its table, newest first, behind the figures those of the span compared with. Tables are long, so they are made
    here and not by a template: of numbers and times alone, in which there is nothing to escape."""
    return Markup("\n".join(_rows(data, lines, says)))  # noqa: S704


def _rows(data: Charted, lines: Sequence[Line], says: str) -> Iterator[str]:
    kinds = [(attrgetter(line.key), SAYS.get(line.unit, _plain)) for line in _now(lines)]
    past = kinds if data.before else []
    before = data.before.points if data.before else data.points
    for point, then in zip(reversed(data.points), reversed(before), strict=True):
        cells = [say(of(point)) for of, say in kinds] + [say(of(then)) for of, say in past]
        at = point.at
        time = f'<time datetime="{at}" data-when="{says}">{at[:10]} {at[11:16]} UTC</time>'
        yield f"<tr><td>{time}</td><td>{'</td><td>'.join(cells)}</td></tr>"


def _plain(number: float | None) -> str:
    return "0" if number == 0 else figure(number)


def heads(data: Charted, lines: Sequence[Line]) -> list[str]:
    """What stands over the columns behind the time: `p95`, `p95 the day before`; with the unit where a cell tells none."""
    names = [_head(line, line.name) for line in _now(lines)]
    if data.compare and data.before:
        names += [_head(line, _before(line, data.compare)) for line in _now(lines)]
    return names


def _head(line: Line, name: str) -> str:
    words = name[:1].upper() + name[1:] if name[1:2].islower() else name
    return ", ".join(filter(None, (words, "" if line.unit == "s" else line.unit)))


def as_csv(lines: Sequence[Line], figures: Mapping[str, Any]) -> str:
    """All points, oldest first, of a chart's figures as its JSON tells them: times as RFC 3339, the unit behind each name, and
    behind all of them those of the span compared with."""
    compare: Compare | None = figures.get("compare")
    before = figures.get("before")
    shown, names = _now(lines), [_column(line, line.name) for line in _now(lines)]
    past = shown if compare and before else []
    if compare:
        names += [_column(line, _before(line, compare)) for line in past]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["from", *map(safe_cell, names)])
    for point, then in zip(figures["points"], (before or figures)["points"], strict=True):
        row = [point[line.key] for line in shown] + [then[line.key] for line in past]
        writer.writerow([point["at"], *("" if value is None else value for value in row)])
    return text.getvalue()


def _column(line: Line, name: str) -> str:
    return f"{name} ({line.unit})".strip() if line.unit else name


def _epoch(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp())


def install(jinja: Environment) -> None:
    """Give all templates these words."""
    jinja.filters.update({word.__name__: word for word in (drawing, rows, heads)})
