"""A site backed up and restored: into another kind of store, another kind of database, and back."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from sqlalchemy import insert, select

from core import keys, migrations
from core.database import Database
from core.embedded import Embedded
from core.settings import Settings, read
from core.store import HalfRestored, Store
from services import backup_file, backup_restore, backup_service
from services.archive_schema import ARCHIVE, JOBS
from services.backup_file import Family, Manifest, StorePart
from services.backup_service import BackupFailed
from tests.conftest import Valkey, wait_until
from tests.postgres import Postgres
from tests.services.test_backup_store import fill_with_every_type, whole
from tests.serving import ROOT, bare_environment

ROW: dict[str, Any] = {
    "agent": "mail", "status": "completed", "title": "Grüße \U0001f680", "progress": 100.0, "attempt": 1, "created_ms": 1,
    "finished_ms": 9, "updated_ms": 9, "duration_ms": 8, "bucket": 3, "published": True, "stages": "[]", "attempts": "[]",
    "error": "it was\ttoo 'late'; -- \\", "skew_s": -7,
}  # fmt: skip


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres().start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def valkeys() -> Iterator[tuple[Valkey, Valkey]]:
    servers = Valkey("--repl-diskless-sync-delay", "0").start(), Valkey("--repl-diskless-sync-delay", "0").start()
    yield servers
    for one in servers:
        one.close()


def settings(data: Path, *, store: Valkey | None = None, database: Postgres | None = None, **more: str) -> Settings:
    environ = {"HEADWAY_DATA": str(data), **more}
    environ |= {"REDIS_URL": store.url} if store else {}
    environ |= {"DATABASE_URL": database.url} if database else {}
    return read(environ)


@contextmanager
def client_of(server: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


def archive(to: Settings, count: int) -> None:
    database = Database(to)
    migrations.settle(database)
    with database.write() as connection:
        connection.execute(insert(JOBS), [ROW | {"number": n, "id": f"id-{n}"} for n in range(count)])
        connection.execute(ARCHIVE.update().values(jobs=count, archived_ms=9))
    database.close()


def archived(of: Settings) -> list[Any]:
    """Which archive it is, and its jobs: all but their keys, which the database gives."""
    database = Database(of)
    with database.read() as connection:
        (which,) = connection.execute(select(ARCHIVE)).all()
        rows = connection.execute(select(*list(JOBS.columns)[1:]).order_by(JOBS.c.key)).all()
    database.close()
    return [tuple(which), *map(tuple, rows)]


def embedded(of: Settings) -> dict[bytes, Any]:
    store = Embedded(of.data, print)
    store.start()
    try:
        with redis.Redis.from_url(store.url) as client:
            return whole(client)
    finally:
        store.stop()


def create(of: Settings, target: Path) -> Manifest:
    return backup_service.create(of, target, time.time()).manifest


def test_a_site_moves_to_another_kind_of_store_and_database_and_back(
    valkeys: tuple[Valkey, Valkey], postgres: Postgres, tmp_path: Path
):
    first = settings(tmp_path / "first", store=valkeys[0])
    moved = settings(tmp_path / "moved", database=postgres)
    back = settings(tmp_path / "back", store=valkeys[1])
    with client_of(valkeys[0]) as client:
        client.flushall()
        fill_with_every_type(client)
        client.set(keys.PARTITIONS.at(), 1)
        before = whole(client)
    archive(first, 4321)
    rows = archived(first)
    made = create(first, tmp_path / "first.zip")
    assert made.store.torn is None and made.archive is not None and made.archive.rows["jobs"] == 4321

    backup_restore.restore(moved, tmp_path / "first.zip")
    assert embedded(moved) == before
    assert archived(moved) == rows
    again = create(moved, tmp_path / "moved.zip")
    assert (again.store.families, again.archive.rows) == (made.store.families, made.archive.rows)  # type: ignore[union-attr]
    assert {one.name for one in moved.data.iterdir()} <= {"appendonlydir", "headway.lock", "valkey.log"}

    with client_of(valkeys[1]) as client:
        client.flushall()
        client.set("rq:job:1", "another app's")
        backup_restore.restore(back, tmp_path / "moved.zip")
        assert client.get("rq:job:1") == b"another app's"
        client.delete("rq:job:1")
        assert whole(client) == before
    assert archived(back) == rows
    found = Database(back)
    with found.read() as connection:  # the search is there too, which is no part of the file
        matches = connection.exec_driver_sql("SELECT count(*) FROM jobs_text WHERE jobs_text MATCH 'late'").scalar()
    found.close()
    assert matches == 4321


def test_a_site_that_holds_something_is_replaced_by_force_alone(valkeys: tuple[Valkey, Valkey], tmp_path: Path):
    source, target = settings(tmp_path / "one", store=valkeys[0]), settings(tmp_path / "two", store=valkeys[1])
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.set(keys.NUMBER.at(), 7)
        client.set(keys.JOB.at(0, 7), "the job")
    create(source, tmp_path / "one.zip")
    with client_of(valkeys[1]) as client:
        client.flushall()
        client.set(keys.DUTIES.at(), "what a site writes that nobody reported to")
        client.set(keys.NUMBER.at(), 1)
        with pytest.raises(BackupFailed, match=r"store holds reports already: FORCE=yes"):
            backup_restore.restore(target, tmp_path / "one.zip")
        client.delete(keys.NUMBER.at())
        archive(target, 2)
        with pytest.raises(BackupFailed, match=r"archive \(SQLite\) holds jobs already: FORCE=yes"):
            backup_restore.restore(target, tmp_path / "one.zip")
        assert client.exists(keys.DUTIES.at())
        backup_restore.restore(target, tmp_path / "one.zip", force=True)
        assert set(client.scan_iter()) == {keys.NUMBER.at().encode(), keys.JOB.at(0, 7).encode()}
        ((_, count, _),) = archived(target)
        assert count == 0


def test_a_restore_that_ends_half_way_keeps_the_site_from_starting_until_it_is_repeated(
    valkeys: tuple[Valkey, Valkey], tmp_path: Path
):
    source, target = settings(tmp_path / "one", store=valkeys[0]), settings(tmp_path / "two", store=valkeys[1])
    with client_of(valkeys[0]) as client:
        client.flushall()
        for number in range(200):
            client.set(keys.JOB.at(0, number), bytes(20_000))
    create(source, tmp_path / "one.zip")
    store = Store(valkeys[1].url)
    with client_of(valkeys[1]) as client:
        client.flushall()
        used: Any = client.info("memory")
        client.config_set("maxmemory", used["used_memory"] + 3_000_000)
        with pytest.raises(BackupFailed, match="out of memory"):
            backup_restore.restore(target, tmp_path / "one.zip")
        assert 1 < client.dbsize() < 200
        with pytest.raises(HalfRestored, match="ended half way"):
            store.settle_partitions()
        with pytest.raises(BackupFailed, match="half of a back-up"):
            create(target, tmp_path / "half.zip")
        client.config_set("maxmemory", 0)
        backup_restore.restore(target, tmp_path / "one.zip")
        assert client.dbsize() == 200
    store.settle_partitions()
    store.close()
    assert not (tmp_path / "half.zip").exists()


def test_a_restore_that_fails_leaves_the_data_folder_as_it_was(valkeys: tuple[Valkey, Valkey], tmp_path: Path):
    source, target = settings(tmp_path / "one", store=valkeys[0]), settings(tmp_path / "two")
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.set(keys.JOB.at(0, 1), "the job")
    create(source, tmp_path / "one.zip")
    backup_restore.restore(target, tmp_path / "one.zip")
    before = embedded(target)
    with backup_file.written(tmp_path / "strange.zip", tmp_path) as writer:
        with writer.part(backup_file.STORE) as part:
            part.write(b"\0\0\0\x02\x91\xc0")  # a list of nil
        store = StorePart("valkey", 1, None, {"job": Family(1, 1)})
        writer.manifest(Manifest(backup_file.FORMAT, "0.1.0", "2026", store, None, dict(writer.parts)))
    for refused in ("strange.zip", "missing.zip"):
        with pytest.raises(BackupFailed, match=refused):
            backup_restore.restore(target, tmp_path / refused, force=True)
    assert embedded(target) == before
    assert not list(target.data.glob(".restore-*"))


def test_a_restore_that_can_not_move_what_it_made_leaves_the_data_folder_as_it_was(
    valkeys: tuple[Valkey, Valkey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = settings(tmp_path / "two")
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.set(keys.JOB.at(0, 1), "the job")
    create(settings(tmp_path / "one", store=valkeys[0]), tmp_path / "one.zip")
    backup_restore.restore(target, tmp_path / "one.zip")
    archive(target, 3)
    before, jobs, rename = whole_files(target.data), archived(target), Path.rename
    for at in (2, 4):  # in the midst of what is there, and of what was made
        moves = list[Path]()

        def fail_once(source: Path, to: Path, at: int = at, moves: list[Path] = moves) -> Path:
            moves.append(source)
            if len(moves) == at:
                raise OSError(errno.EBUSY, "Device or resource busy", str(source))
            return rename(source, to)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", fail_once)
            with pytest.raises(BackupFailed, match="Device or resource busy"):
                backup_restore.restore(target, tmp_path / "one.zip", force=True)
        assert whole_files(target.data) == before and archived(target) == jobs
    (target.data / "before-restore").mkdir()
    with pytest.raises(BackupFailed, match=r"before-restore holds what an earlier restore.*could not put back"):
        backup_restore.restore(target, tmp_path / "one.zip", force=True)


@contextmanager
def command(of: Settings, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    environ = bare_environment() | {"HEADWAY_DATA": str(of.data)}
    environ |= {"REDIS_URL": of.redis_url} if of.redis_url else {}
    environ |= {"DATABASE_URL": of.database_url} if of.database_url else {}
    words = [sys.executable, "-m", "scripts.backup", *map(str, arguments)]
    with subprocess.Popen(words, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


def test_a_restore_that_is_asked_to_end_changes_nothing_and_says_so(
    valkeys: tuple[Valkey, Valkey], postgres: Postgres, tmp_path: Path
):
    target = settings(tmp_path / "two", database=postgres)
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.set(keys.JOB.at(0, 1), "the job")
    create(settings(tmp_path / "one", store=valkeys[0]), tmp_path / "one.zip")
    backup_restore.restore(target, tmp_path / "one.zip", force=True)
    archive(target, 3)
    before, jobs = whole_files(target.data), archived(target)
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with psycopg.connect(postgres.url) as other, command(target, "restore", tmp_path / "one.zip", "--force") as run:
            other.execute("LOCK TABLE jobs IN SHARE MODE")
            wait_until(
                lambda: postgres.run("SELECT count(*) FROM pg_locks WHERE NOT granted"), what="a restore at work"
            )
            told = ended(run, number)
        assert told == (code, f"Headway: ended by {number.name} before it was done; nothing was changed\n")
    assert whole_files(target.data) == before and archived(target) == jobs
    assert not list(target.data.glob(".restore-*"))


def test_the_next_restore_removes_what_a_killed_one_left_and_puts_the_store_right(
    valkeys: tuple[Valkey, Valkey], tmp_path: Path
):
    target = settings(tmp_path / "two", store=valkeys[1])
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.set(keys.JOB.at(0, 1), "the job")
    create(settings(tmp_path / "one", store=valkeys[0]), tmp_path / "one.zip")
    with client_of(valkeys[1]) as client:
        client.flushall()
        client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        for number, code, words in ((signal.SIGTERM, 143, "holds half of the back-up"), (signal.SIGKILL, -9, "")):
            with command(target, "restore", tmp_path / "one.zip") as run:
                wait_until(lambda: list(target.data.glob(".restore-*/archive.sqlite3")), what="a restore at work")
                wait_until(lambda: client.info("clients")["blocked_clients"], what="a restore that waits for the store")
                told = ended(run, number)
            assert told[0] == code and words in told[1]
        assert len(list(target.data.glob(".restore-*"))) == 1
        client.execute_command("CLIENT", "UNPAUSE")
        backup_restore.restore(target, tmp_path / "one.zip")
        assert client.get(keys.JOB.at(0, 1)) == b"the job"
    assert not list(target.data.glob(".restore-*"))


def whole_files(data: Path) -> dict[str, bytes]:
    """What the embedded store keeps."""
    return {one.name: one.read_bytes() for one in (data / "appendonlydir").iterdir()}


def test_a_store_that_a_site_works_on_is_left_alone(valkeys: tuple[Valkey, Valkey], tmp_path: Path):
    site = settings(tmp_path / "one", store=valkeys[0])
    with client_of(valkeys[0]) as client:
        client.flushall()
        create(site, tmp_path / "one.zip")
        client.zadd(keys.PROCESSES.at(), {"host-1": 1, "long-gone": 0})
        client.hset(keys.PROCESS.at(0, "host-1"), "about", "{}")
        with pytest.raises(BackupFailed, match="a site runs on the store"):
            backup_restore.restore(site, tmp_path / "one.zip", force=True, wait_s=0)
        client.pexpire(keys.PROCESS.at(0, "host-1"), 300)  # it was ended without a word
        backup_restore.restore(site, tmp_path / "one.zip")


def test_another_number_of_partitions_is_refused(valkeys: tuple[Valkey, Valkey], tmp_path: Path):
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.set(keys.PARTITIONS.at(), 4)
        client.set(keys.JOB.at(3, 7), "a job of the last partition")
    create(settings(tmp_path, store=valkeys[0]), tmp_path / "four.zip")
    with pytest.raises(BackupFailed, match=r"HEADWAY_PARTITIONS \(1\) differs from the 4 .* HEADWAY_PARTITIONS=4"):
        backup_restore.restore(settings(tmp_path / "two", store=valkeys[1]), tmp_path / "four.zip")


def test_what_is_away_is_named_and_nothing_is_written(valkeys: tuple[Valkey, Valkey], tmp_path: Path):
    with client_of(valkeys[0]) as client:
        client.flushall()
    away = {"DATABASE_URL": "postgresql://user:a-password@127.0.0.1:1/nowhere"}
    with pytest.raises(BackupFailed, match=r"the archive can't be read: PostgreSQL can't be reached") as told:
        create(settings(tmp_path / "one", store=valkeys[0], **away), tmp_path / "one.zip")
    assert "a-password" not in str(told.value)
    with pytest.raises(BackupFailed, match="the store can't be read: the store can't be reached"):
        create(read({"REDIS_URL": "redis://127.0.0.1:1", "HEADWAY_DATA": str(tmp_path)}), tmp_path / "one.zip")
    with pytest.raises(BackupFailed, match="holds no store: name the site's folder"):
        create(settings(tmp_path / "nothing"), tmp_path / "one.zip")
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".zip" or one.name.startswith(".")] == []
    create(settings(tmp_path / "one", store=valkeys[0]), tmp_path / "one.zip")
    with client_of(valkeys[1]) as client:
        client.flushall()
        client.set(keys.JOB.at(0, 1), "stays")
        with pytest.raises(BackupFailed, match="the archive does not take it: PostgreSQL can't be reached"):
            backup_restore.restore(settings(tmp_path, store=valkeys[1], **away), tmp_path / "one.zip", force=True)
        assert client.get(keys.JOB.at(0, 1)) == b"stays"


def test_a_site_whose_archive_is_away_is_backed_up_without_it_and_its_archive_stays(
    valkeys: tuple[Valkey, Valkey], tmp_path: Path
):
    away = {"DATABASE_URL": "postgresql://user:a-password@127.0.0.1:1/nowhere"}
    site, target = settings(tmp_path / "one", store=valkeys[0], **away), settings(tmp_path / "two", store=valkeys[1])
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.set(keys.JOB.at(0, 1), "the job")
    with pytest.raises(BackupFailed, match=r"can't be read: PostgreSQL.*ARCHIVE=no \(--without-archive\) backs up"):
        create(site, tmp_path / "one.zip")
    made = backup_service.create(site, tmp_path / "one.zip", time.time(), with_archive=False).manifest
    assert "the archive was left out" in backup_service.summary(made)
    with backup_file.Reader(tmp_path / "one.zip") as file:
        assert file.manifest.archive_left_out
    archive(target, 3)
    jobs = archived(target)
    for into in (target, settings(tmp_path / "three", store=valkeys[1], **away)):
        with client_of(valkeys[1]) as client:
            client.flushall()
            backup_restore.restore(into, tmp_path / "one.zip")
            assert client.get(keys.JOB.at(0, 1)) == b"the job" and client.dbsize() == 1
    assert archived(target) == jobs
    moved = settings(tmp_path / "four")
    backup_restore.restore(moved, tmp_path / "one.zip")
    assert len(embedded(moved)) == 1 and not (moved.data / "archive.sqlite3").exists()


def test_an_archive_with_columns_of_a_newer_headway_is_refused(tmp_path: Path):
    part = backup_file.ArchivePart("SQLite", "0099", {"jobs": 1}, {"jobs": ["number", "mood"]})
    store = StorePart("valkey", 1, None, {})
    with backup_file.written(tmp_path / "newer.zip", tmp_path) as writer:
        for name in (backup_file.STORE, backup_file.archive_part("jobs")):
            with writer.part(name):
                pass
        writer.manifest(Manifest(backup_file.FORMAT, "0.9.0", "2027", store, part, dict(writer.parts)))
    with pytest.raises(BackupFailed, match=r"archive is of a newer Headway \(revision 0099"):
        backup_restore.restore(settings(tmp_path / "two"), tmp_path / "newer.zip")


def test_the_summary_counts_what_people_know(valkeys: tuple[Valkey, Valkey], tmp_path: Path):
    with client_of(valkeys[0]) as client:
        client.flushall()
        client.zadd(keys.STATUS.at(0, "queued"), {"1": 1, "2": 2})
        client.zadd(keys.STATUS.at(0, "failed"), {"3": 3, "4": 4, "5": 5})
        client.zadd(keys.UNCOUNTED.at(0, "mail"), {"4": 4})
        client.zadd(keys.UNCOUNTED.at(0, "video"), {"5": 5})
        client.zadd(keys.AGENTS.at(), {"mail": 1})
    left = tmp_path / ".headway-draft-of-a-killed-one"
    left.mkdir()
    (left / "headway.lock").touch()
    made = create(settings(tmp_path, store=valkeys[0]), tmp_path / "one.zip")
    assert backup_service.summary(made) == "5 jobs (1 failed, 2 queued, 2 canceled); 1 agent; no archive"
    assert not left.exists()
