"""The admin page: tiles, the user's apps, the newest notifications and the newest log lines, whole at its first paint."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from core import access
from panels._tile_words import said
from routes import regions, site
from routes.logs_pages import viewer
from routes.notification_list import acting
from routes.regions import Content, region
from services import targets_service, tiles_service
from services.tile_model import Tile

bp = Blueprint("admin", __name__, url_prefix="/dashboard/admin")

PARTS = ("tiles", "targets", "notifications")


@bp.get("", strict_slashes=False)
@access.scope("read")
def page() -> str:
    parts = {name: regions.show(name) for name in PARTS}
    return render_template("admin.html", parts=parts, **acting(), **viewer({}, compact=True))


@bp.get("/<any(tiles, targets):name>")
@access.scope("read")
def part(name: str) -> Response:
    return regions.answer(name)


@region("tiles", every=5)
def _tiles(_: str) -> Content:
    tiles = tiles_service.tiles(site())
    groups: dict[str, list[Tile]] = {}
    for tile in tiles:
        groups.setdefault(tile.group, []).append(tile)
    waiting = next((tile for tile in tiles if tile.kind == "push" and tile.value is None), None)
    return Content(render_template("components/tiles.html", groups=groups, waiting=waiting, said=said))


@region("targets", every=15)
def _targets(_: str) -> Content:
    return Content(render_template("components/targets.html", targets=targets_service.targets(site()), said=said))
