"""What this process takes of the machine, as metrics: of all processes together they are what Headway takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class ProcessMetrics(Collector):
    def describe(self) -> list[Metric]:
        """Nothing: its names are no other's."""
        return []

    def collect(self) -> Iterator[Metric]:
        memory = psutil.Process().memory_info().rss
        yield GaugeMetricFamily("headway_process_resident_memory_bytes", "Memory that is not swapped out.", memory)
        cpu_s = time.process_time()
        yield CounterMetricFamily("headway_process_cpu_seconds", "Seconds of a core that were spent.", cpu_s)
