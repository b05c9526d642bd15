"""Apps of the user's that headway.toml names as targets: how each fares, and its last hour.

The process that leads scrapes them (`target_poller`) and writes here; all of them read. What the store raises passes through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from core import keys
from core.config import Target
from core.site import Site
from services.target_pulse import Figures
from services.tile_model import Point, points_of, titled

HISTORY_MINUTES = 60
STALE_TURNS = 4
"""After so many intervals without a word nobody asks any more, and it is not known whether the target is up."""
STALE_S = 30.0


class Record(Struct):
    """What the store keeps of a target. Times are seconds since the epoch."""

    at: float
    took: float
    why: str | None = None
    since: float = 0.0
    """When it began to be up, or down."""
    figures: Figures = Figures()
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetView:
    """One app. Times are seconds since the epoch.

    `up` is None where it was not asked yet, or not for long. While it is down `unavailable` says why, behind "because"; `since`
    is when it went up, or down. A figure is None where the app does not tell it (`missing` says what is not there), and while
    it is down. `found` are the names of the metrics that figures are made of.
    """

    name: str
    title: str
    link: str | None
    up: bool | None
    unavailable: str | None
    since: float | None
    requests_per_s: float | None
    error_rate: float | None
    """Percent of the requests of the last minute that were answered with 5xx."""
    p50_s: float | None
    p95_s: float | None
    memory_bytes: float | None
    cpu_percent: float | None
    """Of one core."""
    at: float | None
    took_s: float | None
    found: tuple[str, ...]
    missing: tuple[str, ...]
    points: tuple[Point, ...]
    """Requests a second, one point a minute of the last hour, oldest first."""


_record = msgspec.msgpack.Decoder(Record).decode


def targets(site: Site) -> tuple[TargetView, ...]:
    """Those that headway.toml declares, in their order. Raises StoreError."""
    declared = site.config.targets
    if not declared:
        return ()
    now = site.clock()
    with site.store.raw.pipeline(transaction=False) as pipeline:
        pipeline.hmget(keys.TARGETS.at(), [one.name for one in declared])
        for one in declared:
            pipeline.zrangebyscore(keys.TARGET_HISTORY.at(0, one.name), int(now) // 60 - HISTORY_MINUTES + 1, "+inf")
        records, *histories = pipeline.execute()
    return tuple(
        _view(one, _decoded(packed), points_of(history), now)
        for one, packed, history in zip(declared, records, histories, strict=True)
    )


def note_scrape(
    site: Site, target: Target, figures: Figures | None, found: tuple[str, ...], missing: tuple[str, ...], took_s: float
) -> None:
    """That a target is up. `figures` is None where there was nothing to compare with: then those of before go on for a while,
    so that a process that begins to lead takes nothing off the page. Raises StoreError."""
    now, before = site.clock(), _before(site, target)
    kept = before.figures if before and before.why is None and now - before.at < _stale_s(target) else Figures()
    since = before.since if before and before.why is None else now
    record = Record(now, took_s, None, since, figures or kept, found, missing)
    with site.store.raw.pipeline(transaction=True) as pipeline:
        pipeline.hset(keys.TARGETS.at(), target.name, msgspec.msgpack.encode(record))
        if figures is not None and figures.requests_per_s is not None:
            _keep_point(pipeline, keys.TARGET_HISTORY.at(0, target.name), int(now) // 60, figures.requests_per_s)
        pipeline.execute()


def note_failure(site: Site, target: Target, why: str, took_s: float) -> None:
    """That a target is down, in words that go on behind "because". Raises StoreError."""
    now, before = site.clock(), _before(site, target)
    since = before.since if before and before.why is not None else now
    site.store.raw.hset(keys.TARGETS.at(), target.name, msgspec.msgpack.encode(Record(now, took_s, why, since)))


def forget_former(site: Site) -> None:
    """Drop what is noted of targets that are no longer declared. Raises StoreError."""
    known = {one.name for one in site.config.targets}
    if former := [name for name in site.store.redis.hkeys(keys.TARGETS.at()) if name not in known]:
        site.store.redis.hdel(keys.TARGETS.at(), *former)
        site.store.redis.delete(*(keys.TARGET_HISTORY.at(0, name) for name in former))


def _view(target: Target, record: Record | None, points: tuple[Point, ...], now: float) -> TargetView:
    fresh = record is not None and now - record.at < _stale_s(target)
    why = record.why if record and fresh else None
    figures = record.figures if record and fresh else Figures()
    return TargetView(
        name=target.name,
        title=target.title or titled(target.name),
        link=target.link,
        up=why is None if fresh else None,
        unavailable=why,
        since=record.since if record and fresh else None,
        requests_per_s=figures.requests_per_s,
        error_rate=figures.error_rate,
        p50_s=figures.p50_s,
        p95_s=figures.p95_s,
        memory_bytes=figures.memory_bytes,
        cpu_percent=figures.cpu_percent,
        at=record.at if record else None,
        took_s=record.took if record else None,
        found=record.found if record else (),
        missing=record.missing if record else (),
        points=points,
    )


def _keep_point(pipeline: Any, history: str, minute: int, value: float) -> None:
    pipeline.zremrangebyscore(history, minute, minute)
    pipeline.zadd(history, {f"{minute}:{value:.6g}": minute})
    pipeline.zremrangebyscore(history, "-inf", minute - HISTORY_MINUTES)
    pipeline.expire(history, 2 * HISTORY_MINUTES * 60)


def _before(site: Site, target: Target) -> Record | None:
    return _decoded(site.store.raw.hget(keys.TARGETS.at(), target.name))  # type: ignore[arg-type]


def _decoded(packed: bytes | None) -> Record | None:
    """None where there is none, or one that can't be read, which the next scrape mends."""
    try:
        return None if packed is None else _record(packed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _stale_s(target: Target) -> float:
    return STALE_TURNS * target.every + STALE_S
