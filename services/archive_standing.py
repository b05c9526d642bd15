"""How the archive stands: what it holds, how far behind it is, and why, where it can't be reached."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec
import sqlalchemy
from msgspec import Struct

from core import keys
from core.database import DatabaseError
from core.site import Site
from core.store import StoreError
from services.archive_schema import ARCHIVE, whole_name

TOLD = "told"


@dataclass(frozen=True)
class Standing:
    """Times are seconds since the epoch. What the database holds is as it was when it was last there."""

    database: str
    """What it is called: PostgreSQL or SQLite."""
    unavailable: str | None
    """Why nothing is archived now, in words."""
    archived: int | None
    """Jobs in the archive; None until it was there once."""
    archived_at: float | None
    """When the last job came into it."""
    behind: int
    """At most so many finished jobs are not in it yet."""
    since: float | None
    """Since when it is behind; None where it is not, or that is not known."""
    comparing: int
    """So many finished jobs are still to be compared with it, since events of some were lost or it is a new one."""

    def lag_s(self, now: float) -> float:
        return 0.0 if self.since is None else max(0.0, now - self.since)


class Told(Struct, frozen=True):
    """What the process that archives tells the others through the store."""

    database: str
    unavailable: str | None = None
    archived: int | None = None
    archived_ms: int | None = None


def tell(site: Site, unavailable: str | None = None) -> str | None:
    """Tell how the archive is doing; `unavailable` is why it is not. Without the store or the database nothing is told. Answers the
    archive's name, as the store knows it, where it was asked and told it."""
    of = None
    with suppress(StoreError, DatabaseError):
        if unavailable is None:
            of, told = _read(site)
        else:
            told = msgspec.structs.replace(_before(site), unavailable=unavailable)
        site.store.redis.hset(keys.ARCHIVE.at(), TOLD, msgspec.json.encode(told))
    return of


def _read(site: Site) -> tuple[str, Told]:
    with site.database.read(archiving=True) as connection:
        of, jobs, at = connection.execute(
            sqlalchemy.select(ARCHIVE.c.site, ARCHIVE.c.jobs, ARCHIVE.c.archived_ms)
        ).one()
    return whole_name(of), Told(site.database.name, None, jobs, at)


def _before(site: Site) -> Told:
    told = _told(site)
    return told if told and told.database == site.database.name else Told(site.database.name)


def standing(site: Site) -> Standing:
    """How the archive stands, from the store alone. Raises redis.RedisError."""
    told = _told(site) or Told(site.database.name)
    behind = comparing = 0
    since = list[int]()
    for partition in range(site.store.partitions):
        at_most, since_ms, left = site.store.scripts.run("behind", partition, {})
        behind, comparing = behind + at_most, comparing + left
        since += [since_ms] if since_ms else []
    return Standing(
        database=told.database,
        unavailable=told.unavailable,
        archived=told.archived,
        archived_at=told.archived_ms / 1000 if told.archived_ms else None,
        behind=behind,
        since=min(since) / 1000 if since else None,
        comparing=comparing,
    )


def _told(site: Site) -> Told | None:
    text = site.store.redis.hget(keys.ARCHIVE.at(), TOLD)
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(text, type=Told) if isinstance(text, str) else None
    return None
