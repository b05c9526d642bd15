"""Sites whose headway.toml says what a test wants, at the time that it wants."""

from __future__ import annotations

from dataclasses import replace

from core import config
from core.site import Site
from services import tiles_service
from services.tile_model import Tile

NOW = 1_800_000_030.0


def declaring(site: Site, text: str, now: float | None = None) -> Site:
    """The site with a headway.toml of this text, its clock stopped at `now`."""
    clock = site.clock if now is None else lambda: now
    return replace(site, config=config.parse(text, {}), clock=clock)


def at(site: Site, now: float) -> Site:
    return replace(site, clock=lambda: now)


def only(site: Site, id: str) -> Tile:
    """The tile of this id, as the page gets it."""
    (tile,) = [tile for tile in tiles_service.tiles(site) if tile.id == id]
    return tile
