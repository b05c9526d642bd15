"""A kind of report: it waits, is sent and is tried again apart from the others."""

from __future__ import annotations

import time
from typing import Generic, Protocol, TypeVar

from headway.patience import Patience
from headway.told import Told
from headway.transport import Away, Transport

EVERY_S = 0.1
"""The shortest time between two batches of a kind, and so between two updates of a job."""

T = TypeVar("T")


class Backlog(Protocol[T]):
    """What waits to be sent, in order and bounded. Whoever uses it holds a lock."""

    def __bool__(self) -> bool: ...

    @property
    def full(self) -> bool:
        """Whether as much waits as one batch takes."""

    def add(self, one: T) -> None: ...

    def take(self) -> list[T]:
        """The oldest, as many as one batch takes. They are no longer here."""

    def restore(self, taken: list[T]) -> None:
        """Put back what was taken last and could not be sent, before what came meanwhile."""

    def lost(self) -> str:
        """What was dropped for want of room, in words; '' for nothing."""


class Lane(Generic[T]):
    """`name` is what it takes, in words, in the plural."""

    name: str

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin with nothing."""
        self.backlog = self._empty()
        self.under_way: list[T] = []
        self.is_sending = False
        self.waited_in_vain = False
        self.next_try = 0.0
        self.patience = Patience()

    @property
    def busy(self) -> bool:
        return self.is_sending or bool(self.backlog)

    def add(self, one: T) -> None:
        self.backlog.add(one)

    def take(self) -> None:
        self.under_way = self.backlog.take()
        self.is_sending = True

    def send(self, transport: Transport, told: Told) -> None:
        """Send what is under way; what was answered is under way no more. Without the lock. Raises Away."""
        raise NotImplementedError

    def settle(self, away: Away | None, *, hurry: bool) -> None:
        """Keep what was not sent, and say when to try again. `hurry`: somebody waits for it."""
        self.backlog.restore(self.under_way)
        self.under_way = []
        self.is_sending = False
        if away is None:
            self.patience.succeed()
            self.waited_in_vain = False
            wait_s = 0.0 if hurry or self.backlog.full else EVERY_S
        else:
            wait_s = self.patience.fail(away)
        self.next_try = time.monotonic() + wait_s

    def _empty(self) -> Backlog[T]:
        raise NotImplementedError
