"""Charts at noon: what was sampled before, what a panel tells of it, and what its chart is given to draw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Flask

from core.site import Site
from panels import PANELS, USUAL, Board, Choice, Shown
from services import series_store
from services.series_store import Sample, Totals
from tests.panels.boards import NOON, Parts

EMPTY = "No sample yet. The first one comes within a few seconds."


def sampled(site: Site, ago_s: float, **gauges: float) -> None:
    """A sample of gauges, so long before noon."""
    series_store.write(site, Sample(NOON - ago_s, gauges=gauges))


def counted(site: Site, ago_s: float, **totals: float) -> None:
    """A sample of counters."""
    series_store.write(site, Sample(NOON - ago_s, rates=totals))


def fell(site: Site, ago_s: float, name: str, buckets: Mapping[int, float], of: int, total: float = 0.0) -> None:
    """A sample of a histogram of so many buckets: those that are not named are empty."""
    filled = tuple(buckets.get(at, 0.0) for at in range(of))
    series_store.write(site, Sample(NOON - ago_s, histograms={name: Totals(filled, total)}))


def chart(app: Flask, site: Site, name: str, choice: Choice = USUAL) -> Shown:
    """What a panel shows of what was chosen; its errors surface."""
    board = Board(site, app.jinja_env, PANELS)
    board.raises = True
    return board.show(PANELS[name], choice)


def told(shown: Shown) -> dict[str, Any]:
    """Its JSON."""
    return dict(json.loads(shown.json))


def known(shown: Shown, key: str) -> dict[str, float]:
    """Of its points the figures that are known, by the clock: `{"11:58": 3.0}`."""
    return {point["at"][11:16]: point[key] for point in told(shown)["points"] if point[key] is not None}


def series(shown: Shown) -> dict[str, Any]:
    """What its chart is given to draw."""
    return dict(json.loads(dict(Parts(shown.html.decode()).attributes)["data-series"] or ""))
