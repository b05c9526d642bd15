"""What happened long ago, as the Prometheus at PROMETHEUS_URL tells it: each window is asked once, and by few queries.

Who waits for it waits a moment only. What takes longer goes on behind, and is there for who asks next.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import msgspec

from core import keys
from core.config.model import PrometheusServer
from core.logs import printable
from core.metrics import CACHE_HITS
from core.outgoing import OutgoingError
from core.site import Site
from core.store import StoreError, explain
from services import prometheus_queries as queries
from services.prometheus_query import Data, PrometheusError, asked, text
from services.windows import Window

log = logging.getLogger("headway.prometheus")

PATIENCE_S = 20.0
"""A query that takes longer than a page waits is left so long to end."""
REST_S = 10.0
"""After a failure nothing is asked for so long: pages would wait for each other's failures."""
MOST_FLIGHTS = 8
AT_ONCE = 2
"""Queries of a flight that are under way together."""
LONGEST_QUERY = 4_000
"""Characters of a query as it is sent: proxies take some 8,000 for a whole address."""
FIGURE = "figure"
"""The label that tells pieces of one query apart."""
SITE_NAMES = (
    (*queries.GROWING, queries.LATENCY),
    (*queries.STANDING, *queries.ADDED),
    (queries.REQUESTS,),
    (queries.JOBS,),
)
"""What is asked together, whichever of it was asked for: the next chart asks for the rest."""

Values = dict[str, list[float | None]]
"""A value a step by piece, or by piece, tab and `le`."""


@dataclass(frozen=True)
class Told:
    """`values` of what was asked for as far as it is known; `why` says, behind "because", why there are no more."""

    values: Values
    why: str | None = None


@dataclass
class _Flight:
    """A group of names of a window that is being asked for."""

    began: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    values: Values = field(default_factory=dict)
    why: str | None = None


