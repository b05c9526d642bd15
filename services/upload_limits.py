"""What an uploaded file may be, and the ways in which reading one ends early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds of one upload. Memory stays below a few of `row_bytes` and `block_bytes`, whatever the file's size."""

    received_bytes: int = 4096 * MIB
    unpacked_bytes: int = 4096 * MIB
    ratio: int = 200
    """Unpacked to packed bytes, looked at after `ratio_free_bytes`: job history packs to a tenth or so, bombs to a thousandth."""
    ratio_free_bytes: int = 4 * MIB
    gzip_members: int = 10_000
    block_bytes: int = 64 * 1024
    row_bytes: int = 128 * 1024
    columns: int = 256
    head_bytes: int = 64 * 1024
    """How much is looked at to tell encoding and format."""


LIMITS = Limits()

Fault = Literal["empty", "bomb", "too big", "encoding", "format", "damaged"]


class Refused(ValueError):
    """The file, or the rest of it, is not read. The text says why and what to do."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault: Fault = fault


class CutOff(ValueError):
    """The transfer, or the packed data in it, ended before its end. The text says how."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file: where it begins, and its fields as they were written."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not stored. `column` is a field's name or a place in the line, and empty where the whole row is meant."""

    line: int
    column: str
    reason: str


def size_words(count: int) -> str:
    """A number of bytes for people: `64 KiB`, `4 GiB`."""
    for unit, step in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= step:
            return f"{count / step:.4g} {unit}"
    return f"{count} bytes"
