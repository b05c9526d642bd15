"""Why a request of Headway's own got nowhere."""

from __future__ import annotations


class OutgoingError(OSError):
    """A request got no answer that can be used. Its text says why, and holds no secret."""


class Refused(OutgoingError):
    """What was asked for lies where Headway does not go."""