class _Line(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


_flights: dict[str, _Flight] = {}
_resting: dict[str, tuple[float, str]] = {}
"""Until when an address, or something of it by its key, is not asked, and why."""
_lock = threading.Lock()


def told(site: Site, names: Iterable[str], window: Window) -> Told:
    """What Prometheus says of a window's steps: `services.prometheus_queries.pieces` says which pieces a name has.

    Waits for no longer than `[prometheus] timeout`, and never raises for what is wrong with Prometheus. PROMETHEUS_URL is set.
    """
    flights = [_flight(site, group, window) for group in _groups(names)]
    wait_s = float(site.config.prometheus.timeout)
    values: Values = {}
    why = None
    for flight in flights:
        # Whoever came first waited for the others too: a page of many charts waits once.
        left_s = _oldest(flights) + wait_s - time.monotonic()
        if flight.done.wait(max(left_s, 0)):
            values |= flight.values
            why = why or flight.why
        else:
            why = why or f"it did not answer within {site.config.prometheus.timeout}"
    return Told(values, why)


def _groups(names: Iterable[str]) -> list[tuple[str, ...]]:
    wanted = dict.fromkeys(names)
    groups = [group for group in SITE_NAMES if wanted.keys() & set(group)]
    rest = tuple(sorted(name for name in wanted if not any(name in group for group in SITE_NAMES)))
    return [*groups, rest] if rest else groups


def _oldest(flights: Iterable[_Flight]) -> float:
    """When the first of those that have not ended began."""
    with _lock:
        under_way = [*_flights.values(), *flights]
    return min((each.began for each in under_way if not each.done.is_set()), default=time.monotonic())


def _flight(site: Site, names: tuple[str, ...], window: Window) -> _Flight:
    address = site.settings.prometheus_url or ""
    key = _key(address, names, window, site.config.prometheus)
    flight = _Flight()
    if (kept := _kept(site, key)) is not None:
        flight.values = kept
        flight.done.set()
        return flight
    with _lock:
        if key in _flights:
            return _flights[key]
        rests = [
            why for what in (address, key) for until, why in [_resting.get(what, (0.0, ""))] if time.monotonic() < until
        ]
        if rests:
            flight.why = rests[0]
        elif len(_flights) >= MOST_FLIGHTS:
            flight.why = "it is asked for much at the moment"
        else:
            _flights[key] = flight
    if flight.why is not None:
        flight.done.set()
    else:
        threading.Thread(
            target=_fly, args=(site, names, window, key, flight), name="headway-prometheus", daemon=True
        ).start()
    return flight


def _kept(site: Site, key: str) -> Values | None:
    """What was answered lately: it needs no thread, and no Prometheus."""
    try:
        found = msgspec.convert(site.cache.get(keys.PROMETHEUS.at(0, key)), Values | None)
    except (StoreError, msgspec.ValidationError):
        return None
    if found is not None:
        CACHE_HITS.labels(cache="prometheus").inc()
    return found


def _fly(site: Site, names: tuple[str, ...], window: Window, key: str, flight: _Flight) -> None:
    address = site.settings.prometheus_url or ""
    try:
        flight.values = site.cache.get_or_compute(
            keys.PROMETHEUS.at(0, key), _kept_s(site, window), lambda: _ask(site, names, window), "prometheus", Values
        )
    except PrometheusError as fault:  # it answers, and may answer another question
        flight.why = _rest(key, str(fault))
    except OutgoingError as fault:
        flight.why = _rest(address, str(fault))
    except StoreError as fault:
        flight.why = explain(fault)
    except Exception as fault:  # noqa: BLE001
        # Nobody else would hear of it: those who wait stand in other threads. Its text may hold a password.
        flight.why = f"asking it failed ({type(fault).__name__}), of which Headway's log says more"
        log.error("Prometheus: %s\n%s", flight.why, "".join(traceback.format_tb(fault.__traceback__)))
    finally:
        with _lock:
            _flights.pop(key, None)
        flight.done.set()


def _rest(what: str, why: str) -> str:
    now = time.monotonic()
    with _lock:
        for each in [each for each, (until, _) in _resting.items() if until < now]:
            del _resting[each]
        if what not in _resting:
            log.warning("Charts do without Prometheus, because %s", printable(why))
        _resting[what] = (now + REST_S, why)
    return why


def _key(address: str, names: tuple[str, ...], window: Window, server: PrometheusServer) -> str:
    asked_for = (address, names, window.start, window.step_s, window.steps, server)
    return hashlib.sha256(repr(asked_for).encode()).hexdigest()[:32]


def _kept_s(site: Site, window: Window) -> int:
    """How long an answer may be shown: what is over does not change any more, but may be scraped late."""
    return 600 if window.end < site.clock() - 600 else min(max(window.step_s // 60, 15), 300)


def _ask(site: Site, names: tuple[str, ...], window: Window) -> Values:
    """Raises PrometheusError, OutgoingError."""
    step, now = queries.Step.of(window, site.config.prometheus), site.clock()
    wanted = {piece: query for name in names for piece, query in queries.pieces(name, step).items()}
    found: Values = {}
    with ThreadPoolExecutor(AT_ONCE, "headway-promql") as pool:
        for more in pool.map(lambda query: _range(site, query, window, now), _joined(wanted)):
            found |= more
    return {piece: _scaled(piece, values, window, step, now) for piece, values in found.items()}


def _joined(pieces: Mapping[str, str]) -> Iterator[str]:
    """Queries that ask for several pieces each, told apart by the label FIGURE."""
    query = ""
    for piece, asks in pieces.items():
        part = f'label_replace({asks}, "{FIGURE}", {text(piece.replace("$", "$$"))}, "", "")'
        if query and len(quote_plus(query)) + len(quote_plus(part)) > LONGEST_QUERY:
            yield query
            query = ""
        query = f"{query} or {part}" if query else part
    if query:
        yield query


def _range(site: Site, query: str, window: Window, now: float) -> Values:
    begun = sum(start <= now for start in window.starts)
    if not begun:
        return {}
    first = window.start + window.step_s
    between = {"start": first, "end": first + (begun - 1) * window.step_s, "step": window.step_s}
    return asked(
        site,
        site.settings.prometheus_url or "",
        "query_range",
        {"query": query} | {name: str(value) for name, value in between.items()},
        site.config.prometheus.headers,
        PATIENCE_S,
        lambda data: _values(data, window),
    )


def _values(data: Data, window: Window) -> Values:
    if data.result_type != "matrix":
        raise PrometheusError("Prometheus answered no series over time")
    found: Values = {}
    for line in msgspec.convert(data.result, list[_Line]):
        bound = line.metric.get("le")
        piece = line.metric.get(FIGURE, "") + (f"\t{bound}" if bound is not None else "")
        values = found.setdefault(piece, [None] * window.steps)
        for ends, value in line.values:
            at, beside = divmod(ends - window.start, window.step_s)
            if not beside and 1 <= at <= window.steps:
                values[int(at) - 1] = _finite(value)
    return found


def _finite(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _scaled(
    piece: str, values: list[float | None], window: Window, step: queries.Step, now: float
) -> list[float | None]:
    """What grew, as a rate a second or as a count of the step; what stood as it is. To six digits: it is for looking at."""
    if piece in queries.GROWING:
        # Of the present step only a part is over.
        over_s = [step.width_s - max(0.0, start + window.step_s - now) for start in window.starts]
        values = [None if one is None or s <= 0 else one / s for one, s in zip(values, over_s, strict=True)]
    elif queries.counts(piece):
        values = [None if one is None else one * window.step_s / step.width_s for one in values]
    return [None if one is None else float(f"{one:.6g}") for one in values]
