"""What Prometheus is told of the archive. What became of jobs on their way into it is counted in `core.metrics`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.site import Site
from services.archive_standing import standing


def families(site: Site) -> Iterator[Metric]:
    """`headway_archive_behind`, `headway_archive_lag_seconds` and, once it is known, `headway_archived_jobs`. Raises StoreError."""
    stands = standing(site)
    yield GaugeMetricFamily(
        "headway_archive_behind", "Finished jobs that are not archived yet, at most.", value=stands.behind
    )
    yield GaugeMetricFamily(
        "headway_archive_lag_seconds",
        "For how long the archive has been behind; 0 where it is not.",
        value=stands.lag_s(site.clock()),
    )
    if stands.archived is not None:
        yield GaugeMetricFamily("headway_archived_jobs", "Jobs in the archive.", value=stands.archived)
