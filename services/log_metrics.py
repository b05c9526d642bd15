"""What Prometheus is told of the logs that are kept. What comes in is counted in `core.metrics`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.site import Site
from services import logs_service


def families(site: Site) -> Iterator[Metric]:
    """`headway_log_bytes`. Raises StoreError."""
    yield GaugeMetricFamily(
        "headway_log_bytes", "What kept log lines take in the store.", value=logs_service.total_bytes(site)
    )
