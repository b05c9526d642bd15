"""How a series is kept: a ring of records for each roll-up, all of them in one string of the store that never grows.

The script `history` writes them. A reading of a window takes a part of it from each ring that is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from core import keys
from core.site import Site
from services.windows import DAY_S, HOUR_S, MINUTE_S, Window

EVERY_S = 5
MOST_SERIES = 200
PART = 16
"""Of a store that has a limit, series take one part in so many at most."""
KEPT_S = 91 * DAY_S
"""How long after its last sample a series is forgotten."""
GAP_S = HOUR_S
"""After so long without a sample it is not told what a counter grew by meanwhile."""
DOUBT_S = HOUR_S
"""For so long a clock that stands behind the newest sample leaves alone what is newer."""
GAUGE_BYTES = 40


@dataclass(frozen=True)
class Ring:
    """A roll-up: `slots` of `step_s` seconds each, behind `before` slots of the finer ones."""

    step_s: int
    slots: int
    before: int

    def reaches(self, now: float) -> int:
        """The first moment that is surely kept. One slot is left out, for a clock that is a little ahead of this one."""
        return (int(now // self.step_s) - self.slots + 2) * self.step_s


RINGS = (
    Ring(10, 366, 0),
    Ring(MINUTE_S, 1_446, 366),
    Ring(10 * MINUTE_S, 1_014, 1_812),
    Ring(HOUR_S, 2_190, 2_826),
)
"""An hour, a day, a week and 91 days, and a few slots more, so that a whole range is there with its present step."""
SLOTS = sum(ring.slots for ring in RINGS)


def histogram_bytes(buckets: int) -> int:
    """The size of a histogram's record, of whole doubles."""
    return 16 + 4 * (buckets + buckets % 2)


@dataclass
class Sample:
    """Every figure of one moment by its series' name. Of rates and histograms, totals that only grow."""

    at: float
    gauges: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, Totals] = field(default_factory=dict)


@dataclass(frozen=True)
class Totals:
    """How many fell into each bucket, and what they were in sum. `of` names what is counted, where that can change.

    One that `is_whole` was nothing as long as it was not sampled, so that its first sample tells already what it grew by.
    """

    buckets: tuple[float, ...]
    sum: float
    of: str = ""
    is_whole: bool = False


def write(site: Site, sample: Sample) -> int:
    """Keep a sample; how many series found no room. Raises StoreError."""
    call = {
        "now": sample.at,
        "every": EVERY_S,
        "rings": [(ring.step_s, ring.slots) for ring in RINGS],
        "gauges": list(sample.gauges.items()),
        "rates": list(sample.rates.items()),
        "histograms": [
            (name, each.of, each.is_whole, (each.sum, *each.buckets)) for name, each in sample.histograms.items()
        ],
        "most": _most(site),
        "keep": KEPT_S,
        "gap": GAP_S,
        "doubt": DOUBT_S,
    }
    return int(site.store.scripts.run("history", 0, call))


