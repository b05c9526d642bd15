from __future__ import annotations

from panels import Panel
from services import history_service

PANEL = Panel(
    "redis-latency",
    title="Redis latency",
    note="ms, last 20 samples",
    every=5,
    data=history_service.redis_latency,
    chart="line",
    width=3,
    order=40,
)
