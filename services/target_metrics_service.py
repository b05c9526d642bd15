"""What Prometheus is told of targets: whether each is up, and how long it took to tell."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.site import Site
from services import targets_service


def families(site: Site) -> Iterator[Metric]:
    """`headway_target_up`, `headway_target_scrape_seconds`. Raises StoreError."""
    up = GaugeMetricFamily("headway_target_up", "Whether a target answered when it was asked last.", labels=("target",))
    took = GaugeMetricFamily(
        "headway_target_scrape_seconds", "Seconds that the last look at a target took.", labels=("target",)
    )
    for target in targets_service.targets(site):
        if target.up is not None:
            up.add_metric((target.name,), int(target.up))
        if target.took_s is not None:
            took.add_metric((target.name,), target.took_s)
    yield from (up, took)
