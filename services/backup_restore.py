"""Puts a back-up back, into a site that is stopped.

What lies in HEADWAY_DATA (the embedded store, SQLite) is made anew beside it and moves to its place whole. PostgreSQL gets
all in one transaction. A server at REDIS_URL carries a mark until all is there, and no site starts on one that does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import redis
from sqlalchemy import Connection

from core import keys, migrations
from core.claim import Claim, FolderInUse, FolderRefused
from core.database import Database, DatabaseError
from core.embedded import Embedded, StoreFailed
from core.settings import Settings
from core.store import StoreError, explain, reader
from services import backup_archive, backup_fill, backup_records, backup_walk
from services.backup_draft import draft_folder
from services.backup_end import Ended, undisturbed
from services.backup_file import STORE, FileRefused, Manifest, Reader
from services.backup_fill import TIMEOUT_S, Filling
from services.backup_place import FORMER, in_place
from services.backup_records import Record
from services.backup_service import APPEND_ONLY, BackupFailed

GONE_S = 20.0
"""A process that was ended without a word is given up after 15 s."""
HALF = "the store at REDIS_URL holds half of the back-up, and no site starts on that: restore it once more"
LONGEST_S = 24 * 3600.0


def restore(settings: Settings, path: Path, *, force: bool = False, wait_s: float = GONE_S) -> Manifest:
    """Put a back-up in place of all that the site holds, which is nothing unless `force`. Call it from the main thread.

    Raises BackupFailed, Ended; the site then holds what it did, but a store at REDIS_URL may say that it holds half of a back-up.
    """
    try:
        with ExitStack() as held:
            file = held.enter_context(Reader(path))
            _check(settings, file.manifest)
            if settings.redis_url is None:
                held.callback(Claim(settings.data).file.close)
            else:
                settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
                _await_end(settings.redis_url, wait_s)
            _refuse_what_was_not_put_back(settings)
            if not force:
                _refuse_what_is_there(settings, file.manifest)
            _replace(settings, file)
            return file.manifest
    except FolderInUse as why:
        where = f"HEADWAY_DATA ({str(settings.data)!r})"
        raise BackupFailed(f"a site runs on {where}: stop it, restore, and start it again") from why
    except StoreError as error:
        raise BackupFailed(f"the store does not take it: {explain(error)}") from error
    except DatabaseError as error:
        raise BackupFailed(f"the archive does not take it: {error}") from error
    except (FileRefused, FolderRefused, StoreFailed) as why:
        raise BackupFailed(str(why)) from why
    except (msgspec.MsgspecError, ValueError) as fault:
        raise BackupFailed(f"{path} holds what this version does not know: {fault}") from fault
    except OSError as error:
        raise BackupFailed(f"{error.filename or settings.data}: {error.strerror or error}") from error


def _check(settings: Settings, manifest: Manifest) -> None:
    kept = manifest.store.partitions
    if kept != settings.partitions:
        raise BackupFailed(
            f"HEADWAY_PARTITIONS ({settings.partitions}) differs from the {kept} of the store that was backed up, "
            f"for example HEADWAY_PARTITIONS={kept}"
        )
    if manifest.archive:
        backup_archive.check(manifest.archive)


def _await_end(url: str, wait_s: float) -> None:
    """Until no process of a site works on the store."""
    end = time.monotonic() + wait_s
    with reader(url, TIMEOUT_S) as client:
        while backup_walk.serving(client):
            if time.monotonic() > end:
                raise BackupFailed("a site runs on the store at REDIS_URL: stop it, restore, and start it again")
            time.sleep(0.5)


def _refuse_what_was_not_put_back(settings: Settings) -> None:
    former = settings.data / FORMER
    if former.exists():
        raise BackupFailed(
            f"{former} holds what an earlier restore, which was killed, could not put back: "
            f"move what is in it to {settings.data}, or away, remove it, and restore again"
        )


def _refuse_what_is_there(settings: Settings, manifest: Manifest) -> None:
    with _present(settings) as client:
        # What an earlier attempt left is no loss.
        holds = client is not None and not backup_walk.restoring(client)
        if holds and client is not None and backup_walk.reported(client, settings.partitions):
            raise BackupFailed("the store holds reports already: FORCE=yes replaces them")
    if manifest.archive_left_out:
        return
    database = Database(settings)
    try:
        if backup_archive.holds_jobs(database):
            raise BackupFailed(f"the archive ({database.name}) holds jobs already: FORCE=yes replaces them")
    finally:
        database.close()


@contextmanager
def _present(settings: Settings) -> Iterator[redis.Redis | None]:
    """The store as it is now; None where there is none yet."""
    if settings.redis_url is not None:
        with reader(settings.redis_url, TIMEOUT_S) as client:
            yield client
    elif not (settings.data / APPEND_ONLY).is_dir():
        yield None
    else:
        with _embedded(settings.data) as client:
            yield client


def _replace(settings: Settings, file: Reader) -> None:
    with (
        ExitStack() as to_the_end,
        draft_folder(settings.data, ".restore-") as folder,
        ExitStack() as held,
    ):
        fresh = replace(settings, data=folder)
        database = Database(fresh)
        held.callback(database.close)
        takes_archive = not file.manifest.archive_left_out
        moves_archive = takes_archive and database.kind == "sqlite"
        names = _names(settings, database if moves_archive else None)
        # First what can fail for more reasons; what is in it counts once the store has everything too.
        with ExitStack() as filled:
            if takes_archive:
                migrations.settle(database)
                _fill_archive(filled.enter_context(database.write(LONGEST_S)), file)
            try:
                _fill_store(fresh, file)
                to_the_end.enter_context(undisturbed())
            except Ended as ended:
                if settings.redis_url is not None:
                    ended.left = HALF
                raise
            if not moves_archive:  # PostgreSQL's commit comes last
                held.enter_context(in_place(fresh.data, settings.data, names))
        if moves_archive:
            database.close()
            held.enter_context(in_place(fresh.data, settings.data, names))
        if settings.redis_url is not None:
            with reader(settings.redis_url, TIMEOUT_S) as client:
                client.delete(keys.RESTORING.at())


def _names(settings: Settings, archive: Database | None) -> list[str]:
    """What in HEADWAY_DATA is replaced: the embedded store, and SQLite's file."""
    names = [APPEND_ONLY] if settings.redis_url is None else []
    if archive is not None:
        names += [archive.path.name + part for part in ("", "-wal", "-shm")]
    return names


def _fill_archive(connection: Connection, file: Reader) -> None:
    backup_archive.clear(connection)
    if file.manifest.archive is None:
        return
    for table, columns, part in backup_archive.tables(file.manifest.archive):
        with file.part(part) as rows:
            backup_archive.fill(connection, table, columns, rows)


def _fill_store(fresh: Settings, file: Reader) -> None:
    with ExitStack() as held:
        if fresh.redis_url is None:
            client = held.enter_context(_embedded(fresh.data))
        else:
            client = held.enter_context(reader(fresh.redis_url, TIMEOUT_S))
            client.set(keys.RESTORING.at(), 1)
            backup_fill.empty(client)
        part = held.enter_context(file.part(STORE))
        records: Iterator[Record] = backup_records.read(part, Record)  # type: ignore[arg-type]
        Filling(client, int(time.time() * 1000)).records(records)


@contextmanager
def _embedded(folder: Path) -> Iterator[redis.Redis]:
    store = Embedded(folder, lambda _: None)
    store.start()
    try:
        with reader(store.url, TIMEOUT_S) as client:
            yield client
    finally:
        store.stop()
