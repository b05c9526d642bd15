"""Readings of steps out of the records that the script `history` writes, many at a time."""

from __future__ import annotations

import sys
from array import array
from math import inf

import msgspec

from services.series_store import GAUGE_BYTES, Part, Piece, histogram_bytes


class Reading(msgspec.Struct, frozen=True):
    """What a gauge or a rate was in a step, of `count` samples; 0 where it is reckoned from the steps beside it."""

    min: float
    max: float
    mean: float
    last: float
    count: int


class Counts(msgspec.Struct, frozen=True):
    """How many fell into each bucket in a step, and what they were in sum. `bounds` are the buckets' upper ends, the last infinite.

    Of a step that is shorter than what is known they are its share, so there are fractions.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum: float

    @property
    def total(self) -> float:
        return sum(self.counts)


def gauges(part: Part, blob: bytes) -> list[Reading | None]:
    """The steps of a part, None where nothing was sampled."""
    if not blob:
        return [None] * len(part.pieces)
    words, doubles = _arrays(blob)
    width = GAUGE_BYTES // 4
    counts, lows, highs, sums, lasts = words[1::width], doubles[1::5], doubles[2::5], doubles[3::5], doubles[4::5]
    for place in _strange(part, words[0::width]):
        counts[place], lows[place], highs[place], sums[place] = 0, inf, -inf, 0.0

    def reading(piece: Piece) -> Reading | None:
        low, high, weights = piece
        if not any(counts[low:high]):
            return None
        many, total = _weighed(counts[low:high], weights), _weighed(sums[low:high], weights)
        last = next(at for at in range(high - 1, low - 1, -1) if counts[at])
        mean = total / many
        return Reading(min(lows[low:high]), max(highs[low:high]), mean, lasts[last], max(1, round(many)))

    return [reading(piece) for piece in part.pieces]


def histograms(part: Part, blob: bytes, bounds: tuple[float, ...]) -> list[Counts | None]:
    """The steps of a part, None where nothing was sampled."""
    if not blob:
        return [None] * len(part.pieces)
    words, doubles = _arrays(blob)
    width = histogram_bytes(len(bounds)) // 4
    samples, sums = words[1::width], doubles[1 :: width // 2]
    buckets = [words[4 + at :: width] for at in range(len(bounds))]
    for place in _strange(part, words[0::width]):
        samples[place], sums[place] = 0, 0.0
        for bucket in buckets:
            bucket[place] = 0

    def counts(piece: Piece) -> Counts | None:
        low, high, weights = piece
        if not any(samples[low:high]):
            return None
        fell = tuple(_weighed(bucket[low:high], weights) for bucket in buckets)
        return Counts(bounds, fell, _weighed(sums[low:high], weights))

    return [counts(piece) for piece in part.pieces]


def _arrays(blob: bytes) -> tuple[array[int], array[float]]:
    words, doubles = array("I", blob), array("d", blob)
    if sys.byteorder == "big":
        words.byteswap()
        doubles.byteswap()
    return words, doubles


def _strange(part: Part, slots: array[int]) -> list[int]:
    """The places in which another slot's record stands, or none."""
    expected = range(part.first, part.end)
    if slots == array("I", expected):
        return []
    return [place for place, (found, slot) in enumerate(zip(slots, expected, strict=True)) if found != slot]


def _weighed(values: array[int] | array[float], weights: tuple[float, ...] | None) -> float:
    return sum(values) if weights is None else sum(map(float.__mul__, map(float, values), weights))
