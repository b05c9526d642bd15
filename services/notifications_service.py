"""Notifications: they are noted here, wait in the store until the duty of `notification_duty` sends them, and are read here.

Alerts note theirs in their own script, with `add_notification` of the part `notifications`. What the store raises passes through.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

import msgspec

from core import keys
from core.fields import FieldError
from core.site import Site
from services.notification_events import STATES, State
from services.notification_model import PAGE, DamagedNotification, NewNotification, Notification, from_record

MOST_WAITING = 5_000
"""Notifications that may wait at once; past it no sender is told that its own will be."""


class TooMany(Exception):
    """So many wait already that no more are taken."""


@dataclass(frozen=True, slots=True)
class Counts:
    """`sent` is how many ever were; `pending` and `failed` are those that are kept."""

    sent: int
    pending: int
    failed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of what was asked, and the notification as it stands now. `kept`: its id exists, or it did not fail."""

    kind: Literal["created", "pending", "kept"]
    notification: Notification | DamagedNotification


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Newest first. `next_cursor` is None where there is no further page; `total` counts all of the state."""

    items: tuple[Notification | DamagedNotification, ...]
    next_cursor: int | None
    total: int


def create(site: Site, new: NewNotification, source: str = "api", *, urgent: bool = False) -> Outcome:
    """Note a notification, to be sent soon; one whose id exists stays as it is (`kept`). An `urgent` one takes no heed of quiet
    hours. Raises FieldError for a channel that there is not, TooMany, redis.RedisError."""
    names = [channel.name for channel in site.config.channels]
    if new.channel is not None and new.channel not in (*names, PAGE):
        known = f"configured are {', '.join(names)}" if names else "none is configured in headway.toml"
        raise FieldError("channel", f"names {new.channel}, which is no channel: {known}; {PAGE} is always there")
    # Named here, so that a call which is repeated on a lost answer finds what the first one stored.
    id = new.id or str(uuid.uuid4())
    told = {**msgspec.to_builtins(new), "id": id, "source": source, "urgent": urgent}
    said = {name: value for name, value in told.items() if value}
    kind, record = site.store.scripts.run("notification", 0, {"o": "create", "new": said, "most": MOST_WAITING})
    if kind == b"full":
        raise TooMany(f"{MOST_WAITING:,} notifications wait already")
    return Outcome("kept" if kind == b"kept" and new.id else "created", from_record(id, record))


def resend(site: Site, id: str) -> Outcome | None:
    """Send a failed notification again, to the channels that did not take it; one that did not fail stays as it is (`kept`).
    None where there is none of this id. Raises redis.RedisError."""
    kind, record = site.store.scripts.run("notification", 0, {"o": "resend", "i": id})
    return None if kind == b"missing" else Outcome("pending" if kind == b"pending" else "kept", from_record(id, record))


def get(site: Site, id: str) -> Notification | DamagedNotification | None:
    """The notification, None where there is none. Raises redis.RedisError."""
    record = site.store.raw.hget(keys.NOTIFICATION.at(), id)
    return None if record is None else from_record(id, record)


def page(site: Site, state: State | None = None, limit: int = 50, before: int | None = None) -> NotificationPage:
    """The newest notifications, all or of a state; those before a number. Costs the same wherever they lie.
    Raises redis.RedisError."""
    index = keys.NOTIFICATION_STATE.at(0, state) if state else keys.NOTIFICATIONS.at()
    top = "+inf" if before is None else f"({before}"
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.zrevrangebyscore(index, top, "-inf", 0, limit + 1, withscores=True)
        pipeline.zcard(index)
        found, total = pipeline.execute()
    ids = [id for id, _ in found[:limit]]
    records = site.store.raw.hmget(keys.NOTIFICATION.at(), ids) if ids else []
    return NotificationPage(
        items=tuple(from_record(id, record) for id, record in zip(ids, records, strict=True)),
        next_cursor=int(found[limit - 1][1]) if len(found) > limit else None,
        total=int(total),
    )


def counts(site: Site) -> Counts:
    """Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hget(keys.NOTIFICATION_TOTALS.at(), "sent")
        pipeline.zcard(keys.NOTIFICATION_STATE.at(0, "pending"))
        pipeline.zcard(keys.NOTIFICATION_STATE.at(0, "failed"))
        sent, pending, failed = pipeline.execute()
    return Counts(int(sent or 0), int(pending), int(failed))


__all__ = [
    "STATES", "Counts", "DamagedNotification", "NewNotification", "Notification", "NotificationPage", "Outcome", "State",
    "TooMany", "counts", "create", "get", "page", "resend",
]  # fmt: skip
