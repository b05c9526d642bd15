"""The addresses of a host's name, within a limit of time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from typing import Any

from core.config.allowed import Address, parsed
from core.outgoing.errors import OutgoingError

Found = tuple[int, int, int, str, tuple[Any, ...]]
"""As `socket.getaddrinfo` answers: family, type, protocol, canonical name, address."""


def resolve(host: str, port: int, within_s: float) -> list[Found]:
    """What the system's resolver says, at least one. Raises OutgoingError, also when it takes too long."""
    answers: list[list[Found]] = []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except (OSError, UnicodeError):
            answers.append([])

    # In a thread of its own, since a resolver takes no limit of time.
    thread = threading.Thread(target=ask, name="headway-resolve", daemon=True)
    thread.start()
    thread.join(max(within_s, 0.0))
    if not answers:
        raise OutgoingError(f"the name {host} was not resolved in time")
    if not answers[0]:
        raise OutgoingError(f"the name {host} can't be resolved")
    return answers[0]


def addresses(found: Iterable[Found]) -> frozenset[Address]:
    return frozenset(address for *_, sockaddr in found if (address := parsed(sockaddr[0])) is not None)
