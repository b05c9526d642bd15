"""One event of Socket.IO, and the bytes of it that all its clients share."""

from __future__ import annotations

from typing import Any, NamedTuple

from socketio import packet

from core.backlog import Frame

MESSAGE = "4"
"""Engine.IO's mark before a packet of Socket.IO."""


class Emission(NamedTuple):
    """Of two with one `key` the newer may stand in for the older where a client is behind, unless that is one to `keep`."""

    event: str
    data: dict[str, Any]
    key: int | str
    keep: bool = True


def encode(emission: Emission) -> Frame:
    """What every listener gets."""
    said = packet.Packet(packet.EVENT, [emission.event, emission.data], namespace="/").encode()
    return Frame(f"{MESSAGE}{said}".encode(), emission.key, emission.keep)
