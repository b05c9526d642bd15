"""The health of Headway's parts: the store, the archive, the duties, the processes, and which versions they are."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from core import draining, fleet, keys, leader
from core.duties import Fared
from core.site import Site
from core.store import StoreError, explain
from core.times import rfc3339
from core.version import VERSION
from services.archive_standing import Standing, standing

PACKAGES = ("gunicorn", "flask", "gevent", "redis")


@dataclass(frozen=True)
class StoreHealth:
    """`unavailable` says in words why the store does not answer; then nothing else of it is known."""

    unavailable: str | None
    kind: str | None = None
    """Valkey or Redis."""
    version: str | None = None
    latency_ms: float | None = None
    memory_used_bytes: int | None = None
    memory_limit_bytes: int | None = None
    """None where the store has no limit."""
    persistence: str | None = None


@dataclass(frozen=True)
class DutyHealth:
    """`failures` counts those in a row, 0 when the last run went well; `error` is the last one's words, whenever it was."""

    name: str
    every_s: float
    ran_at: str
    took_ms: float
    failures: int
    error: str | None
    failed_at: str | None


@dataclass(frozen=True)
class ProcessHealth:
    pid: int
    host: str
    role: str
    rss_mb: float
    started_at: str
    heard_at: str
    leads: bool


@dataclass(frozen=True)
class Health:
    """`leader` is who runs the duties, `host:pid`; None where nobody does or the store is away."""

    store: StoreHealth
    leader: str | None
    duties: tuple[DutyHealth, ...]
    versions: dict[str, str]
    processes: tuple[ProcessHealth, ...]
    open_streams: int
    archive: Standing | None = None
    """None where the store is away, which knows."""


def health(site: Site) -> Health:
    """What is known now. Where the store does not answer that is said, and no error raised."""
    try:
        store, holder = _store(site), leader.holder(site.store)
        duties, processes, archive = _duties(site), _processes(site, holder), standing(site)
    except StoreError as error:
        site.fleet.rest(error)
        return Health(StoreHealth(explain(error)), None, (), versions(), (), open_streams(site))
    who = ":".join(holder.split(":")[:2]) if holder else None
    return Health(store, who, duties, versions(), processes, open_streams(site), archive)


def faults(site: Site) -> dict[str, str]:
    """Which part can't serve requests now, and why; empty when all do. A store that refuses writes does not serve."""
    found: dict[str, str] = {}
    if draining.begun():
        found["process"] = "this process is about to end"
    try:
        site.store.redis.set(keys.PROBE.at(), 1, ex=60)
    except StoreError as error:
        found["store"] = explain(error)
    return found


@cache
def versions() -> dict[str, str]:
    return {"headway": VERSION, "python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def open_streams(site: Site) -> int:
    """Those of all processes, by every transport."""
    return int(site.fleet.figures().totals.get("headway_stream_clients", 0))


def _store(site: Site) -> StoreHealth:
    latency_ms = site.store.latency_ms()
    info: dict[str, Any] = {}
    for section in ("server", "memory", "persistence"):
        info |= site.store.redis.info(section)
    valkey = info.get("valkey_version")
    return StoreHealth(
        unavailable=None,
        kind="Valkey" if valkey else "Redis",
        version=str(valkey or info.get("redis_version")),
        latency_ms=round(latency_ms, 3),
        memory_used_bytes=info.get("used_memory"),
        memory_limit_bytes=info.get("maxmemory") or None,
        persistence=_persistence(info),
    )


def _persistence(info: Mapping[str, Any]) -> str:
    if info.get("loading"):
        return "still loading"
    if info.get("aof_enabled"):
        state = info.get("aof_last_write_status", "ok")
        return "append-only file" if state == "ok" else "append-only file, the last write failed"
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return "the last snapshot failed"
    return "no append-only file"


def _duties(site: Site) -> tuple[DutyHealth, ...]:
    noted: Mapping[Any, Any] = site.store.redis.hgetall(keys.DUTIES.at())
    fared = [each for _, text in sorted(noted.items()) if (each := _fared(text)) is not None]
    return tuple(
        DutyHealth(
            each.name, each.every_s, rfc3339(each.ran_at), round(each.took_s * 1000, 1), each.failures, each.error,
            rfc3339(each.failed_at) if each.failed_at is not None else None,
        )
        for each in fared
    )  # fmt: skip


def _fared(text: str) -> Fared | None:
    try:
        return msgspec.json.decode(text, type=Fared)
    except msgspec.DecodeError:
        return None


def _processes(site: Site, holder: str | None) -> tuple[ProcessHealth, ...]:
    return tuple(
        ProcessHealth(
            each.pid, each.host, each.role, round(each.rss_bytes / 2**20, 1), rfc3339(each.started_at), rfc3339(heard_at),
            leads=bool(holder and holder.endswith(f":{name}")),
        )
        for name, heard_at, each in fleet.processes(site.store)
    )  # fmt: skip
