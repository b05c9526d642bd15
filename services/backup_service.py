"""Copies store and archive into one file, while the site runs and when it rests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core import keys
from core.claim import Claim, FolderInUse, FolderRefused
from core.database import Database, DatabaseError
from core.embedded import Embedded, StoreFailed
from core.settings import Settings
from core.store import StoreError, explain
from core.times import rfc3339
from core.version import VERSION
from services import backup_archive, backup_file, backup_keys, backup_records, backup_snapshot, backup_walk
from services.backup_draft import draft_folder
from services.backup_file import STORE, Family, Manifest, StorePart, Writer
from services.backup_records import Entries, Items, Record, Text
from services.backup_snapshot import CopyLost

FOLDER = "backups"
APPEND_ONLY = "appendonlydir"


class BackupFailed(Exception):
    """No back-up was made, or none was restored; the text says why in one line."""


@dataclass(frozen=True)
class Made:
    path: Path
    size_bytes: int
    manifest: Manifest


def usual_target(settings: Settings, now: float) -> Path:
    """Where a back-up goes that nobody names."""
    return settings.data / FOLDER / f"headway-{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H-%M-%SZ}.zip"


UNCOUNTED = keys.UNCOUNTED.suffix.rstrip(":")
SHOWN = {
    "agents": "agent",
    "tiles": "tile",
    "notifications": "notification",
    "log-lines": "log source",
    "uploads": "upload",
    "deployments": "deployment",
}


def summary(manifest: Manifest) -> str:
    """What a back-up holds, in a line."""
    families = manifest.store.families
    jobs = {name.partition(":")[2]: one.items for name, one in families.items() if name.startswith("status:")}
    # As on the site, see `job_counts`: what was ended on purpose has the status of a failure, and is none.
    if canceled := min(families.get(UNCOUNTED, Family()).items, jobs.get("failed", 0)):
        jobs |= {"failed": jobs["failed"] - canceled, "canceled": canceled}
    by_status = ", ".join(f"{count:,} {status}" for status, count in jobs.items() if count)
    parts = [_many(sum(jobs.values()), "job") + (f" ({by_status})" if by_status else "")]
    parts += [_many(families[name].items, word) for name, word in SHOWN.items() if name in families]
    archive = manifest.archive
    if archive is not None:
        parts.append(f"{_many(archive.rows.get('jobs', 0), 'job')} in the archive")
    else:
        parts.append("the archive was left out" if manifest.archive_left_out else "no archive")
    return "; ".join(parts)


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def create(settings: Settings, target: Path, now: float, *, with_archive: bool = True) -> Made:
    """One file at `target`, whole or not at all. Call it from the main thread. Raises BackupFailed."""
    database = Database(settings)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            draft_folder(target.parent, ".headway-draft-") as folder,
            backup_file.written(target, folder) as writer,
        ):
            store = _store(settings, folder, writer)
            archive = backup_archive.copy(database, writer) if with_archive else None
            parts = dict(writer.parts)
            manifest = Manifest(backup_file.FORMAT, VERSION, rfc3339(now), store, archive, parts, not with_archive)
            writer.manifest(manifest)
        return Made(target, target.stat().st_size, manifest)
    except OSError as error:
        raise BackupFailed(f"{target} can't be written: {error.strerror or error}") from error
    except StoreError as error:
        raise BackupFailed(f"the store can't be read: {explain(error)}") from error
    except DatabaseError as error:
        raise BackupFailed(
            f"the archive can't be read: {error}; ARCHIVE=no (--without-archive) backs up the store alone"
        ) from error
    except (CopyLost, FolderRefused, StoreFailed) as error:
        raise BackupFailed(str(error)) from error
    finally:
        database.close()


def _store(settings: Settings, folder: Path, writer: Writer) -> StorePart:
    families: dict[str, Family] = {}
    with _moment(settings, folder) as (url, rests):
        taken = backup_snapshot.as_it_is(url) if rests else backup_snapshot.moment(url, folder)
        with taken as moment:
            if backup_walk.restoring(moment.client):
                raise BackupFailed("the store holds half of a back-up that was being restored: restore it again first")
            with writer.part(STORE) as file:
                backup_records.write(file, _counted(backup_walk.records(moment.client), families))
            partitions = backup_walk.partitions(moment.client)
    return StorePart(moment.server, partitions, moment.torn, dict(sorted(families.items())))


@contextmanager
def _moment(settings: Settings, folder: Path) -> Iterator[tuple[str, bool]]:
    """The store's URL, and whether nobody else writes to it: an embedded one whose site does not run is started here."""
    if settings.redis_url is not None:
        yield settings.redis_url, False
        return
    if not (settings.data / APPEND_ONLY).is_dir():
        raise BackupFailed(
            f"HEADWAY_DATA ({str(settings.data)!r}) holds no store: name the site's folder, for example HEADWAY_DATA=data, "
            "or set REDIS_URL as for the site"
        )
    store = Embedded(settings.data, lambda _: None)
    try:
        claim = Claim(settings.data)
    except FolderInUse:
        yield store.url, False
        return
    try:
        store.start()
        yield store.url, True
    finally:
        store.stop()
        claim.file.close()


def _counted(records: Iterable[Record], families: dict[str, Family]) -> Iterator[Record]:
    for record in records:
        family = families.setdefault(backup_keys.label(record.key), Family())
        match record:
            case Text():
                family.keys, family.items = family.keys + 1, family.items + 1
            case Items():
                family.keys, family.items = family.keys + record.first, family.items + record.members
            case Entries():
                family.keys, family.items = family.keys + record.first, family.items + len(record.entries)
        yield record
