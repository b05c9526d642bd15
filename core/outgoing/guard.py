"""What outgoing connections of one thread (or greenlet) may reach while a guard stands around them.

Python tells an audit hook of each address before it is connected to, whoever asks: urllib3, smtplib, a bare socket. So
nothing is left to find out between the check and the connection, and no way of writing an address leads round it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.config.allowed import Address, Allowed, is_public, parsed
from core.outgoing.errors import OutgoingError, Refused
from core.outgoing.names import addresses, resolve

if TYPE_CHECKING:
    from core.site import Site

RESOLVE_S = 5.0
"""How long names of the allow-list may take to resolve before a guard stands without them."""
CONNECTING = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))


@dataclass(frozen=True)
class Policy:
    """What may be reached besides the public network."""

    allow: tuple[Allowed, ...] = ()


@dataclass
class Guard:
    """What the connections under it may reach. `refused` says why they got nowhere, for libraries that swallow errors."""

    policy: Policy
    named: Mapping[Allowed, frozenset[Address]]
    """The addresses of the hosts that the policy knows by name."""
    refused: list[str] = field(default_factory=list)

    def permits(self, address: Address, port: int) -> bool:
        if is_public(address):
            return True
        return any(
            entry.holds(address, port) or (entry.fits(port) and address in self.named.get(entry, ()))
            for entry in self.policy.allow
        )

    def check(self, address: Any) -> None:
        """Raises Refused for an address, as sockets take them, that may not be reached."""
        host, port = address[:2] if isinstance(address, tuple) and len(address) >= 2 else (None, None)
        known = parsed(host) if isinstance(host, str) else None
        if known is not None and isinstance(port, int) and self.permits(known, port):
            return
        if known is None:
            words = "Headway connects to network addresses and to nothing else here"
        else:
            words = unreachable(f"{f'[{known}]' if known.version == 6 else known}:{port}")
        self.refused.append(words)
        raise Refused(words)


def unreachable(place: str) -> str:
    return f'{place} is not in the public network: to reach it, put "{place}" into allow of [outgoing] in headway.toml'


def policy_of(site: Site) -> Policy:
    """What headway.toml allows, and PROMETHEUS_URL, which the operator named too."""
    entries = [Allowed.of(text) for text in site.config.outgoing.allow]
    if site.settings.prometheus_url:
        parts = urlsplit(site.settings.prometheus_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        with suppress(ValueError):  # a host that can't be asked in any case
            entries.append(Allowed.of(f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"))
    return Policy(tuple(entries))


_guard: ContextVar[Guard | None] = ContextVar("guard", default=None)


@contextmanager
def guarded(policy: Policy) -> Iterator[Guard]:
    """Connections and datagrams of this thread, or greenlet, go where the policy lets them, and raise Refused elsewhere.

    It does not reach threads that are started within, nor unix sockets, which are refused: nothing but the library that
    is to be guarded belongs in the block.
    """
    until = time.monotonic() + RESOLVE_S
    named = dict[Allowed, frozenset[Address]]()
    for entry in policy.allow:
        if isinstance(entry.host, str):
            with suppress(OutgoingError):  # Then what it names can't be reached by its name either.
                named[entry] = addresses(resolve(entry.host, entry.port or 0, until - time.monotonic()))
    with standing(Guard(policy, named)) as guard:
        yield guard


@contextmanager
def standing(guard: Guard) -> Iterator[Guard]:
    """As `guarded`, for who has resolved what there is to resolve."""
    _watch()
    before = _guard.set(guard)
    try:
        yield guard
    finally:
        _guard.reset(before)


@cache
def _watch() -> None:
    """Once a process, and only in one that sends: a hook can't be taken away, and costs each audited call 100 ns."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CONNECTING and (guard := _guard.get()) is not None:
            guard.check(arguments[1])

    sys.addaudithook(look)
