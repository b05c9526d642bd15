"""A notification as Headway's rooms pass it on, what may be said to make one, and how it is read out of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from core.config.model import LEVELS, Level
from core.fields import FieldError, check
from services import log_rules
from services.job_model import from_ms
from services.notification_events import State

DeliveryState = Literal["waiting", "sent", "failed"]
OF_LOG_LEVELS: tuple[Level, ...] = ("info", "info", "warning", "error", "error")
"""What a level of logs is here, in the order of `log_model.LEVELS`."""


class NewNotification(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of a notification, for `core.fields.check`. A repeat of an `id` changes nothing; without one it gets a
    UUID. A named `channel` gets it whatever its levels are; without one each channel does that takes its level."""

    title: Annotated[str, Meta(min_length=1, max_length=500, description="text of 1 to 500 characters")]
    body: Annotated[str, Meta(max_length=4_000, description="text of at most 4,000 characters")] | None = None
    level: Level = "info"
    channel: Annotated[str, Meta(min_length=1, max_length=64, description="a channel's name")] | None = None
    id: (
        Annotated[
            str,
            Meta(
                pattern=r"\A[A-Za-z0-9][A-Za-z0-9._:\-]*\Z",
                max_length=128,
                description="1 to 128 of letters, digits and ._:- with a letter or a digit first",
            ),
        ]
        | None
    ) = None


def of_json(fields: Any) -> NewNotification:
    """What decoded JSON says. A level may go by any name that logs take. Raises FieldError."""
    if isinstance(fields, dict) and "level" in fields:
        fields = {**fields, "level": _level(fields["level"])}
    return check(NewNotification, fields)


def _level(said: Any) -> Any:
    """One of LEVELS; what is no level stays as it is, to be refused with the others' names."""
    if said is None:
        return "info"
    if isinstance(said, bool) or not isinstance(said, int | str):
        return said
    named = str(said).strip().lower()
    if named in LEVELS:  # logs know no success
        return named
    try:
        return OF_LOG_LEVELS[log_rules.level(said)]
    except FieldError:
        return said


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification on its way to one channel. `due_at` is when it is tried next, None while it is being sent; `ended_at`
    when it was sent or given up; `error` what the last try met, without secrets; `may_be_repeated`: a process died between
    sending and noting it, so it was sent again."""

    channel: str
    state: DeliveryState
    tries: int
    due_at: datetime | None
    ended_at: datetime | None
    error: str | None
    may_be_repeated: bool


@dataclass(frozen=True, slots=True)
class Notification:
    """`channel` is the one that was asked for, or the only one that it goes to; None for several. `page`
    (`core.config.channels.PAGE`): no channel takes it, so it counts as sent by standing on the page, as one does that was noted while
    none was configured, whatever it names. `number` rises, unique
    on the site. `source` is `api`, `test`, or what made it, such as `alert:ID`; `link` a path of ours or an address. `deliveries` are
    empty until its channels are found, within a second or so."""

    number: int
    id: str
    title: str
    body: str
    level: Level
    channel: str | None
    source: str
    link: str | None
    state: State
    created_at: datetime
    finished_at: datetime | None
    deliveries: tuple[Delivery, ...]

    @property
    def error(self) -> str | None:
        """What the channels that don't have it met last."""
        faults = [f"{one.channel}: {one.error}" for one in self.deliveries if one.error and one.state != "sent"]
        return "; ".join(faults) or None


@dataclass(frozen=True, slots=True)
class DamagedNotification:
    """One that the indexes name and whose record is missing or can't be read."""

    id: str


class StoredDelivery(Struct, omit_defaults=True):
    state: DeliveryState = "waiting"
    tries: int = 0
    due: int | None = None
    lease: str | None = None
    ended: int | None = None
    error: str | None = None
    repeated: bool = False


class Stored(Struct, omit_defaults=True):
    number: int
    title: str
    state: State
    created: int
    body: str = ""
    level: Level = "info"
    channel: str | None = None
    source: str = ""
    link: str | None = None
    urgent: bool = False
    finished: int | None = None
    deliveries: dict[str, StoredDelivery] = {}


_decode = msgspec.msgpack.Decoder(Stored).decode


def from_record(id: str, record: object) -> Notification | DamagedNotification:
    """The notification of a record in the store."""
    try:
        kept = _decode(record) if isinstance(record, bytes) else None
    except ValueError:
        kept = None
    if kept is None:
        return DamagedNotification(id)
    return Notification(
        number=kept.number,
        id=id,
        title=kept.title,
        body=kept.body,
        level=kept.level,
        channel=kept.channel,
        source=kept.source,
        link=kept.link,
        state=kept.state,
        created_at=from_ms(kept.created),
        finished_at=from_ms(kept.finished) if kept.finished else None,
        deliveries=tuple(_delivery(channel, one) for channel, one in sorted(kept.deliveries.items())),
    )


def _delivery(channel: str, kept: StoredDelivery) -> Delivery:
    due = kept.due if kept.state == "waiting" and kept.lease is None else None  # while it is sent, when its lease ends
    return Delivery(
        channel=channel,
        state=kept.state,
        tries=kept.tries,
        due_at=from_ms(due) if due else None,
        ended_at=from_ms(kept.ended) if kept.ended else None,
        error=kept.error,
        may_be_repeated=kept.repeated,
    )
