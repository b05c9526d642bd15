from __future__ import annotations

from dataclasses import dataclass

from core import metrics
from core.site import Site
from panels import Panel

MOST_LINES = 2_000
"""A page is no scraper: past it the text is cut, and the panel says where the rest is."""


@dataclass(frozen=True)
class Exposition:
    """What a scrape gets, as text and as figures by name; `cut` is how many lines were left out of the text."""

    text: str
    cut: int
    figures: dict[str, float | None]


def data(site: Site) -> Exposition:
    lines = metrics.to_prometheus_format(site).splitlines()
    return Exposition("\n".join(lines[:MOST_LINES]), max(len(lines) - MOST_LINES, 0), metrics.to_dict(site))


PANEL = Panel(
    "metrics", title="Prometheus", note="what a scrape of /metrics gets", every=10, data=data, width=4, order=80
)
