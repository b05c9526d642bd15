"""Attempts of jobs as rows of bars on one axis of time, in hundredths of its width, so that their lengths compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.workflow_service import Bar, Kind, Lane

WIDTH = 100.0
LEAST = 0.4
"""A stage too short to see is drawn so wide."""
GAP = 0.15
"""What a bar leaves free before the next, where it is wide enough."""
MOST_PIECES = 24
"""A row of more stages draws some that follow each other as one."""
MOST_TICKS = 5
MOST_OF_WAIT = 1 / 3
"""A wait longer than this share of the longest row is cut."""
LEAST_WAIT_S = 0.1
"""A shorter wait is left out. A share of the row would leave a wait out once its job has gone on for long, and all below would move."""
CUT_RANK, CUT_TIMES = 0.8, 3
"""Of many rows, one is cut that is so many times longer than that at this rank: one that hangs would hide the others."""
ASSUMED_PX, LETTER_PX, MARGIN_PX, FEWEST_LETTERS = 720, 6.3, 10, 5
"""By these is reckoned whether a stage's name fits into its bar; where it does not, the bar cuts it."""

STEPS_S = (
    *(figure * 10.0**power for power in (-3, -2, -1, 0) for figure in (1, 2, 5)),
    *(10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0),
    *(86_400.0 * figure * 10**power for power in range(6) for figure in (1, 2, 5)),
)


@dataclass(frozen=True)
class Piece:
    """A bar as it is drawn: of a stage, of several that follow each other, or of the wait before."""

    names: tuple[str, ...]
    kind: Kind | Literal["wait"]
    x: float
    width: float
    seconds: float | None
    """Of all of it; None while it goes on, before it began, and where nobody told."""
    label: str = ""
    """What of its name fits into it."""
    bar: Bar | None = None
    """The stage, where it is one."""
    usual: float | None = None
    """How wide it would be if it took as long as half of the last runs did."""


@dataclass(frozen=True)
class Row:
    lane: Lane
    wait: Piece | None
    pieces: tuple[Piece, ...]
    is_cut: bool
    """Whether it goes on beyond the axis."""

    @property
    def drawn(self) -> tuple[Piece, ...]:
        return (self.wait, *self.pieces) if self.wait else self.pieces


@dataclass(frozen=True)
class Tick:
    x: float
    at_s: float


@dataclass(frozen=True)
class Chart:
    """Rows on one axis: with `ticks` from each row's own start on, or with `moments`, evenly spread, by the clock."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    moments: tuple[datetime, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        """What its legend has to tell of."""
        return frozenset(piece.kind for row in self.rows for piece in row.drawn)


@dataclass(frozen=True)
class _Axis:
    """From `left_s` before zero to `end_s` after it."""

    left_s: float
    end_s: float

    def x(self, at_s: float) -> float:
        return min(max(WIDTH * (self.left_s + at_s) / (self.left_s + self.end_s), 0.0), WIDTH)


def by_length(lanes: Sequence[Lane]) -> Chart:
    """Each row from its own start on."""
    return _by_length(lanes, _end(sorted(lane.length_s for lane in lanes)), whole_first=False)


def of_job(lanes: Sequence[Lane]) -> Chart:
    """The attempts of one job, each from its start on: whatever their lengths, and each stage of the first row by itself."""
    return _by_length(lanes, max((lane.length_s for lane in lanes), default=0.0), whole_first=True)


def by_clock(lanes: Iterable[Lane]) -> Chart:
    """Each row where it lies in time; those whose start is not known are left out."""
    known = [(lane, lane.started_at) for lane in lanes if lane.started_at]
    if not known:
        return Chart((), ())
    first = min(start for _, start in known)
    offsets = [(start - first).total_seconds() for _, start in known]
    end_s = max(max(offset + lane.length_s for (lane, _), offset in zip(known, offsets, strict=True)), 1.0)
    axis = _Axis(_left([lane for lane, _ in known], end_s), end_s)
    rows = tuple(_row(lane, axis, offset) for (lane, _), offset in zip(known, offsets, strict=True))
    whole_s = axis.left_s + end_s
    moments = tuple(first + timedelta(seconds=whole_s * at / 4 - axis.left_s) for at in range(5))
    return Chart(rows, tuple(Tick(25.0 * at, whole_s * at / 4) for at in range(5)), moments)


def _by_length(lanes: Sequence[Lane], end_s: float, *, whole_first: bool) -> Chart:
    step_s = next((step for step in STEPS_S if end_s / step <= MOST_TICKS), STEPS_S[-1])
    end_s = max(math.ceil(round(end_s / step_s, 6)), 1) * step_s
    axis = _Axis(_left(lanes, end_s), end_s)
    rows = tuple(_row(lane, axis, 0.0, whole=whole_first and at == 0) for at, lane in enumerate(lanes))
    return Chart(
        rows, tuple(Tick(round(axis.x(at * step_s), 2), at * step_s) for at in range(round(end_s / step_s) + 1))
    )


def _end(lasted: Sequence[float]) -> float:
    """Where the axis ends: with the longest row that is not many times longer than most."""
    if not lasted:
        return 0.0
    most_s = CUT_TIMES * lasted[math.ceil(CUT_RANK * (len(lasted) - 1))]
    return max((one for one in lasted if one <= most_s), default=0.0) or lasted[-1]


def _left(lanes: Iterable[Lane], end_s: float) -> float:
    longest_s = max((lane.waited_s or 0.0 for lane in lanes), default=0.0)
    return min(longest_s, MOST_OF_WAIT * end_s) if longest_s >= LEAST_WAIT_S else 0.0


def _row(lane: Lane, axis: _Axis, offset_s: float, *, whole: bool = False) -> Row:
    each = 1 if whole else max(-(-len(lane.bars) // MOST_PIECES), 1)
    groups = [lane.bars[at : at + each] for at in range(0, len(lane.bars), each)]
    wait = None
    if lane.waited_s and lane.waited_s >= LEAST_WAIT_S and axis.left_s and lane.started_at:
        x, end = axis.x(offset_s - lane.waited_s), axis.x(offset_s)
        wait = Piece((), "wait", round(x, 2), round(max(end - x - GAP, GAP), 2), lane.waited_s)
    pieces = tuple(_piece(group, axis, offset_s) for group in groups)
    return Row(lane, wait, pieces, offset_s + lane.length_s > axis.end_s * 1.001)


def _piece(bars: Sequence[Bar], axis: _Axis, offset_s: float) -> Piece:
    first, last = bars[0], bars[-1]
    x = min(axis.x(offset_s + first.from_s), WIDTH - LEAST)
    width = axis.x(offset_s + last.from_s + last.lasts_s) - x
    width = min(max(width - (GAP if width > LEAST + GAP else 0.0), LEAST), WIDTH - x)
    names = tuple(dict.fromkeys(bar.name for bar in bars))
    known = [bar.seconds for bar in bars if bar.seconds is not None]
    usual = axis.x(offset_s + first.from_s + first.usual.p50_s) - x if first.usual else None
    return Piece(
        names,
        last.kind,
        round(x, 2),
        round(width, 2),
        sum(known) if len(known) == len(bars) else None,
        _label(names[0], width) if len(bars) == 1 else "",
        first if len(bars) == 1 else None,
        None if usual is None or len(bars) > 1 else round(max(usual, LEAST), 2),
    )


def _label(name: str, width: float) -> str:
    letters = int((width / WIDTH * ASSUMED_PX - MARGIN_PX) / LETTER_PX)
    if letters >= len(name):
        return name
    return f"{name[: letters - 1]}…" if letters >= FEWEST_LETTERS else ""
