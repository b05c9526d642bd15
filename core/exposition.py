"""The texts that a scrape gets: of one process's registry, or of the whole fleet with what the store adds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from redis.exceptions import ResponseError

from core import keys, series
from core.fleet import Figures, Fleet
from core.store import StoreError, explain

log = logging.getLogger("headway.metrics")

PLAIN, OPENMETRICS = CONTENT_TYPE_PLAIN_0_0_4, CONTENT_TYPE_LATEST
KEEP_S = 1.0
"""How long a text is kept: rendering thousands of series holds up the whole process."""


class _Fixed(CollectorRegistry):
    """Metrics that were collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__()
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


class _Exposition:
    """One fleet's texts, and the last good metrics of each source."""

    def __init__(self) -> None:
        self.own: dict[bool, str] = {}
        self.own_until = 0.0
        self.good: dict[int, list[Metric]] = {}
        self.answers = True
        self.lock = threading.Lock()

    def text(self, fleet: Fleet, *, openmetrics: bool) -> str:
        with self.lock:
            # For a moment after the store was away it may still hold a text that is older than what was shown since.
            if time.monotonic() >= self.own_until:
                try:
                    return self._shared(fleet, openmetrics=openmetrics)
                except StoreError as error:
                    # A full store still answers; of one that does not, one wait is enough.
                    self.answers = isinstance(error, ResponseError)
                    fleet.rest(error)
                    self.own_until = time.monotonic() + KEEP_S
                    self.own.clear()
            if openmetrics not in self.own:
                self.own[openmetrics] = render(self._metrics(fleet), openmetrics=openmetrics)
            return self.own[openmetrics]

    def _shared(self, fleet: Fleet, *, openmetrics: bool) -> str:
        """One text for all processes: with a copy in each, two scrapes could see a counter fall. Raises StoreError."""
        key = keys.METRICS_TEXT.at(0, "openmetrics" if openmetrics else "plain")
        text = fleet.store.redis.get(key)
        self.answers = True
        if text is not None:
            fleet.figures()  # Should the store go away next, this process knows what it has shown.
            return str(text)
        text = render(self._metrics(fleet), openmetrics=openmetrics)
        if fleet.store.redis.set(key, text, nx=True, px=round(KEEP_S * 1000)):
            return text
        return str(fleet.store.redis.get(key) or text)

    def _metrics(self, fleet: Fleet) -> Iterator[Metric]:
        figures = fleet.figures()
        yield from series.metrics(figures.families, figures.values)
        for number, source in enumerate(fleet.sources):
            try:
                if self.answers:
                    self.good[number] = list(source())
            except StoreError as error:
                log.debug("A source of metrics can't be read: %s", explain(error))
            yield from self.good.get(number, ())


_expositions: WeakKeyDictionary[Fleet, _Exposition] = WeakKeyDictionary()


def text_of(fleet: Fleet, *, openmetrics: bool) -> str:
    """The whole fleet's text, up to a second old; without the store, what this process knows of it."""
    return _expositions.setdefault(fleet, _Exposition()).text(fleet, openmetrics=openmetrics)


def totals_of(registry: CollectorRegistry) -> dict[str, float]:
    """One process's figures, as `Figures.totals` has the fleet's."""
    reading = series.read(registry)
    return Figures(reading.families, reading.growing | reading.gauges, None).totals


def render(metrics: Iterable[Metric], *, openmetrics: bool) -> str:
    generate = generate_openmetrics if openmetrics else generate_latest
    return generate(_Fixed(metrics)).decode()
