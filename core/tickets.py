"""Tickets: what a browser on another origin opens a stream with, since there it can set no header.

A ticket works once and not for long, so that one that is seen in an address or a log is worth nothing.
"""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from core import keys
from core.sessions import Caller
from core.store import Store

LIFETIME_S = 30
_LONGEST = 100

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Caller).decode


class Tickets:
    """Kept in the store, so that any web process takes them. Both calls may raise StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def issue(self, caller: Caller) -> str:
        """A new ticket, which stands for `caller`."""
        ticket = secrets.token_urlsafe(24)
        self._store.raw.set(_key(ticket), _encode(caller), ex=LIFETIME_S)
        return ticket

    def redeem(self, ticket: str) -> Caller | None:
        """Whom a ticket stands for; None when it was used, is too old, or never was one."""
        if not ticket or len(ticket) > _LONGEST:
            return None
        kept = self._store.raw.getdel(_key(ticket))
        return _decode(kept) if isinstance(kept, bytes) else None


def _key(ticket: str) -> str:
    # Under its hash: who can read the store can't use what lies there.
    return keys.TICKET.at(0, hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest())
