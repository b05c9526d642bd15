"""The figures of the demo's page: what its intake found in the orders that it took in."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import headway

TILES = ("users", "requests.total", "requests.tracking", "episodes_tracked")


@dataclass(frozen=True)
class Orders:
    """The orders of a delivery: how many, how many of them are tracked, whose they are, and which episodes are tracked."""

    total: int
    tracked: int
    customers: frozenset[str]
    episodes: frozenset[str]


class Tally:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._customers: set[str] = set()
        self._episodes: set[str] = set()

    def begin(self) -> None:
        """Show that there is nothing yet, where nothing was shown before."""
        for tile in TILES:
            headway.increment(tile, 0)

    def add(self, orders: Orders) -> None:
        with self._lock:
            customers, episodes = orders.customers - self._customers, orders.episodes - self._episodes
            self._customers |= customers
            self._episodes |= episodes
        for tile, by in zip(TILES, (len(customers), orders.total, orders.tracked, len(episodes)), strict=True):
            headway.increment(tile, by)
