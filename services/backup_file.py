"""The file that a back-up is: a ZIP of its parts and a manifest, which any other program can look into.

It comes into being beside its place and moves there whole. What is read from one was checked before: it is complete, as it
was written, and of a format that this version knows.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import msgspec

FORMAT = 1
MANIFEST = "manifest.json"
STORE = "store.records"
MOST_MANIFEST = 1 << 20
LEVEL = 1
"""Records of jobs are much alike: the quickest compression takes three quarters, the best one little more."""
PIECE = 1 << 20


class FileRefused(Exception):
    """Not a back-up that this version can restore; the text says why in one line."""


class Part(msgspec.Struct, frozen=True):
    """One part of the file; `bytes` before it was compressed."""

    bytes: int
    sha256: str


class Family(msgspec.Struct):
    """Keys of one kind, and what they hold in all: members, entries, or one value each."""

    keys: int = 0
    items: int = 0


class StorePart(msgspec.Struct, frozen=True):
    server: str
    partitions: int
    torn: str | None
    """Why it is not of one moment; None where it is."""
    families: dict[str, Family]


class ArchivePart(msgspec.Struct, frozen=True):
    database: str
    revision: str
    rows: dict[str, int]
    columns: dict[str, list[str]]


class Manifest(msgspec.Struct, frozen=True):
    headway_backup: int
    """The format."""
    made_by: str
    made_at: str
    store: StorePart
    archive: ArchivePart | None
    """None where there is no archive yet, and where it was left out."""
    parts: dict[str, Part]
    archive_left_out: bool = False
    """A restore leaves the archive alone that it finds."""


def archive_part(table: str) -> str:
    """The name of the part that holds a table's rows."""
    return f"archive-{table}.records"


class Writer:
    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file
        self.parts: dict[str, Part] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[IO[bytes]]:
        """A part to write to. Raises OSError."""
        with self._zip.open(name, "w", force_zip64=True) as file:
            counting = _Counting(file)
            yield counting  # type: ignore[misc]
        self.parts[name] = Part(counting.bytes, counting.hash.hexdigest())

    def manifest(self, manifest: Manifest) -> None:
        self._zip.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))


@contextmanager
def written(target: Path, folder: Path) -> Iterator[Writer]:
    """A file for its owner alone, at `target` once the block is over, and not at all where it fails.

    It comes into being in `folder`, which is on the same disk. Raises OSError.
    """
    draft = folder / "draft.zip"
    try:
        with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as file:
                yield Writer(file)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


class Reader:
    """A file that was found whole. Raises FileRefused, OSError where there is none."""

    def __init__(self, path: Path) -> None:
        with ExitStack() as held:
            try:
                self._zip = held.enter_context(zipfile.ZipFile(path))
                self.manifest = self._read_manifest()
                self._demand_parts()
                for name, part in self.manifest.parts.items():
                    self._check(name, part)
            except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError) as fault:
                raise FileRefused(f"{path} is damaged, cut off, or no back-up of Headway ({fault})") from fault
            held.pop_all()

    @contextmanager
    def part(self, name: str) -> Iterator[IO[bytes]]:
        with self._zip.open(name) as file, io.BufferedReader(file, PIECE) as buffered:  # type: ignore[type-var]
            yield buffered

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _read_manifest(self) -> Manifest:
        info = self._zip.getinfo(MANIFEST)
        if info.file_size > MOST_MANIFEST:
            raise FileRefused(f"{self._zip.filename} has a manifest of {info.file_size} bytes: it is none of Headway's")
        text = self._zip.read(info)
        try:
            version = msgspec.json.decode(text, type=_Version)
            if version.headway_backup > FORMAT:
                raise FileRefused(
                    f"{self._zip.filename} was made by Headway {version.made_by}, in a format that this version does not "
                    f"know ({version.headway_backup}): restore it with that version or a newer one"
                )
            return msgspec.json.decode(text, type=Manifest)
        except msgspec.MsgspecError as fault:
            raise FileRefused(f"{self._zip.filename} is no back-up of Headway: {fault}") from fault

    def _demand_parts(self) -> None:
        archive = self.manifest.archive
        for name in (STORE, *map(archive_part, archive.columns if archive else ())):
            if name not in self.manifest.parts:
                raise FileRefused(f"{self._zip.filename} is damaged: its manifest names no {name}")

    def _check(self, name: str, part: Part) -> None:
        counted, found = 0, hashlib.sha256()
        with self._zip.open(name) as file:
            while piece := file.read(PIECE):
                counted += len(piece)
                found.update(piece)
        if counted != part.bytes or found.hexdigest() != part.sha256:
            raise FileRefused(f"{self._zip.filename} is damaged: its {name} is not what was written")


class _Version(msgspec.Struct, frozen=True):
    headway_backup: int
    made_by: str


class _Counting:
    """Tells what went through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = 0
        self.hash = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self.bytes += len(piece)
        self.hash.update(piece)
        return self._file.write(piece)
