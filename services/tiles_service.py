"""Tiles: figures that headway.toml declares, with their last values, and those that were pushed without being declared.

Every write is the script `tile` in the store, which keeps the value and the point of its minute in one go. What the store
raises passes through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from core import keys
from core.config import Tile as Declared
from core.config.checks import path_fault
from core.fields import FieldError, check
from core.site import Site
from services import name_order, tile_model
from services.tile_model import Number, Point, Record, Tile

USUAL_TILES = (
    Declared("users", title="Users"),
    Declared("requests.total", title="Requests", group="Requests"),
    Declared("requests.tracking", title="Tracking requests", group="Requests"),
    Declared("episodes_tracked", title="Episodes tracked"),
)
"""What there is where headway.toml declares no tile."""
MOST_UNDECLARED = 200
"""Tiles that headway.toml does not declare."""
POINTS = 60
"""The last points of its history that come with a tile."""
_LARGEST = 2**63 - 1


class NotPushed(Exception):
    """A tile whose value comes from its source takes none that is pushed. `kind` is that of its source."""

    def __init__(self, id: str, kind: str) -> None:
        super().__init__(
            f'headway.toml declares {id} with a source of kind "{kind}", which sets its value. '
            'Leave the source out there (or make it kind = "push"), or push to another id.'
        )
        self.kind = kind


class IsDeclared(Exception):
    """A tile that headway.toml declares is removed there."""


def declared(site: Site) -> tuple[Declared, ...]:
    """The tiles that headway.toml declares, in their order; the usual ones where it declares none."""
    return USUAL_TILES if site.config.tiles is None else site.config.tiles


def tiles(site: Site, points: int = POINTS) -> tuple[Tile, ...]:
    """Declared tiles in their order, then pushed ones that nobody declared, by id as people count; with so many last points. Raises StoreError."""
    shown = _shown(site)
    histories = _last_points(site, [one.id for one, _, _ in shown], points)
    return tuple(
        tile_model.tile(one, record, known=known, points=some)
        for (one, known, record), some in zip(shown, histories, strict=True)
    )


def tile(site: Site, id: str) -> Tile | None:
    """One tile with all of its history; None where it is neither declared nor pushed. Raises StoreError."""
    found = next((one for one in _shown(site) if one[0].id == id), None)
    if found is None:
        return None
    one, known, record = found
    return tile_model.tile(one, record, known=known, points=history(site, id))


def values(site: Site) -> dict[str, Number | None]:
    """The last good value of each tile, None where there is none. Raises StoreError."""
    return {
        one.id: None if record is None or record.v is None else tile_model.parsed(record.v)
        for one, _, record in _shown(site)
    }


def history(site: Site, id: str) -> tuple[Point, ...]:
    """One point a minute in which the tile had a new value, oldest first, of the last 24 hours. Raises StoreError."""
    oldest = int(site.clock()) // 60 - tile_model.HISTORY_MINUTES
    found: Any = site.store.raw.zrangebyscore(keys.TILE_HISTORY.at(0, id), oldest, "+inf")
    return tile_model.points_of(found)


def set_value(site: Site, id: str, value: Number) -> Tile:
    """Push a value. Raises FieldError, NotPushed, StoreError."""
    return _pushed(site, id, "value", o="set", v=text(value, "value"))


def increment(site: Site, id: str, by: Number, once: str | None = None) -> Tile:
    """Add to the value of a pushed tile, 0 where it has none yet; one that is named by `once` counts once, however often it comes.
    Raises FieldError, NotPushed, StoreError."""
    text(by, "by")
    named = {} if once is None else {"once": once}
    return _pushed(site, id, "by", o="add", by=by if abs(by) <= _LARGEST else float(by), **named)


def note_value(site: Site, id: str, value: Number | None, took_s: float) -> None:
    """What a declared tile's source answered, None where it says that there is no value. Raises StoreError."""
    _write(site, id, o="set", took=took_s, **({} if value is None else {"v": text(value, "value")}))


def note_failure(site: Site, id: str, why: str, took_s: float) -> None:
    """That a declared tile's source gives no value, in words that go on behind "because". Raises StoreError."""
    _write(site, id, o="fail", why=why, took=took_s)


