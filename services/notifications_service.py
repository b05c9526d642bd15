"""Notifications: they are noted here, wait in the store until the duty of `notification_duty` sends them, and are read here.

Alerts note theirs in their own script, with `add_notification` of the part `notifications`. What the store raises passes through.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from core import keys
from core.config import Level
from core.config.channels import PAGE, scheme_of
from core.fields import FieldError
from core.site import Site
from services import quiet_hours
from services.job_model import from_ms
from services.notification_events import STATES, State
from services.notification_model import DamagedNotification, NewNotification, Notification, from_record

MOST_WAITING = 5_000
"""Notifications that may wait at once; past it no sender is told that its own will be."""

KEPT = 10_000
"""Notifications that are kept, besides those that wait."""
STEP = 200
MOST_STEPS = 50
"""Steps of pruning at once: what is left waits for the next time."""


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


@dataclass(frozen=True, slots=True)
class ChannelState:
    """All of a channel that may be shown: its address is a secret. `waiting` counts what is on its way to it."""

    name: str
    scheme: str
    levels: tuple[Level, ...]
    waiting: int
    quiet_until: datetime | None


def create(site: Site, new: NewNotification, source: str = "api", *, urgent: bool = False) -> Outcome:
    """Note a notification, to be sent soon; one whose id exists stays as it is (`kept`). An `urgent` one takes no heed of quiet
    hours. Where no channel is configured, one that names any stands on the page like all others. Raises FieldError for a channel
    that is none of those configured, TooMany, redis.RedisError."""
    names = [channel.name for channel in site.config.channels]
    if names and new.channel is not None and new.channel not in (*names, PAGE):
        known = f"configured are {', '.join(names)}"
        raise FieldError("channel", f"names {new.channel}, which is no channel: {known}; {PAGE} is always there")
    # Named here, so that a call which is repeated on a lost answer finds what the first one stored.
    id = new.id or str(uuid.uuid4())
    told = {**msgspec.to_builtins(new), "id": id, "source": source, "urgent": urgent, "unbound": not names}
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


def prune(site: Site) -> int:
    """Remove what `[retention] notifications` and KEPT no longer keep; how many went. What waits stays. Raises redis.RedisError."""
    before = round((site.clock() - site.config.retention.notifications) * 1000)
    call = {"o": "prune", "before": before, "keep": KEPT, "most": STEP}
    gone = 0
    for _ in range(MOST_STEPS):
        step = int(site.store.scripts.run("notification", 0, call))
        gone += step
        if step < STEP:
            break
    return gone


def channels(site: Site) -> tuple[ChannelState, ...]:
    """The configured channels, in their order. Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for channel in site.config.channels:
            pipeline.zcard(keys.NOTIFICATION_QUEUE.at(0, channel.name))
        waiting = pipeline.execute()
    now = site.clock()
    return tuple(
        ChannelState(
            name=channel.name,
            scheme=scheme_of(channel.url),
            levels=channel.levels,
            waiting=many,
            quiet_until=None if (end := quiet_hours.ends(channel.quiet, now)) is None else from_ms(end * 1000),
        )
        for channel, many in zip(site.config.channels, waiting, strict=True)
    )


def send_test(site: Site, channel: str | None = None) -> tuple[str, ...]:
    """Send a test to one channel, or to each; the names of those, none where there is none. It takes no heed of levels and quiet
    hours. Raises FieldError, TooMany, redis.RedisError."""
    configured = tuple(one.name for one in site.config.channels)
    names = (channel,) if channel and configured else configured
    for name in names:
        new = NewNotification("Test from Headway", "If you can read this, the channel works.", "info", name)
        create(site, new, "test", urgent=True)
    return names


__all__ = [
    "PAGE", "STATES", "ChannelState", "Counts", "DamagedNotification", "NewNotification", "Notification", "NotificationPage",
    "Outcome", "State", "TooMany", "channels", "counts", "create", "get", "page", "prune", "resend", "send_test",
]  # fmt: skip
