"""Who did what, when, to what, and what came of it: the last 10,000 actions. An entry stands before anything is tried and is
settled after, so that nothing happens without a trace."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from core import keys
from core.logs import printable
from core.site import Site
from core.store import StoreError, explain
from services.brokers.action_model import ActionRefused, Changed
from services.brokers.model import BrokerError

log = logging.getLogger("headway.audit")

KEPT = 10_000
MOST_SAID = 500
Result = Literal["begun", "done", "refused", "changed", "failed"]
"""`begun` stays where the process ended before it could say what came of it."""


class Who(Struct, frozen=True):
    """Who acted: `kind` is `token`, `session` or `open` (nobody has to sign in), `name` tells one session or token from another."""

    kind: str
    name: str
    address: str


class Entry(Struct, frozen=True, kw_only=True):
    number: int
    at: float
    """Seconds since the epoch."""
    who: Who
    what: str
    on: str
    result: Result = "begun"
    said: str | None = None
    """What was done, or why nothing was."""
    settled_at: float | None = None


@dataclass
class Note:
    """What the block of `noted` fills in."""

    number: int
    done: str = ""


@dataclass(frozen=True)
class AuditPage:
    """Newest first. `next_cursor` is None where nothing is older."""

    items: tuple[Entry, ...]
    next_cursor: int | None


_decode = msgspec.json.Decoder(Entry).decode


@contextmanager
def noted(site: Site, who: Who, what: str, on: str) -> Iterator[Note]:
    """Around something that is done once: its entry is begun before, and settled by how the block ends. Raises StoreError where it
    can't be begun, and then nothing is done."""
    entry = begin(site, who, what, on)
    note = Note(entry.number)
    try:
        yield note
    except Changed as fault:
        settle(site, entry, "changed", str(fault))
        raise
    except ActionRefused as fault:
        settle(site, entry, "refused", str(fault))
        raise
    except BrokerError as fault:
        settle(site, entry, "failed", str(fault))
        raise
    except StoreError as fault:
        settle(site, entry, "failed", explain(fault))
        raise
    except BaseException as fault:
        settle(site, entry, "failed", type(fault).__name__)
        raise
    settle(site, entry, "done", note.done)


def begin(site: Site, who: Who, what: str, on: str) -> Entry:
    """Raises StoreError."""
    number = int(site.store.redis.incr(keys.AUDIT_NUMBER.at()))
    entry = Entry(number=number, at=site.clock(), who=who, what=what[:MOST_SAID], on=on[:MOST_SAID])
    with site.store.redis.pipeline() as pipe:
        pipe.hset(keys.AUDIT.at(), str(number), msgspec.json.encode(entry).decode())
        pipe.hdel(keys.AUDIT.at(), str(number - KEPT))
        pipe.execute()
    return entry


def settle(site: Site, entry: Entry, result: Result, said: str) -> None:
    """Say what came of it. Where the store takes nothing just then the log alone has it."""
    settled = msgspec.structs.replace(entry, result=result, said=said[:MOST_SAID] or None, settled_at=site.clock())
    who = f"{entry.who.kind} {entry.who.name} from {entry.who.address}"
    log.info("%s: %s on %s: %s. %s", *(printable(one) for one in (who, entry.what, entry.on, result, said[:MOST_SAID])))
    with suppress(StoreError):
        site.store.redis.hset(keys.AUDIT.at(), str(entry.number), msgspec.json.encode(settled).decode())


def page(site: Site, limit: int = 50, before: int | None = None) -> AuditPage:
    """Entries before a number, or the newest. Raises StoreError."""
    newest = int(str(site.store.redis.get(keys.AUDIT_NUMBER.at()) or 0))
    first = min(newest, before - 1 if before is not None else newest)
    numbers = [str(number) for number in range(first, max(first - limit, newest - KEPT, 0), -1)]
    found = site.store.raw.hmget(keys.AUDIT.at(), numbers) if numbers else []
    last = first - len(numbers)
    return AuditPage(tuple(_read(found)), last + 1 if numbers and last > max(newest - KEPT, 0) else None)


def _read(records: Iterable[object]) -> Iterator[Entry]:
    for record in records:
        with suppress(msgspec.DecodeError):  # of another version
            if isinstance(record, bytes):
                yield _decode(record)
