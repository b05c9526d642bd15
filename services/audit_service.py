"""Who did what, when, to what, and what came of it: the last 10,000 actions. An entry stands before anything is tried and is
settled after, so that nothing happens without a trace."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from core import keys
from core.logs import printable
from core.site import Site
from core.store import StoreError, explain
from services.brokers.action_model import ActionRefused, Changed, Unknown
from services.brokers.model import BrokerError, Unreached

log = logging.getLogger("headway.audit")

KEPT = 10_000
MOST_SAID = 500
Result = Literal["begun", "done", "refused", "unknown", "changed", "unreached", "failed"]
"""`begun` stays where the process ended before it could say what came of it."""


class Who(Struct, frozen=True):
    """Who acted: `kind` is `token`, `session` or `open` (nobody has to sign in), `name` tells one session or token from another."""

    kind: str
    name: str
    address: str

    @property
    def words(self) -> str:
        """`the admin token`, `session 1f0c22ab`, `anyone`."""
        return f"session {self.name}" if self.kind == "session" else self.name


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


@dataclass(frozen=True)
class AuditPage:
    """Newest first. `next_cursor` is None where nothing is older."""

    items: tuple[Entry, ...]
    next_cursor: int | None


_decode = msgspec.json.Decoder(Entry).decode


def noted(site: Site, who: Who, what: str, on: str, do: Callable[[], str]) -> Entry:
    """Do something once, which says what it did, and answer its settled entry, whatever came of it. Raises StoreError; where the
    entry can't be begun nothing is done."""
    entry = begin(site, who, what, on)
    try:
        return settle(site, entry, "done", do())
    except Changed as fault:
        return settle(site, entry, "changed", str(fault))
    except ActionRefused as fault:
        return settle(site, entry, "unknown" if isinstance(fault, Unknown) else "refused", str(fault))
    except Unreached as fault:
        return settle(site, entry, "unreached", f"Nothing was done, because {fault}.")
    except BrokerError as fault:
        return settle(site, entry, "failed", f"Nobody knows whether it was done, because {fault}.")
    except BaseException as fault:
        settle(site, entry, "failed", explain(fault) if isinstance(fault, StoreError) else type(fault).__name__)
        raise


def begin(site: Site, who: Who, what: str, on: str) -> Entry:
    """Raises StoreError."""
    number = int(site.store.redis.incr(keys.AUDIT_NUMBER.at()))
    entry = Entry(number=number, at=site.clock(), who=who, what=what[:MOST_SAID], on=on[:MOST_SAID])
    with site.store.redis.pipeline() as pipe:
        pipe.hset(keys.AUDIT.at(), str(number), msgspec.json.encode(entry).decode())
        pipe.hdel(keys.AUDIT.at(), str(number - KEPT))
        pipe.execute()
    return entry


def settle(site: Site, entry: Entry, result: Result, said: str) -> Entry:
    """Say what came of it. Where the store takes nothing just then the log alone has it."""
    settled = msgspec.structs.replace(entry, result=result, said=said[:MOST_SAID] or None, settled_at=site.clock())
    who = f"{entry.who.words} from {entry.who.address}"
    log.info("%s: %s on %s: %s. %s", *(printable(one) for one in (who, entry.what, entry.on, result, said[:MOST_SAID])))
    with suppress(StoreError):
        site.store.redis.hset(keys.AUDIT.at(), str(entry.number), msgspec.json.encode(settled).decode())
    return settled


def get(site: Site, number: int) -> Entry | None:
    """Raises StoreError."""
    return next(_read([site.store.raw.hget(keys.AUDIT.at(), str(number))]), None)


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
