"""How figures, times and texts are said: the filters and names that every template has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, StrictUndefined

from core.settings import Settings
from core.times import rfc3339
from panels._directions import Directions, heard, plain, seen
from panels._drawing import drawn
from panels._marks import placed
from services.stage_figures import Lengths

NONE = "–"
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
"""The seconds that a date can be made of, years 1 to 9999."""


def _moment(time: float | datetime | str) -> datetime:
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return time.astimezone(UTC)
    return datetime.fromtimestamp(min(max(time, EARLIEST), LATEST), UTC)


def iso(time: float | datetime | str) -> str:
    """`2026-11-21T11:20:41.250Z`; a number is seconds since the epoch."""
    return rfc3339(_moment(time).timestamp())


def epoch(time: float | datetime | str) -> int:
    """Whole seconds since the epoch, for a script."""
    return round(_moment(time).timestamp())


def utc(time: float | datetime | str) -> str:
    """`21 Nov 2026, 11:20:41 UTC`: exact, for those without the script that says it in the reader's own zone."""
    moment = _moment(time)
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def count(number: float | None) -> str:
    """`1,284,311`."""
    return NONE if number is None else f"{number:,.0f}"


def _fitting(number: float, digits: int, decimals: Sequence[int]) -> str:
    """With the first of `decimals` that leaves so many digits once it is rounded; empty where none does."""
    texts = (f"{number:.{places}f}" for places in decimals)
    return next((text for text in texts if len(text.lstrip("-")) <= digits + 1), "")


def short(number: float | None) -> tuple[str, str]:
    """A figure and its unit, four digits at most: `("1.284", "M")`; below 100,000 it stands in full."""
    if number is None:
        return NONE, ""
    if number < 99_999.5:
        return count(number), ""
    for scale, unit in ((1e3, "k"), (1e6, "M"), (1e9, "G")):
        if text := _fitting(number / scale, 4, (3, 2, 1)):
            return text, unit
    return _fitting(number / 1e12, 4, (3, 2, 1)) or count(number / 1e12), "T"


def figure(number: float | None) -> str:
    """Three digits that mean something: `0.42`, `1.93`, `24.8`, `312`."""
    if number is None:
        return NONE
    size = abs(number)
    if size and size < 0.01:
        return f"{number:.3f}"
    return _fitting(number, 3, (2, 1)) or count(number)


def percent(number: float | None) -> str:
    """`98.6`, `100`, `–`; never rounded up to 100."""
    if number is None:
        return NONE
    return "100" if number >= 100 else f"{min(number, 99.9):.1f}"


def span(seconds: float | None) -> str:
    """How long: `84 ms`, `8.2 s`, `5 s`, `6 min 30 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None:
        return NONE
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    for size, unit, below, lesser in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"


def usually(lengths: Lengths) -> str:
    """`usually 12 s, 95 % under 40 s`, as coarse as one would say it; of one run `12 s`."""
    p50, p95 = (
        span(round(each, 3 if each < 1 else 1 if each < 10 else None)) for each in (lengths.p50_s, lengths.p95_s)
    )
    if lengths.seen == 1:
        return p50
    return f"usually {p50}" if p50 == p95 else f"usually {p50}, 95 % under {p95}"


def size(number: float) -> str:
    """Bytes: `812 B`, `1.3 MB`."""
    if number < 999.5:
        return f"{number:.0f} B"
    for factor, unit in ((1e3, "kB"), (1e6, "MB"), (1e9, "GB")):
        if text := _fitting(number / factor, 4, (1,)):
            return f"{text} {unit}"
    return f"{number / 1e12:.1f} TB"


def noun(number: float, one: str, many: str = "") -> str:
    """The word for so many: `hit` for 1, `hits` for any other number."""
    return one if number == 1 else many or f"{one}s"


def signed(number: float) -> str:
    """`+0.4`, `−0.1`, `±0`."""
    text = figure(abs(number))
    return "±0" if not text.strip("0.") else f"{'+' if number > 0 else '−'}{text}"


def as_json(value: Any) -> str:
    """For an attribute that a script reads: dataclasses too."""
    return msgspec.json.encode(value).decode()


def spark(values: Sequence[float], width: float = 92, height: float = 34, least: float | None = None) -> str:
    """An SVG path through the values, oldest left; the foot is `least`, or the smallest. Empty for fewer than two."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return ""
    low, high = min(known) if least is None else least, max(known)
    step, room, foot = width / (len(known) - 1), height - 6, height - 3
    rise = room / (high - low) if high > low else 0.0
    level = foot - (0.0 if rise else room / 3)
    points = (f"{i * step:.1f} {level - (value - low) * rise:.1f}" for i, value in enumerate(known))
    return "M" + " L".join(points)


def base_path(settings: Settings) -> str:
    """The path that Headway is served under, without a slash at its end."""
    return urlsplit(settings.url).path.rstrip("/") if settings.url else ""


def leads_to(link: str | None, base: str = "") -> str | None:
    """Where a link from outside leads: a path of this site, or an http(s) address; None for anything else."""
    if link and link.startswith("/") and not link.startswith(("//", "/\\")):
        return base + link
    return link if link and link.startswith(("http://", "https://")) else None


FILTERS = (
    iso,
    epoch,
    utc,
    count,
    short,
    figure,
    percent,
    span,
    usually,
    size,
    noun,
    signed,
    plain,
    seen,
    heard,
    as_json,
    spark,
    drawn,
    placed,
)


def install(jinja: Environment, settings: Settings) -> None:
    """Give all templates these words; a name that a template uses and nobody passes becomes an error."""
    jinja.undefined = StrictUndefined
    jinja.add_extension(Directions)
    jinja.trim_blocks = jinja.lstrip_blocks = True
    jinja.filters.update({word.__name__: word for word in FILTERS})
    base = base_path(settings)
    jinja.globals.update(
        path=lambda path: base + path,
        leads_to=lambda link: leads_to(link, base),
        # For the lines that are to be copied; the page's script puts in what the reader sees.
        origin=settings.address,
        token_line=' -H "Authorization: Bearer $HEADWAY_TOKEN"' if settings.auth else "",
        dev=settings.dev,
    )
