"""An app's pulse: what its counters grew by within the last minute, and what that makes."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.samples import Sample

from core.config import Target
from services.scraping import Scrape, Series, family, grown, like, samples, series_of
from services.target_names import CPU, DURATIONS, MEMORY, REQUESTS, STATUS_LABELS

WINDOW_S = 60.0


@dataclass(frozen=True)
class Counters:
    """What one scrape tells. `at` is of a clock that is never set. Each None where the app does not tell it."""

    at: float
    requests: Series | None
    status_label: str | None
    buckets: Series | None
    cpu_s: Series | None
    memory_bytes: float | None
    found: tuple[str, ...]
    """The names of the metrics that these are of."""
    missing: tuple[str, ...]
    """What is not there, in sentences."""


@dataclass(frozen=True)
class Figures:
    """Each None where the app does not tell it, or nothing happened that it could be made of."""

    requests_per_s: float | None = None
    error_rate: float | None = None
    """Of the requests, in percent: those that were answered with 5xx."""
    p50_s: float | None = None
    p95_s: float | None = None
    memory_bytes: float | None = None
    cpu_percent: float | None = None
    """100 is one core."""


@dataclass(frozen=True)
class Grown:
    """By how much counters grew between two scrapes."""

    at: float
    seconds: float
    requests: float
    errors: float
    buckets: Mapping[float, float]
    cpu_s: float


@dataclass
class Pulse:
    """One app's, from scrape to scrape."""

    _last: Counters | None = None
    _grown: deque[Grown] = field(default_factory=deque)

    def beat(self, now: Counters) -> Figures | None:
        """The figures with this scrape; None at the first one, which has nothing to compare with but the memory."""
        last, self._last = self._last, now
        if last is None or now.at <= last.at:
            return None
        self._grown.append(_between(last, now))
        while self._grown[0].at < now.at - WINDOW_S and len(self._grown) > 1:
            self._grown.popleft()
        return _figures(now, self._grown)


def counters(scrape: Scrape, target: Target, at: float) -> Counters:
    """What a scrape tells of the target. Long text: not on gevent's loop. Raises OutgoingError."""
    wanted = (
        *((target.requests,) if target.requests else REQUESTS),
        *((target.duration,) if target.duration else DURATIONS),
    )
    by_name: dict[str, list[Sample]] = {}
    for sample in samples(scrape, (*wanted, *MEMORY, *CPU)):
        if math.isfinite(sample.value):
            by_name.setdefault(sample.name, []).append(sample)
    missing: list[str] = []
    requests = _first(by_name, (target.requests, f"{target.requests}_total") if target.requests else REQUESTS)
    if requests is None:
        missing.append(_absent(scrape, "counter of requests", target.requests, "requests"))
    status = _status_label(by_name[requests], target) if requests else None
    if requests and status is None:
        named = (
            f"no label {target.status_label}"
            if target.status_label
            else "no label of the status: name it as status_label"
        )
        missing.append(f"{requests} has {named}")
    durations = (family(target.duration), target.duration) if target.duration else DURATIONS
    buckets = _first(by_name, tuple(f"{name}_bucket" for name in durations))
    if buckets is None:
        missing.append(_absent(scrape, "histogram of durations", target.duration, "duration"))
    memory, cpu = _first(by_name, MEMORY), _first(by_name, CPU)
    missing += [f"there is no metric {names[0]}" for names, name in ((MEMORY, memory), (CPU, cpu)) if name is None]
    found = (requests, buckets and buckets.removesuffix("_bucket"), memory, cpu)
    return Counters(
        at=at,
        requests=series_of(by_name[requests]) if requests else None,
        status_label=status,
        buckets=series_of(by_name[buckets]) if buckets else None,
        cpu_s=series_of(by_name[cpu]) if cpu else None,
        memory_bytes=sum(sample.value for sample in by_name[memory]) if memory else None,
        found=tuple(name for name in found if name),
        missing=tuple(missing),
    )


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The value that so large a share does not exceed, by cumulative counts up to each bound, as Prometheus reckons it: evenly
    within a bucket, and the last bound where it lies beyond. None where nothing was counted."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total > 0 or bounds[-1] != math.inf:
        return None
    rank, below, counted = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound == math.inf:
                return below
            inside = buckets[bound] - counted
            return below + (bound - below) * ((rank - counted) / inside if inside else 1.0)
        below, counted = bound, buckets[bound]
    return below


def _first(by_name: Mapping[str, object], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in by_name), None)


def _status_label(of: Iterable[Sample], target: Target) -> str | None:
    there = {label for sample in of for label in sample.labels}
    return next(
        (label for label in ((target.status_label,) if target.status_label else STATUS_LABELS) if label in there), None
    )


def _absent(scrape: Scrape, what: str, named: str | None, field: str) -> str:
    if named is None:
        return f"no {what} of a usual name is there: name it as {field}"
    close = like(scrape, named)
    return f"there is no {what} {named}" + (f"; there is {close}" if close else "")


def _between(last: Counters, now: Counters) -> Grown:
    requests = grown(last.requests or {}, now.requests or {})
    buckets = defaultdict[float, float](float)
    for labels, count in grown(last.buckets or {}, now.buckets or {}).items():
        buckets[_bound(dict(labels).get("le", ""))] += count
    return Grown(
        at=now.at,
        seconds=now.at - last.at,
        requests=sum(requests.values()),
        errors=sum(
            count for labels, count in requests.items() if dict(labels).get(now.status_label or "", "").startswith("5")
        ),
        buckets=buckets,
        cpu_s=sum(grown(last.cpu_s or {}, now.cpu_s or {}).values()),
    )


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf


def _figures(now: Counters, window: Iterable[Grown]) -> Figures:
    window = list(window)
    seconds = sum(one.seconds for one in window)
    requests = sum(one.requests for one in window)
    buckets = defaultdict[float, float](float)
    for one in window:
        for bound, count in one.buckets.items():
            buckets[bound] += count
    return Figures(
        requests_per_s=requests / seconds if now.requests is not None else None,
        error_rate=100 * sum(one.errors for one in window) / requests if now.status_label and requests else None,
        p50_s=quantile(0.5, buckets),
        p95_s=quantile(0.95, buckets),
        memory_bytes=now.memory_bytes,
        cpu_percent=100 * sum(one.cpu_s for one in window) / seconds if now.cpu_s is not None else None,
    )
