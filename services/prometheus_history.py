"""What happened long ago, as the Prometheus at PROMETHEUS_URL tells it: each window is asked once, and by few queries.

Who waits for it waits a moment only. What takes longer goes on behind, and is there for who asks next.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from core import keys
from core.config.model import PrometheusServer
from core.logs import printable
from core.metrics import count_look
from core.outgoing import OutgoingError
from core.site import Site
from core.store import StoreError, explain
from services import prometheus_queries as queries
from services import prometheus_ranges
from services.prometheus_query import PrometheusError
from services.prometheus_ranges import Values
from services.windows import Window

log = logging.getLogger("headway.prometheus")

REST_S = 10.0
"""After a failure nothing is asked for so long: pages would wait for each other's failures."""
MOST_FLIGHTS = 8
SITE_NAMES = (
    (*queries.GROWING, queries.LATENCY),
    (*queries.STANDING, *queries.ADDED),
    (queries.REQUESTS,),
    (queries.JOBS,),
)
"""What is asked together, whichever of it was asked for: the next chart asks for the rest."""


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
        count_look("prometheus", is_hit=True)
    return found


def _fly(site: Site, names: tuple[str, ...], window: Window, key: str, flight: _Flight) -> None:
    address = site.settings.prometheus_url or ""
    try:
        flight.values = site.cache.get_or_compute(
            keys.PROMETHEUS.at(0, key),
            _kept_s(site, window),
            lambda: prometheus_ranges.ask(site, names, window),
            "prometheus",
            Values,
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
