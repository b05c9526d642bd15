"""An entry of RedBeat: a hash of two JSON texts, `definition` and `meta`. Nothing of its arguments is kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from services.brokers import celery_event_words as words
from services.brokers.masking import Mask
from services.brokers.numbers import finite
from services.brokers.pickled_values import clean
from services.brokers.schedule_words import every

MOST_SPEC = 200
_CRONTAB = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_RULES = ("interval", "count", "bysetpos", "bymonth", "bymonthday", "byyearday", "byeaster", "byweekno", "byweekday", "byhour", "byminute",
          "bysecond")  # fmt: skip


class Damaged(ValueError):
    """The text says what is wrong."""


class Entry(Struct, frozen=True):
    name: str
    spec: str
    function: str | None
    queue: str | None
    enabled: bool
    last_ms: int | None
    """None where it never ran: RedBeat notes when an entry was made as its last run."""
    runs: int | None


def entry_of(name: str, definition: bytes, meta: bytes | None, mask: Mask) -> Entry:
    """`name` is what its key says. Raises Damaged."""
    told, noted = _map("definition", definition), _map("meta", meta or b"{}")
    options, runs = told.get("options"), words.whole(noted.get("total_run_count"))
    return Entry(
        name=mask.text(words.name_of(told.get("name")) or words.name_of(name) or "?"),
        spec=_cut(_spec(told.get("schedule"))),
        function=_clean(words.name_of(told.get("task"))),
        queue=_clean(words.name_of(options.get("queue"))) if isinstance(options, dict) else None,
        enabled=told.get("enabled") is not False,
        last_ms=_moment_ms(noted.get("last_run_at")) if runs else None,
        runs=runs if runs is not None and 0 <= runs < 2**53 else None,
    )


def _map(field: str, said: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(said)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise Damaged(f"its {field} is no JSON") from fault
    if not isinstance(told, dict):
        raise Damaged(f"its {field} is no map of names and values")
    return told


def _spec(told: Any) -> str:
    if not isinstance(told, dict):
        raise Damaged("its definition has no schedule")
    kind = told.get("__type__")
    if kind == "interval" and (seconds := finite(told.get("every"))) is not None:
        return every(seconds)
    if kind == "crontab":
        return " ".join(_said(told.get(field, "*")).replace(" ", "") for field in _CRONTAB)
    if kind == "rrule":
        return _rrule(told)
    raise Damaged("its schedule is of a kind that RedBeat does not have")


def _rrule(told: Mapping[str, Any]) -> str:
    """As RFC 5545 writes it: `FREQ=WEEKLY;INTERVAL=2;BYDAY=MO`."""
    freq = told.get("freq")
    if isinstance(freq, int) and 0 <= freq < len(_FREQUENCIES):
        freq = _FREQUENCIES[freq]
    rules = ((rule.upper().replace("BYWEEKDAY", "BYDAY"), told.get(rule)) for rule in _RULES)
    given = (f"{rule}={_said(value, is_day=rule == 'BYDAY')}" for rule, value in rules if value is not None)
    return ";".join([f"FREQ={_said(freq)}", *(one for one in given if one != "INTERVAL=1")])


def _said(value: Any, *, is_day: bool = False) -> str:
    if isinstance(value, list):
        return ",".join(_said(each, is_day=is_day) for each in value[:60])
    if isinstance(value, dict):
        value = value.get("wkday")
    if is_day and isinstance(value, int) and 0 <= value < len(_DAYS):
        return _DAYS[value]
    return str(value)[:MOST_SPEC]


def _moment_ms(told: Any) -> int | None:
    """A moment by its parts. Its zone is a name, or seconds from UTC."""
    if not isinstance(told, dict):
        return None
    parts = [told.get(part, 0) for part in ("year", "month", "day", "hour", "minute", "second", "microsecond")]
    zone = told.get("timezone", "UTC")
    try:
        offset = ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(seconds=zone))
        return words.moment_ms(datetime(*parts, tzinfo=offset).timestamp())  # type: ignore[misc]
    except (TypeError, ValueError, KeyError, OverflowError, OSError):  # a zone is a file
        return None


def _clean(said: str | None) -> str | None:
    return None if said is None else clean(said)


def _cut(said: str) -> str:
    return clean(said[:MOST_SPEC])
