"""How an alert goes on from what it was, by what is read now: a pure function of both, its rule and the time.

ok → pending (as long as `for`) → firing → (fine as long as `keep`) → ok
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from core.config import Alert
from services import alert_limits
from services.alert_model import Happening, Record, Told

AWAY_S = 60.0
"""So long without a check, and nobody knows what was meanwhile: that time counts for nothing."""
FLAPS_S = 1800.0
FLAPS = 6
"""An alert that fired and was over so often within FLAPS_S flaps: it is told once that it does, and then nothing more …"""
STEADY_S = 900.0
"""… until it has stayed as it is for so long."""


@dataclass(frozen=True)
class Reading:
    """A present figure. `unknown` says why there is none, as words behind "because"; without it, None is a figure that is
    fine, such as the rate of failures among no jobs."""

    value: float | None = None
    unknown: str | None = None


@dataclass(frozen=True)
class Step:
    """An alert after a look at it. `happened` is for its history, `tell` is what people are to be notified of."""

    record: Record
    happened: tuple[Happening, ...] = ()
    tell: Happening | None = None


def begin(now: float) -> Record:
    """An alert that nobody looked at yet."""
    return Record("ok", now, now)


def advance(rule: Alert, before: Record, reading: Reading, now: float, away_s: float = AWAY_S) -> Step:
    """The alert after a reading taken `now`. Looks that lie further apart than `away_s` tell nothing of the time between them."""
    record = _timed(before, reading, now, away_s)
    happened = list[Happening]()
    if reading.unknown is None:
        record, moved = _moved(rule, record, reading.value, now)
        if moved:
            happened.append(moved)
            record = replace(record, changes=(*record.changes, now)[-FLAPS:])
    tell = _to_tell(record, now)
    if tell == "flapping":
        happened.append(tell)
        record = replace(record, told="flapping")
    elif tell == "steady":
        happened.append(tell)
        record = replace(record, told=_to_be_told(record), changes=())
    elif tell:
        record = replace(record, told=_to_be_told(record))
    return Step(record, tuple(happened), tell)


def _timed(before: Record, reading: Reading, now: float, away_s: float) -> Record:
    """The record with the time of this look. A clock that was set back makes nothing begin in the future, and what nobody
    could see counts neither for `for` nor for `keep`."""
    passed = now - before.checked_at
    unseen = max(passed, 0.0) if reading.unknown is not None or passed > away_s else 0.0
    since = before.since + unseen if before.state == "pending" else before.since
    fine_since = None if before.fine_since is None else min(before.fine_since + unseen, now)
    muted_until = None if before.muted_until is not None and before.muted_until <= now else before.muted_until
    return replace(
        before,
        since=min(since, now),
        fine_since=fine_since,
        fired_at=None if before.fired_at is None else min(before.fired_at, now),
        checked_at=now,
        value=before.value if reading.unknown is not None else reading.value,
        unknown=reading.unknown,
        muted_until=muted_until,
        changes=tuple(at for at in before.changes if now - FLAPS_S < at <= now),
    )


def _moved(rule: Alert, record: Record, value: float | None, now: float) -> tuple[Record, Happening | None]:
    firing = record.state == "firing"
    too_much = value is not None and alert_limits.of(rule.when).is_crossed(value, already=firing)
    if firing:
        if too_much:
            return replace(record, fine_since=None), None
        fine_since = now if record.fine_since is None else record.fine_since
        if now - fine_since < rule.keep:
            return replace(record, fine_since=fine_since), None
        return replace(record, state="ok", since=now, fine_since=None, fired_at=None), "over"
    if not too_much:
        return (record if record.state == "ok" else replace(record, state="ok", since=now)), None
    since = record.since if record.state == "pending" else now
    if now - since < (rule.for_ or 0.0):
        return replace(record, state="pending", since=since), None
    return replace(record, state="firing", since=since, fired_at=now), "fired"


def _to_tell(record: Record, now: float) -> Happening | None:
    if record.muted_until is not None:
        return None
    if record.flaps:
        last = record.changes[-1] if record.changes else record.since
        return "steady" if now - last >= STEADY_S else None
    if len(record.changes) >= FLAPS:
        return "flapping"
    if record.told == _to_be_told(record):
        return None
    return "fired" if record.state == "firing" else "over"


def _to_be_told(record: Record) -> Told:
    return "firing" if record.state == "firing" else "ok"
