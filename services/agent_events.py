"""What happens to an agent besides its jobs, as the script `agent` appends it to the stream of events."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

AgentEventKind = Literal["video", "backfill-started", "backfill-completed"]


class AgentEvent(Struct, frozen=True):
    """One event; `data` is what listeners get.

    `video`: `{videoId, title, publishedAt}`; `backfill-started`: `{totalVideos, since}`;
    `backfill-completed`: `{totalFound, totalEnqueued}`.
    """

    kind: AgentEventKind
    agent: str
    at_ms: int
    data: dict[str, Any]


class _Stored(Struct, array_like=True):
    kind: AgentEventKind
    agent: str
    at_ms: int
    data: str


_unpack = msgspec.msgpack.Decoder(_Stored).decode
_data = msgspec.json.Decoder(dict[str, Any]).decode


def decode(entry: bytes) -> AgentEvent:
    """An entry's field `a` as an event. Raises msgspec.DecodeError."""
    stored = _unpack(entry)
    return AgentEvent(stored.kind, stored.agent, stored.at_ms, _data(stored.data))
