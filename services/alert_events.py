"""What becomes of alerts, as the script `alert` appends it to the stream of events (field `k`)."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

Shown = Literal["ok", "pending", "firing", "unknown", "gone"]
"""How an alert stands for who looks at it; `gone` is one whose rule is no longer declared."""
What = Literal["first", "moved", "muted", "unmuted", "flapping", "steady"]


class AlertEvent(Struct, frozen=True, array_like=True):
    """An alert of which something changed, and how it stands since then."""

    id: str
    what: What
    state: Shown
    at_ms: int


decode = msgspec.msgpack.Decoder(AlertEvent).decode
"""An entry's field `k` as an event. Raises msgspec.DecodeError."""
