"""The records that a copy consists of: plain values by type, so that any server of any version takes them back.

A part of the file is a row of blocks: four bytes of length, then that many bytes of MessagePack, a list of records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import IO, Any, Literal, TypeVar

import msgspec

T = TypeVar("T")

BLOCK_BYTES = 1 << 18
"""A block is written as soon as it is about that long."""
MOST_BLOCK_BYTES = 1 << 30
_LENGTH = struct.Struct(">I")

_encode = msgspec.msgpack.Encoder().encode


class Text(msgspec.Struct, frozen=True, array_like=True, tag="string"):
    """A key that holds one value. `expires_ms` is since the epoch, None for never, here as below."""

    key: bytes
    expires_ms: int | None
    value: bytes


class Items(msgspec.Struct, frozen=True, array_like=True, tag="items"):
    """A piece of a hash (field, value, …), set, zset (member, score, …) or list; `first` begins it."""

    key: bytes
    expires_ms: int | None
    kind: Literal["hash", "set", "zset", "list"]
    first: bool
    items: list[bytes]

    @property
    def members(self) -> int:
        return len(self.items) // 2 if self.kind in ("hash", "zset") else len(self.items)


class Entries(msgspec.Struct, frozen=True, array_like=True, tag="entries"):
    """A piece of a stream: ids, each with its fields and values; `first` begins it."""

    key: bytes
    first: bool
    entries: list[tuple[bytes, list[bytes]]]


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """An entry that a consumer got and did not acknowledge."""

    id: bytes
    consumer: bytes
    idle_ms: int
    deliveries: int


class Group(msgspec.Struct, frozen=True, array_like=True):
    """A consumer group: up to where it read."""

    name: bytes
    last_id: bytes
    entries_read: int | None
    pending: list[Pending]


class Stream(msgspec.Struct, frozen=True, array_like=True, tag="stream"):
    """What a stream knows besides its entries; the last record of it."""

    key: bytes
    expires_ms: int | None
    last_id: bytes
    entries_added: int | None
    max_deleted_id: bytes | None
    groups: list[Group]


Record = Text | Items | Entries | Stream


def write(file: IO[bytes], records: Iterable[Any]) -> None:
    """All of them, in blocks. Raises OSError."""
    block: list[bytes] = []
    size = 0
    for record in records:
        block.append(_encode(record))
        size += len(block[-1])
        if size >= BLOCK_BYTES:
            _write_block(file, block)
            block, size = [], 0
    if block:
        _write_block(file, block)


def read(file: IO[bytes], type_: type[T]) -> Iterator[T]:
    """What was written. Raises ValueError where it is something else."""
    decode = msgspec.msgpack.Decoder(list[type_]).decode  # type: ignore[valid-type]
    while head := file.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(head) if len(head) == _LENGTH.size else (MOST_BLOCK_BYTES + 1,)
        if length > MOST_BLOCK_BYTES:
            raise ValueError("no block begins where one should")
        body = file.read(length)
        if len(body) < length:
            raise ValueError("it ends within a block")
        yield from decode(body)


def _write_block(file: IO[bytes], records: list[bytes]) -> None:
    # The head of a MessagePack array, with 32 bits of length, before what is encoded already.
    body = b"\xdd" + _LENGTH.pack(len(records)) + b"".join(records)
    file.write(_LENGTH.pack(len(body)) + body)
