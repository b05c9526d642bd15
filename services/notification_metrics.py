"""What Prometheus is told of notifications, from the counters that the store keeps."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core import keys
from core.site import Site

STATES = ("created", "sent", "failed", "retried")


def families(site: Site) -> Iterator[Metric]:
    """`headway_notifications_total{state}`, `headway_notifications_pending`. Raises StoreError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hmget(keys.NOTIFICATION_TOTALS.at(), STATES)
        pipeline.zcard(keys.NOTIFICATION_STATE.at(0, "pending"))
        totals, pending = pipeline.execute()
    came = CounterMetricFamily(
        "headway_notifications",
        "Notifications that were created, sent, given up, and tries put off.",
        labels=("state",),
    )
    for state, total in zip(STATES, totals, strict=True):
        came.add_metric((state,), int(total or 0))
    yield came
    yield GaugeMetricFamily("headway_notifications_pending", "Notifications that wait to be sent.", value=int(pending))
