"""Asks the sources of declared tiles for their values: the duty `tiles` of one process."""

from __future__ import annotations

import logging
from typing import Any

from core.config import Tile
from core.config.sources import Push
from core.site import Site
from services import polling, tile_sources, tiles_service
from services.tile_model import Number
from services.tile_sources import Context

log = logging.getLogger("headway.tiles")


class TilePoller:
    def __init__(self) -> None:
        self._polled: dict[str, Polled] = {}

    def run(self, site: Site) -> None:
        """Begin what is due, give up what takes too long. Takes no time of its own, and raises nothing of the store's."""
        for tile in tiles_service.declared(site):
            if not isinstance(tile.source, Push):
                polled = self._polled.get(tile.id) or self._polled.setdefault(tile.id, Polled(tile))
                polled.tend(site)


class Polled(polling.Polled):
    def __init__(self, tile: Tile) -> None:
        super().__init__(f"tile {tile.id}", tile.every, tile.timeout, log)
        self._tile = tile
        self._before: dict[str, Any] = {}

    def ask(self, site: Site) -> Number | None:
        return tile_sources.read(self._tile.source, Context(site, float(self._tile.timeout), self._before))

    def note_answer(self, site: Site, answer: Number | None, took_s: float) -> None:
        tiles_service.note_value(site, self._tile.id, answer, took_s)

    def note_failure(self, site: Site, why: str, took_s: float) -> None:
        tiles_service.note_failure(site, self._tile.id, why, took_s)
