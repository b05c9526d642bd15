"""A series of an app's `/metrics`: its value, or by how much it grows."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.samples import Sample

from core import native
from core.config.sources import Metrics
from services import scraping
from services.tile_sources.reading import Context, NotYet, SourceError

TAKES: Mapping[str, Callable[[Collection[float]], float]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "mean": statistics.fmean,
}


@dataclass(frozen=True)
class Taken:
    """The series of one scrape; `at` is of a clock that is never set."""

    at: float
    values: scraping.Series


def read(source: Metrics, context: Context) -> float:
    """The series' value, or what is made of several; of a rate by the second. Raises SourceError, NotYet, OutgoingError."""
    found = scraping.scrape(context.site, source.url, source.headers, context.timeout_s)
    now = Taken(time.monotonic(), native.run(_values, found, source))
    if not source.rate:
        return TAKES[source.take](list(now.values.values()))
    before = context.before.get("taken")
    context.before["taken"] = now
    if before is None or now.at <= before.at:
        raise NotYet
    seconds = now.at - before.at
    return TAKES[source.take]([by / seconds for by in scraping.grown(before.values, now.values).values()] or [0.0])


def matches(sample: Sample, labels: Mapping[str, str]) -> bool:
    """Whether a sample has these labels; `~` before a value makes it a pattern for all of it, as Prometheus reads them."""
    for label, wanted in labels.items():
        value = sample.labels.get(label, "")
        if not re.fullmatch(wanted[1:], value) if wanted.startswith("~") else value != wanted:
            return False
    return True


def _values(found: scraping.Scrape, source: Metrics) -> scraping.Series:
    named = _named(scraping.samples(found, [source.metric]), source.metric)
    if not named:
        close = scraping.like(found, source.metric)
        raise SourceError(f"there is no metric {source.metric}" + (f"; there is {close}" if close else ""))
    values = scraping.series_of(one for one in named if matches(one, source.labels))
    if not values and not source.rate:  # A counter may begin with what it counts: no error yet, no series of errors.
        raise SourceError(f"none of the {len(named)} series of {source.metric} has the labels that are asked for")
    return values


def _named(samples: Iterable[Sample], metric: str) -> list[Sample]:
    """Those of that name, or of a counter that is named without its ending."""
    samples = list(samples)
    return [one for one in samples if one.name == metric] or [one for one in samples if one.name == f"{metric}_total"]
