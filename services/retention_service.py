"""Retention: finished jobs go when they are too old or too many, in small steps."""

from __future__ import annotations

from core.site import Site
from services.jobs_service import DAY_MS

STEP = 200
"""Jobs a step, so that no other caller of the store waits long for it."""
MOST_STEPS = 250
"""Steps a run and partition: what is left waits for the next run."""


def run(site: Site) -> int:
    """Remove what `HEADWAY_KEEP_DAYS` and `HEADWAY_KEEP_JOBS` no longer keep; how many jobs went. Raises redis.RedisError."""
    call = {
        "before": int(site.clock() * 1000) - site.settings.keep_days * DAY_MS,
        "keep": max(1, site.settings.keep_jobs // site.store.partitions),
        "most": STEP,
    }
    gone = 0
    for partition in range(site.store.partitions):
        for _ in range(MOST_STEPS):
            step = int(site.store.scripts.run("retire", partition, call))
            gone += step
            if step < STEP:
                break
    return gone
