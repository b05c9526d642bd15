"""Beat's schedule, as far as workers know it from their app's configuration: entries of a scheduler with a database of its own
(django-celery-beat) stand there not; those of RedBeat are read by `celery_redbeat`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.brokers import celery_event_words as words
from services.brokers.model import ScheduleNow
from services.brokers.numbers import finite
from services.brokers.schedule_words import every

MOST = 500
_FREQUENCY = re.compile(r"<freq: (\d{1,20}(?:\.\d+)?) (second|minute|hour|day)s?>")
_CRONTAB = re.compile(r"<crontab: (.+) \(m/h/dM/MY/d\)>")
_SPAN = re.compile(r"(?:(\d{1,20}) days?, )?(\d{1,20}):(\d\d):(\d\d(?:\.\d+)?)")
_UNIT_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Runs:
    """When tasks of a schedule were last heard of."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.last: dict[str, tuple[int, str]] = {}

    def take(self, event: dict[str, Any]) -> None:
        name = words.name_of(event.get("name"))
        if event.get("type") not in ("task-sent", "task-received") or name is None or name not in self.functions:
            return
        at_ms, id = words.moment_ms(event.get("timestamp")), event.get("uuid")
        known = self.last.get(name)
        if at_ms is not None and isinstance(id, str) and (known is None or (known[1] != id and at_ms > known[0])):
            self.last[name] = (at_ms, id)


def schedules(confs: Mapping[str, Mapping[str, Any]], runs: Runs, now_ms: int) -> tuple[ScheduleNow, ...]:
    """Of what each worker said of its configuration, each entry once."""
    found: dict[str, ScheduleNow] = {}
    for conf in confs.values():
        entries = conf.get("beat_schedule")
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and name not in found and len(found) < MOST:
                found[name] = _schedule(str(name), entry, conf, runs, now_ms)
    runs.functions = {one.function for one in found.values() if one.function}
    return tuple(found[name] for name in sorted(found))


def _schedule(name: str, entry: dict[str, Any], conf: Mapping[str, Any], runs: Runs, now_ms: int) -> ScheduleNow:
    function = words.name_of(entry.get("task"))
    last_ms, last_job = runs.last.get(function or "", (None, None))
    spec, next_ms = _spec(entry.get("schedule"), conf, last_ms, now_ms)
    options = entry.get("options")
    return ScheduleNow(
        name=words.name_of(name) or "?",
        spec=spec,
        function=function,
        queue=words.name_of(options.get("queue")) if isinstance(options, dict) else None,
        next_ms=next_ms,
        last_ms=last_ms,
        last_job=last_job,
        scheduler="beat",
    )


def _spec(told: Any, conf: Mapping[str, Any], last_ms: int | None, now_ms: int) -> tuple[str, int | None]:
    """A schedule in words, and when it is due next where that can be reckoned."""
    every_s = _every_s(told)
    if every_s is not None:
        if last_ms is None or every_s <= 0 or (next_ms := last_ms + every_s * 1000) >= words.LATEST_MS:
            return every(every_s), None
        return every(every_s), int(next_ms)
    said = str(told)[:200]
    if (found := _CRONTAB.fullmatch(said)) is not None and len(fields := found[1].split(" ")) == 5:
        return found[1], _next_ms(fields, conf, now_ms)
    return said.strip("<>"), None


def _every_s(told: Any) -> float | None:
    if not isinstance(told, str):
        return finite(told)
    if (found := _FREQUENCY.fullmatch(told)) is not None:
        return float(found[1]) * _UNIT_S[found[2]]
    if (found := _SPAN.fullmatch(told)) is not None:
        return int(found[1] or 0) * 86_400 + int(found[2]) * 3600 + int(found[3]) * 60 + float(found[4])
    return None


def _next_ms(fields: list[str], conf: Mapping[str, Any], now_ms: int) -> int | None:
    """By Celery's own reckoning, in the zone of the app; None where that can't tell."""
    from celery.schedules import ParseException, crontab

    now, zone = datetime.fromtimestamp(now_ms / 1000, UTC), conf.get("timezone") or "UTC"
    if not isinstance(zone, str):
        return None
    try:
        schedule = crontab.from_string(" ".join(fields))
        schedule.nowfun = lambda: now
        schedule.tz = ZoneInfo(zone)
        return now_ms + int(schedule.remaining_estimate(now).total_seconds() * 1000)
    except (ParseException, ValueError, KeyError, RuntimeError, OverflowError, OSError):  # a zone is a file
        return None
