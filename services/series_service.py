"""How Headway's figures were over time: a window of any series, as many readings as it has steps."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, pairwise

from core.site import Site
from services import series_catalog, series_records, series_store
from services.series_records import Counts, Reading
from services.windows import Window

__all__ = ["Counts", "Reading", "histograms", "percentile", "read", "together"]

BRIDGED = 2
"""So many slots of the finest roll-up, unsampled while another process took over, are told as if they lay on a line."""


def read(site: Site, names: Iterable[str], window: Window) -> dict[str, tuple[Reading | None, ...]]:
    """Gauges and rates, a reading for each step of the window; None where nothing is known.

    One round trip for all. Raises StoreError.
    """
    wanted = series_store.parts(window, site.clock())
    sized = [(name, series_store.GAUGE_BYTES) for name in names]
    bridges = window.step_s == series_store.RINGS[0].step_s
    found: dict[str, tuple[Reading | None, ...]] = {}
    for (name, _), blobs in zip(sized, series_store.fetch(site, sized, wanted), strict=True):
        readings = chain.from_iterable(map(series_records.gauges, wanted, blobs))
        found[name] = tuple(_bridged(list(readings)) if bridges else readings)
    return found


def histograms(site: Site, names: Iterable[str], window: Window) -> dict[str, tuple[Counts | None, ...]]:
    """Histograms, as `read`; zeros where nothing fell into any bucket, None where nobody looked.

    Raises KeyError for a name that is no series', and StoreError.
    """
    wanted = series_store.parts(window, site.clock())
    bounds = {name: series_catalog.of(name).bounds for name in names}
    sized = [(name, series_store.histogram_bytes(len(each))) for name, each in bounds.items()]
    found: dict[str, tuple[Counts | None, ...]] = {}
    for (name, _), blobs in zip(sized, series_store.fetch(site, sized, wanted), strict=True):
        decoded = (series_records.histograms(*each, bounds[name]) for each in zip(wanted, blobs, strict=True))
        found[name] = tuple(chain.from_iterable(decoded))
    return found


def percentile(counts: Counts | None, share: float) -> float | None:
    """The value that this share of all does not exceed, on a line within its bucket, as Prometheus reckons it.

    None where nothing was counted. What is past the last finite bound is told as that.
    """
    if counts is None or not (total := counts.total):
        return None
    rank, below = share * total, 0.0
    for at, number in enumerate(counts.counts[:-1]):
        if number and below + number >= rank:
            lower, upper = counts.bounds[at - 1] if at else 0.0, counts.bounds[at]
            return lower + (upper - lower) * max(rank - below, 0.0) / number
        below += number
    return counts.bounds[-2]


def together(some: Iterable[Counts | None]) -> Counts | None:
    """The counts of several steps, or of several histograms with the same buckets, as one's; None where there are none."""
    known = [each for each in some if each is not None]
    if not known:
        return None
    fell = tuple(map(sum, zip(*(each.counts for each in known), strict=True)))
    return Counts(known[0].bounds, fell, sum(each.sum for each in known))


def names(site: Site) -> tuple[str, ...]:
    """Every series that is kept, also those that are sampled no longer. Raises StoreError."""
    return series_store.known(site)


def _bridged(readings: list[Reading | None]) -> list[Reading | None]:
    known = [at for at, reading in enumerate(readings) if reading is not None]
    for before, after in pairwise(known):
        if 1 < after - before <= BRIDGED + 1:
            for at in range(before + 1, after):
                readings[at] = _between(readings[before], readings[after], (at - before) / (after - before))
    return readings


def _between(before: Reading | None, after: Reading | None, share: float) -> Reading | None:
    if before is None or after is None:
        return None
    value = before.last + (after.mean - before.last) * share
    return Reading(value, value, value, value, 0)
