"""Tiles as JSON, to push their values and to read them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta, Struct

from core import access
from core.problems import Problem
from core.times import rfc3339
from routes import body, site
from routes.logs_api import frame_of
from services import tiles_service
from services.tile_model import Tile
from services.tiles_service import IsDeclared, NotPushed

bp = Blueprint("tiles_api", __name__, url_prefix="/api/v1/tiles")

Number = Annotated[int | float, Meta(description="a number")]


class NewValue(Struct, frozen=True, forbid_unknown_fields=True):
    value: Number


class Growth(Struct, frozen=True, forbid_unknown_fields=True):
    by: Number = 1


@bp.put("/<id>")
@access.scope("ingest")
def put(id: str) -> Response:
    """200 and the tile. An id that nobody declared becomes one."""
    new = body.of(NewValue)
    try:
        return _answer(_item(tiles_service.set_value(site(), id, new.value)))
    except NotPushed as fault:
        raise _not_pushed(fault) from fault


@bp.post("/<id>/increment")
@access.scope("ingest")
def increment(id: str) -> Response:
    """200 and the tile; one that had no value begins at 0. A repeat of an `Idempotency-Key` within 15 minutes adds nothing."""
    growth, once = body.of(Growth), frame_of("Idempotency-Key")
    try:
        return _answer(_item(tiles_service.increment(site(), id, growth.by, once)))
    except NotPushed as fault:
        raise _not_pushed(fault) from fault


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{tiles}`, declared ones first, in their order."""
    return _answer({"tiles": [_item(tile) for tile in tiles_service.tiles(site(), points=0)]})


@bp.get("/<id>")
@access.scope("read")
def show(id: str) -> Response:
    """One tile with its `history`."""
    tile = tiles_service.tile(site(), id)
    if tile is None:
        raise _unknown(id)
    history = [{"at": rfc3339(at), "value": value} for at, value in tile.points]
    return _answer({**_item(tile), "history": history})


@bp.delete("/<id>")
@access.scope("admin")
def remove(id: str) -> Response:
    """204 when a pushed tile that nobody declared is gone."""
    try:
        if not tiles_service.remove(site(), id):
            raise _unknown(id)
    except IsDeclared as fault:
        raise Problem(409, "Declared tile", f"headway.toml declares {id}: remove it there.") from fault
    return Response(status=204)


def _item(tile: Tile) -> dict[str, Any]:
    good_at = tile.good_at
    return {
        "id": tile.id,
        "title": tile.title,
        "group": tile.group,
        "unit": tile.unit,
        "format": tile.format,
        "link": tile.link,
        "source": tile.kind,
        "declared": tile.declared,
        "every_seconds": tile.every_s,
        "value": tile.value,
        "state": tile.state,
        "good_at": _time(good_at),
        "age_seconds": None if good_at is None else int(max(0.0, site().clock() - good_at)),
        "read_at": _time(tile.at),
        "took_seconds": tile.took_s,
        "unavailable": tile.unavailable,
        "unavailable_since": _time(tile.since),
        "failures": tile.failures,
    }


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


def _answer(value: Any) -> Response:
    return Response(msgspec.json.encode(value), mimetype="application/json")


def _not_pushed(fault: NotPushed) -> Problem:
    return Problem(409, "Not a pushed tile", str(fault), field="id")


def _unknown(id: str) -> Problem:
    return Problem(404, "No such tile", f"There is no tile {id[:128]!r}: none is declared, and none was pushed.")
