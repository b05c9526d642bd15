"""What Prometheus is told of tiles. Their number is bounded where they come in: declared ones and pushed ones alike."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.site import Site
from services import tiles_service


def families(site: Site) -> Iterator[Metric]:
    """`headway_tile`, and by which to alert on its source: `headway_tile_up`, `headway_tile_good_timestamp_seconds`,
    `headway_tile_failures`. Raises StoreError."""
    values = GaugeMetricFamily("headway_tile", "The last good value of a tile.", labels=("tile",))
    up = GaugeMetricFamily(
        "headway_tile_up", "Whether the source of a tile answered when it was asked last.", labels=("tile",)
    )
    good_at = GaugeMetricFamily(
        "headway_tile_good_timestamp_seconds", "When a tile had its last good value, since the epoch.", labels=("tile",)
    )
    failures = CounterMetricFamily(
        "headway_tile_failures", "Readings of a tile's source that gave no value.", labels=("tile",)
    )
    for tile in tiles_service.tiles(site, points=0):
        label = (tile.id,)
        if tile.value is not None:
            values.add_metric(label, tile.value)
        if tile.good_at is not None:
            good_at.add_metric(label, tile.good_at)
        if tile.kind != "push" and tile.at is not None:
            up.add_metric(label, 0 if tile.unavailable else 1)
            failures.add_metric(label, tile.failures)
    yield from (values, up, good_at, failures)