def _most(site: Site) -> int:
    """How many series there may be, as if all were gauges; those that come last in a sample find no room in a small store."""
    try:
        info: Any = site.store.redis.info("memory")
    except redis.ResponseError:  # who may not ask has no limit that we know of
        return MOST_SERIES
    limit = int(info.get("maxmemory", 0))
    return min(MOST_SERIES, limit // PART // (SLOTS * GAUGE_BYTES)) if limit else MOST_SERIES


Piece = tuple[int, int, tuple[float, ...] | None]
"""A step: from which to before which of a part's slots it lasts, and how much of each is in it, None where they are all whole."""


@dataclass(frozen=True)
class Part:
    """Steps of a window in a row that come from one ring, and the slots that they need: from `first` to before `end`."""

    ring: Ring
    first: int
    end: int
    pieces: tuple[Piece, ...]


def parts(window: Window, now: float) -> list[Part]:
    """Where each step comes from, oldest first: the coarsest ring that divides it, coarser ones as far back as that does not reach.

    A record is of all that was sampled in its slot, so the coarsest is as exact as the finest, and quicker to read.
    """
    dividing = [ring for ring in RINGS if window.step_s % ring.step_s == 0]
    rings = RINGS[RINGS.index(dividing[-1]) if dividing else 0 :]
    found, until = list[Part](), window.steps
    for ring, coarser in zip(rings, (*rings[1:], None), strict=True):
        begin = 0 if coarser is None else min(_first_kept(window, ring, coarser, now), until)
        if begin < until:
            found.append(_part(ring, window.starts[begin:until], window.step_s, now))
        until = begin
    return found[::-1]


def fine(window: Window, now: float) -> list[bool]:
    """Of each step, whether it is told by records of its own: else they are coarser than it, or forgotten."""
    rings = (part.ring for part in parts(window, now) for _ in part.pieces)
    return [
        window.step_s % ring.step_s == 0 and start >= ring.reaches(now)
        for ring, start in zip(rings, window.starts, strict=True)
    ]


def _first_kept(window: Window, ring: Ring, coarser: Ring, now: float) -> int:
    """The first step that comes from a ring and not from a coarser one, of which no slot is told in part by the one and the other."""
    if (reaches := ring.reaches(now)) <= window.start:
        return 0
    evenly = math.lcm(window.step_s, coarser.step_s)
    border = -(-reaches // evenly) * evenly
    return -(-(border - window.start) // window.step_s)


def _part(ring: Ring, starts: Sequence[int], step_s: int, now: float) -> Part:
    newest = int(now // ring.step_s)
    first = max(starts[0] // ring.step_s, newest - ring.slots + 2)
    end = max(min(-(-(starts[-1] + step_s) // ring.step_s), newest + 2), first)
    return Part(ring, first, end, tuple(_piece(ring.step_s, start, start + step_s, first, end) for start in starts))


def _piece(slot_s: int, start: int, stop: int, first: int, end: int) -> Piece:
    low, high = max(start // slot_s, first), min(-(-stop // slot_s), end)
    if low >= high:
        return 0, 0, None
    if start % slot_s == stop % slot_s == 0:
        return low - first, high - first, None
    shares = ((min((slot + 1) * slot_s, stop) - max(slot * slot_s, start)) / slot_s for slot in range(low, high))
    return low - first, high - first, tuple(shares)


def fetch(site: Site, series: list[tuple[str, int]], wanted: list[Part]) -> Iterator[list[bytes]]:
    """The records of each part, for each (name, size of a record), in one round trip; empty where there are none.

    Raises StoreError.
    """
    spans = [(part, list(_spans(part))) for part in wanted]
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for name, size in series:
            for _, ranges in spans:
                for begin, end in ranges:
                    pipeline.getrange(keys.SERIES_RECORDS.at(0, name), begin * size, end * size - 1)
        answers: Iterator[Any] = iter(pipeline.execute())
    for _, size in series:
        blobs = [(part, b"".join(next(answers) for _ in ranges)) for part, ranges in spans]
        yield [blob if len(blob) == (part.end - part.first) * size else b"" for part, blob in blobs]


def _spans(part: Part) -> Iterator[tuple[int, int]]:
    """Where a part's slots lie in the string, in records: two spans where the ring begins anew among them."""
    if part.first >= part.end:
        return
    ring = part.ring
    begin, end = part.first % ring.slots, (part.end - 1) % ring.slots + 1
    spans = [(begin, end)] if begin < end else [(begin, ring.slots), (0, end)]
    yield from ((ring.before + low, ring.before + high) for low, high in spans)


def known(site: Site) -> tuple[str, ...]:
    """The names of all series that are kept. Raises StoreError."""
    return tuple(sorted(str(name) for name in site.store.redis.zrange(keys.SERIES_KNOWN.at(), 0, -1)))
