"""What becomes of notifications, as the part `notifications` of the scripts appends it to the stream of events (field `n`)."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from core.config import Level

State = Literal["pending", "sent", "failed"]
STATES: tuple[State, ...] = ("pending", "sent", "failed")


class NotificationEvent(Struct, frozen=True, array_like=True):
    """A notification that was created, or whose state changed, as it stood then. An empty text is one that was not there."""

    kind: Literal["created", "changed"]
    number: int
    id: str
    title: str
    body: str
    level: Level
    channel: str
    """As `Notification.channel`."""
    state: State
    source: str
    created_ms: int


decode = msgspec.msgpack.Decoder(NotificationEvent).decode
"""An entry's field `n` as an event. Raises msgspec.DecodeError."""
