from __future__ import annotations

from dataclasses import dataclass

from core import metrics
from core.site import Site
from panels import Panel


@dataclass(frozen=True)
class CacheFigures:
    """Looks into the cache of the whole fleet since it was counted first. The rate is None before the first."""

    hit_rate: float | None
    hits: int
    misses: int


def data(site: Site) -> CacheFigures:
    figures = metrics.to_dict(site)
    hits, misses = (int(figures.get(f"cache_{which}_total") or 0) for which in ("hits", "misses"))
    return CacheFigures(figures["cache_hit_rate"], hits, misses)


PANEL = Panel("cache-hit-rate", title="Cache hit rate", every=5, data=data, chart="doughnut", order=50)
