"""The file of a back-up: whole or not there, and refused where it is not what it was."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from services import backup_file, backup_records
from services.backup_file import ArchivePart, Family, FileRefused, Manifest, Reader, StorePart
from services.backup_records import Record, Text

PART = "store.records"
RECORDS = [Text(f"headway:{{0}}:job:{n}".encode(), None, bytes(range(256)) * 40) for n in range(300)]


def write(path: Path, *, version: int = backup_file.FORMAT) -> Path:
    store = StorePart("valkey 9.1.2", 1, None, {"job": Family(300, 300)})
    with backup_file.written(path, path.parent) as writer:
        with writer.part(PART) as file:
            backup_records.write(file, RECORDS)
        writer.manifest(Manifest(version, "9.9.9", "2026-11-21T21:30:00Z", store, None, dict(writer.parts)))
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("file") / "good.zip")


def test_what_was_written_is_read_and_only_its_owner_may(good: Path):
    with Reader(good) as file, file.part(PART) as part:
        assert list(backup_records.read(part, Record)) == RECORDS  # type: ignore[arg-type]
        assert file.manifest.store.families["job"].items == 300
    assert stat.S_IMODE(good.stat().st_mode) == 0o600
    assert [one.name for one in good.parent.iterdir()] == [good.name]


def test_a_file_that_fails_half_way_is_not_there_and_the_former_one_still_is(tmp_path: Path):
    path = tmp_path / "copy.zip"
    path.write_bytes(b"the former one")
    with pytest.raises(RuntimeError), backup_file.written(path, path.parent) as writer, writer.part(PART) as part:
        part.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"the former one"
    assert [one.name for one in tmp_path.iterdir()] == ["copy.zip"]


def cut(whole: bytes) -> bytes:
    return whole[: len(whole) * 2 // 3]


def turned(at: float) -> Callable[[bytes], bytes]:
    def turn(whole: bytes) -> bytes:
        place = int(len(whole) * at)
        return whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]

    return turn


@pytest.mark.parametrize("spoil", [cut, turned(0.2), turned(0.5), lambda _: b"", lambda _: b"x" * 5000])
def test_a_file_that_was_cut_off_or_changed_is_refused(spoil: Callable[[bytes], bytes], good: Path, tmp_path: Path):
    path = tmp_path / "spoiled.zip"
    path.write_bytes(spoil(good.read_bytes()))
    with pytest.raises(FileRefused, match=r"damaged"):
        Reader(path)


def test_a_zip_of_something_else_is_refused(tmp_path: Path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("photo.jpg", b"x")
    with pytest.raises(FileRefused, match="no back-up of Headway"):
        Reader(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(backup_file.MANIFEST, b'{"version": 3}')
    with pytest.raises(FileRefused, match="no back-up of Headway"):
        Reader(path)


def test_parts_that_are_not_those_of_the_manifest_are_refused(good: Path, tmp_path: Path):
    path = tmp_path / "mixed.zip"
    with zipfile.ZipFile(good) as one, zipfile.ZipFile(path, "w") as other:
        other.writestr(backup_file.MANIFEST, one.read(backup_file.MANIFEST))
        other.writestr(PART, one.read(PART)[:-1] + b"x")
    with pytest.raises(FileRefused, match="not what was written"):
        Reader(path)
    with zipfile.ZipFile(good) as one, zipfile.ZipFile(path, "w") as other:
        other.writestr(backup_file.MANIFEST, one.read(backup_file.MANIFEST))
    with pytest.raises(FileRefused, match=PART):
        Reader(path)


def test_a_manifest_that_lacks_a_part_is_refused(tmp_path: Path):
    path, store = tmp_path / "lacking.zip", StorePart("valkey 9.1.2", 1, None, {})
    archive = ArchivePart("SQLite", "0001", {"jobs": 1}, {"jobs": ["number"]})
    for written, of, lacking in ((), None, PART), ((), archive, PART), ((PART,), archive, "archive-jobs.records"):
        with backup_file.written(path, path.parent) as writer:
            for name in written:
                with writer.part(name):
                    pass
            writer.manifest(Manifest(backup_file.FORMAT, "9.9.9", "2026", store, of, dict(writer.parts)))
        with pytest.raises(FileRefused, match=f"damaged: its manifest names no {lacking}"):
            Reader(path)


def test_a_file_of_a_newer_headway_is_refused_with_its_version(tmp_path: Path):
    path = write(tmp_path / "newer.zip", version=backup_file.FORMAT + 1)
    with pytest.raises(FileRefused, match=r"made by Headway 9\.9\.9.*newer"):
        Reader(path)


def test_records_that_end_too_soon_are_told(tmp_path: Path):
    path = tmp_path / "records"
    with path.open("wb") as file:
        backup_records.write(file, RECORDS)
    whole = path.read_bytes()
    for left in (len(whole) - 1, 2):
        path.write_bytes(whole[:left])
        with path.open("rb") as file, pytest.raises(ValueError, match="block"):
            list(backup_records.read(file, Record))  # type: ignore[arg-type]


def test_anybody_can_read_the_manifest(good: Path):
    with zipfile.ZipFile(good) as file:
        told = msgspec.json.decode(file.read(backup_file.MANIFEST))
    assert told["made_by"] == "9.9.9" and told["store"]["server"] == "valkey 9.1.2"
