"""Heroku's HTTPS log drain: syslog messages, each behind its length in bytes (`application/logplex-1`).

    83 <40>1 2026-11-30T06:45:29.123456+00:00 host app web.3 - State changed from starting to up\\n

It differs from RFC 5424 in that no structured data stands before the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.log_rules import SYSLOG

Reason = Literal["octets", "cut", "syslog", "count"]

_LENGTH = re.compile(rb"([1-9]\d{0,6}) ")
_MESSAGE = re.compile(
    rb"<(\d{1,3})>\d{1,2} (\S{1,64}) (?:\S{1,255}) (\S{1,64}) (\S{1,64}) (?:\S{1,255})(?: (.*))?", re.S
)


class DrainFault(ValueError):
    """A delivery is not what it says to be. `reason` is a word for metrics."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `at` is None where its time can't be read; `level` is a place in `log_model.LEVELS`."""

    at: datetime | None
    level: int
    app: str
    process: str
    message: str


def frames(data: bytes, count: int | None) -> list[Frame]:
    """All messages of a delivery that says to hold `count`. Raises DrainFault, which says where."""
    found = [_frame(part, number) for number, part in enumerate(_parts(data), 1)]
    if count is not None and len(found) != count:
        raise DrainFault("count", f"Logplex-Msg-Count says {count:,} and {len(found):,} came")
    return found


def _parts(data: bytes) -> Iterator[bytes]:
    at, number = 0, 0
    while at < len(data):
        number += 1
        length = _LENGTH.match(data, at)
        if length is None:
            raise DrainFault("octets", f"frame {number} at byte {at + 1} does not begin with its length and a space")
        at = length.end() + int(length[1])
        if at > len(data):
            raise DrainFault(
                "cut", f"frame {number} says {int(length[1]):,} bytes and {len(data) - length.end():,} came"
            )
        yield data[length.end() : at]


def _frame(part: bytes, number: int) -> Frame:
    found = _MESSAGE.fullmatch(part)
    if found is None or int(found[1]) > 191:
        raise DrainFault("syslog", f"frame {number} is no syslog message: <PRI>1 TIME HOST APP PROCESS ID MESSAGE")
    priority, at, app, process, message = found.groups()
    return Frame(
        _time(at),
        SYSLOG[int(priority) & 7],
        app.decode("utf-8", "replace"),
        process.decode("utf-8", "replace"),
        (message or b"").decode("utf-8", "replace").removesuffix("\n"),
    )


def _time(text: bytes) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.decode("ascii", "replace"))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
