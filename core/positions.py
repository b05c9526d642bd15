"""Where a reader of the event streams stands: the last entry it had of every partition, as the id of a stream of events."""

from __future__ import annotations

import re
from collections.abc import Iterable

Id = tuple[int, int]
"""An entry's id in the store: milliseconds since the epoch, and which of that millisecond."""
Position = tuple[Id, ...]
"""The last entry of each partition; `START` where there was none."""

START: Id = (0, 0)
_ID = r"\d{1,20}-\d{1,20}"
_LONGEST = 4096


def id_of(text: str | bytes) -> Id:
    """`1700000000000-3` as numbers. The text is the store's own."""
    ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(ms), int(seq)


def id_text(one: Id) -> str:
    return f"{one[0]}-{one[1]}"


def text(position: Iterable[Id]) -> str:
    """As clients get it, and send it back as `Last-Event-ID`."""
    return ".".join(map(id_text, position))


def parse(said: str, partitions: int) -> Position | None:
    """What a client says it had last; None where that is no position of so many partitions."""
    if len(said) > _LONGEST or not re.fullmatch(rf"{_ID}(\.{_ID})*", said, re.ASCII):
        return None
    position = tuple(id_of(part) for part in said.split("."))
    return position if len(position) == partitions and all(max(one) < 2**64 for one in position) else None