def remove(site: Site, id: str) -> bool:
    """Remove a pushed tile that nobody declares; whether there was one. Raises IsDeclared, StoreError."""
    if _declared(site, id) is not None:
        raise IsDeclared
    with site.store.redis.pipeline(transaction=True) as pipeline:
        pipeline.srem(keys.UNDECLARED_TILES.at(), id)
        pipeline.hdel(keys.TILES.at(), id)
        pipeline.delete(keys.TILE_HISTORY.at(0, id))
        return bool(pipeline.execute()[0])


def forget_former(site: Site) -> None:
    """Let go of what is kept of tiles that are neither declared nor pushed any longer, once their history has gone.

    Raises StoreError.
    """
    ids = {one.id for one in declared(site)}
    if ids:
        site.store.redis.srem(keys.UNDECLARED_TILES.at(), *ids)
    kept: Any = site.store.redis.hkeys(keys.TILES.at())
    for id in set(kept) - ids:
        _write(site, id, o="forget")


def text(value: Number, field: str) -> str:
    """A number as the store keeps it: a whole one of up to 64 bits stays one. Raises FieldError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(field, "should be a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        finite = False
    if not finite:
        raise FieldError(field, "should be a finite number")
    return str(value) if isinstance(value, int) and abs(value) <= _LARGEST else repr(float(value))


def _declared(site: Site, id: str) -> Declared | None:
    return next((one for one in declared(site) if one.id == id), None)


def _pushed(site: Site, id: str, field: str, **call: Any) -> Tile:
    known = one = _declared(site, id)
    if one is None:
        one = check(Declared, {"id": id}, whole="id")
        if fault := path_fault(id, [other.id for other in declared(site)]):
            raise FieldError("id", f"{id} {fault}")
        call["most"] = MOST_UNDECLARED
    kind = one.source.__struct_config__.tag
    if kind != "push":
        raise NotPushed(id, str(kind))
    outcome, record, other = _write(site, id, **call)
    if outcome == "beside":
        raise FieldError("id", f"{id} {path_fault(id, [other])}")
    if outcome == "full":
        raise FieldError(
            "id",
            f"{id} would be one too many: {MOST_UNDECLARED} is the most of tiles that headway.toml does not declare. "
            "Declare it there, or remove another by DELETE /api/v1/tiles/ID",
        )
    if outcome == "infinite":
        raise FieldError(field, "makes the value larger than any number that can be kept")
    return tile_model.tile(one, record, known=known is not None)


def _write(site: Site, id: str, **call: Any) -> tuple[str, Record | None, str]:
    answer: Any = site.store.scripts.run("tile", 0, {"i": id, "now": int(site.clock() * 1000), **call})
    outcome, record, other = answer
    return outcome.decode(), tile_model.record_of(record), other.decode()


def _shown(site: Site) -> list[tuple[Declared, bool, Record | None]]:
    """Each tile that there is: how it is to be shown, whether headway.toml says so, and what is kept of it."""
    with site.store.raw.pipeline(transaction=False) as pipeline:
        pipeline.hgetall(keys.TILES.at())
        pipeline.smembers(keys.UNDECLARED_TILES.at())
        packed, undeclared = pipeline.execute()
    known = declared(site)
    ids = [one.id for one in known]
    # What is pushed beside a declaration that came later has no place any more.
    pushed = (name.decode() for name in undeclared)
    others = sorted(
        (id for id in pushed if id not in ids and not path_fault(id, ids)), key=partial(name_order.place, "")
    )
    return [(one, True, _of(packed, one.id)) for one in known] + [
        (Declared(id), False, _of(packed, id)) for id in others
    ]


def _of(packed: Mapping[bytes, bytes], id: str) -> Record | None:
    return tile_model.record_of(packed.get(id.encode()))


def _last_points(site: Site, ids: Sequence[str], most: int) -> list[tuple[Point, ...]]:
    if not most:
        return [()] * len(ids)
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for id in ids:
            pipeline.zrange(keys.TILE_HISTORY.at(0, id), -most, -1)
        return [tile_model.points_of(members) for members in pipeline.execute()]
