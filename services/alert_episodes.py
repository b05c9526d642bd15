"""From when till when alerts fired, out of their history and how they stand now. What the store raises passes through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from core import keys
from core.site import Site
from services import alert_model
from services.alert_model import Line

MOST_LINES = 1_000
"""Lines of history that are read of a span, the newest, and of what came after it, the oldest."""
ENDS = ("over", "removed")


@dataclass(frozen=True)
class Episode:
    """An alert fired. Moments are seconds since the epoch."""

    id: str
    title: str
    since: float
    until: float | None
    """When it was over; None where nobody knows, or while it fires."""
    value: str = ""
    """The reading at which it fired, as a sentence; empty where that is no longer known."""
    fires: bool = False


def between(site: Site, since: float, until: float) -> tuple[Episode, ...]:
    """Those of which some part lies in a span, by when they began. Raises StoreError."""
    history = keys.ALERT_HISTORY.at()
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.zrevrangebyscore(history, f"({_ms(until)}", _ms(since), start=0, num=MOST_LINES)
        pipeline.zrangebyscore(history, _ms(until), "+inf", start=0, num=MOST_LINES)
        pipeline.hgetall(keys.ALERTS.at())
        within, later, records = pipeline.execute()
    began = {(line.id, _ms(line.at)): line for line in _lines(within) if line.what == "fired"}
    found = list[Episode]()
    for line in _lines([*within, *later]):
        if line.what in ENDS and line.since is not None and line.since < until:
            fired = began.pop((line.id, _ms(line.since)), None)
            found.append(Episode(line.id, line.title, line.since, line.at, fired.value if fired else ""))
    for id, text in records.items():
        if (at := _fires_since(text)) is not None and at < until:
            fired = began.pop((id, _ms(at)), None)
            title = fired.title if fired else id
            found.append(Episode(id, title, at, None, fired.value if fired else "", fires=True))
    found += [Episode(line.id, line.title, line.at, None, line.value) for line in began.values()]
    return tuple(sorted(found, key=lambda one: one.since))


def _fires_since(text: str) -> float | None:
    try:
        record = alert_model.decode_record(text)
    except msgspec.DecodeError:
        return None
    return record.fired_at if record.state == "firing" else None


def _lines(texts: Iterable[str]) -> list[Line]:
    """What can't be read is passed over."""
    lines = list[Line]()
    for text in texts:
        try:
            lines.append(alert_model.decode_line(text))
        except msgspec.DecodeError:
            continue
    return lines


def _ms(at: float) -> int:
    return round(at * 1000)
