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

from core import series
from core.fleet import Figures, Fleet
from core.store import StoreError, explain

log = logging.getLogger("headway.metrics")

PLAIN, OPENMETRICS = CONTENT_TYPE_PLAIN_0_0_4, CONTENT_TYPE_LATEST
KEEP_S = 1.0
"""How long a fleet's text is kept: rendering thousands of series holds up the whole process."""


class _Fixed(CollectorRegistry):
    """Metrics that were collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__()
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


class _Exposition:
    """One fleet's texts, made at most once a second, and the last good metrics of each source."""

    def __init__(self) -> None:
        self.texts: dict[bool, tuple[float, str]] = {}
        self.good: dict[int, list[Metric]] = {}
        self.lock = threading.Lock()

    def text(self, fleet: Fleet, *, openmetrics: bool) -> str:
        with self.lock:
            made_at, text = self.texts.get(openmetrics, (float("-inf"), ""))
            if time.monotonic() - made_at >= KEEP_S:
                text = render(self._metrics(fleet), openmetrics=openmetrics)
                self.texts[openmetrics] = (time.monotonic(), text)
            return text

    def _metrics(self, fleet: Fleet) -> Iterator[Metric]:
        figures = fleet.figures()
        yield from series.metrics(figures.families, figures.values)
        for number, source in enumerate(fleet.sources):
            try:
                self.good[number] = list(source())
            except StoreError as error:
                log.debug("A source of metrics can't be read: %s", explain(error))
            yield from self.good.get(number, ())


_expositions: WeakKeyDictionary[Fleet, _Exposition] = WeakKeyDictionary()


def text_of(fleet: Fleet, *, openmetrics: bool) -> str:
    """The whole fleet's text, up to a second old. The store need not answer."""
    return _expositions.setdefault(fleet, _Exposition()).text(fleet, openmetrics=openmetrics)


def totals_of(registry: CollectorRegistry) -> dict[str, float]:
    """One process's figures, as `Figures.totals` has the fleet's."""
    reading = series.read(registry)
    return Figures(reading.families, reading.growing | reading.gauges, None).totals


def render(metrics: Iterable[Metric], *, openmetrics: bool) -> str:
    generate = generate_openmetrics if openmetrics else generate_latest
    return generate(_Fixed(metrics)).decode()
