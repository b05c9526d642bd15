"""What a copy of the store holds: every key of Headway's, but those that mean nothing once the site has stopped."""

from __future__ import annotations

import re

from core import keys
from core.keys import Key

PATTERN = "headway:{*}:*"
_NAME = re.compile(rb"headway:\{\d+\}:(.*)", re.S)

LEFT_OUT = (
    keys.ARCHIVE_FIGURES,
    keys.BROKERS,
    keys.CACHE_LOCK,
    keys.CANCELED,
    keys.LEADER,
    keys.LIMIT,
    keys.LOG_ROOM,
    keys.METRICS_SEQ,
    keys.OPERATION_LEASE,
    keys.METRICS_TEXT,
    keys.PROBE,
    keys.PROCESS,
    keys.PROCESSES,
    keys.PROMETHEUS,
    keys.RESTORING,
    keys.SENT_AGAIN,
    keys.SERIES,
    keys.TICKET,
    keys.UPLOAD_ALIVE,
)
"""Locks, leases, caches, heartbeats, and what belongs to one server rather than to the site."""

REPORTED = (
    keys.NUMBER,
    keys.DEPLOYMENTS,
    keys.AGENTS,
    keys.LOG_INDEX,
    keys.NOTIFICATION_NUMBER,
    keys.UNDECLARED_TILES,
    keys.UPLOAD_NUMBER,
    keys.ALERT_HISTORY,
)
"""Of these a store has one as soon as anything was reported to it. A site that was only started has none."""

OTHER = "other"

_FAMILIES = {key.suffix: key for key in keys.SCRIPT_KEYS.values()}


def family(name: bytes) -> Key | None:
    """The declaration of a key in the store; None for one that is of another version of Headway, or not Headway's."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    head, colon, _ = found[1].decode(errors="replace").partition(":")
    return _FAMILIES.get(head + colon) or _FAMILIES.get(head)


def kept(name: bytes) -> bool:
    """Whether a copy holds this key. One of Headway's that nobody declares is kept: it may be of a newer version."""
    return _NAME.fullmatch(name) is not None and family(name) not in LEFT_OUT


def label(name: bytes) -> str:
    """What counts of keys go by, such as `job`, and `status:queued` of those that count jobs."""
    key = family(name)
    if key is keys.STATUS:
        return name.partition(b"}:")[2].decode(errors="replace")
    return key.suffix.rstrip(":") if key else OTHER
