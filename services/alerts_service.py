"""Alerts: the rules that headway.toml declares are checked here, and how they stand is read here again.

How an alert goes on is `alert_life`; what became of it is written by the script `alert`, only where nobody else wrote it
meanwhile, together with its notification: so each change is told once, however many check. What the store raises passes through.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError

from core import keys
from core.config import Alert
from core.site import Site
from core.store import StoreError, explain
from services import alert_life, alert_model, alert_readings, alert_watch, alert_words
from services.alert_events import Shown, What
from services.alert_life import Reading
from services.alert_model import Happening, Line, Record, Standing
from services.alert_readings import Sources
from services.alert_watch import Watch

log = logging.getLogger("headway.alerts")

EVERY_S = 5
WRITE_S = 15.0
"""So long what did not change is not written."""
TRIES = 5
LINES = 50
"""Lines of history that are read at once, unless more are asked for."""


class NoSuchAlert(Exception):
    """No rule that is declared has this id."""


@dataclass(frozen=True)
class _Kept:
    """What the store holds: of each alert the record, and its text as it was read."""

    records: dict[str, Record]
    texts: dict[str, str]
    watch: Watch


def check(site: Site) -> None:
    """Look at every rule once; a duty. Raises StoreError."""
    now = site.clock()
    kept = _read(site, now)
    watch = kept.watch.looked(now)
    sources = Sources(site, now, watch)
    changes = [change for rule in site.config.alerts if (change := _checked(rule, kept, sources))]
    changes += _removed(site, kept, now)
    begins = kept.watch == watch
    if changes or begins or watch.checked - kept.watch.checked >= WRITE_S:
        _write(
            site, changes, w=alert_watch.encode(watch).decode(), before=int((now - site.config.retention.alerts) * 1000)
        )


def alerts(site: Site) -> tuple[Standing, ...]:
    """How each rule stands, in the order of headway.toml. Raises StoreError."""
    records = _read(site, site.clock()).records if site.config.alerts else {}
    return tuple(Standing(rule, records.get(rule.id)) for rule in site.config.alerts)


def firing(site: Site) -> tuple[Standing, ...]:
    """Those that fire and are not muted; asks nobody where no rule is declared. Raises StoreError."""
    now = site.clock()
    return tuple(one for one in alerts(site) if one.shown == "firing" and one.muted_until(now) is None)


def history(site: Site, limit: int = LINES) -> tuple[Line, ...]:
    """What fired when, newest first; what can't be read is passed over. Raises StoreError."""
    lines = list[Line]()
    found: Any = site.store.redis.zrevrange(keys.ALERT_HISTORY.at(), 0, limit - 1)
    for text in found:
        try:
            lines.append(alert_model.decode_line(text))
        except msgspec.DecodeError:
            continue
    return tuple(lines)


def mute(site: Site, id: str, until: float | None) -> Standing:
    """Tell nothing of an alert until then; None ends that. Raises NoSuchAlert, StoreError."""
    rule = next((rule for rule in site.config.alerts if rule.id == id), None)
    if rule is None:
        raise NoSuchAlert(id)
    for _ in range(TRIES):
        now = site.clock()
        kept = _read(site, now)
        before = kept.records.get(id)
        record = msgspec.structs.replace(before or alert_life.begin(now), muted_until=until)
        standing = Standing(rule, record)
        (taken,) = _write(site, [_change(kept, id, record, "muted" if until else "unmuted", standing.shown)])
        if taken:
            return standing
    raise StoreTimeoutError("others changed the alert all the time")


def _checked(rule: Alert, kept: _Kept, sources: Sources) -> dict[str, Any] | None:
    """What is to be written of a rule after a look at it."""
    site, now = sources.site, sources.now
    before = kept.records.get(rule.id) or alert_life.begin(now)
    step = alert_life.advance(rule, before, _reading(rule, sources), now)
    known, record = rule.id in kept.records, step.record
    what = _what(before, record, step.happened) if known else "first"
    if what is None and known and _is_same(before, record):
        return None
    change = _change(kept, rule.id, record, what, Standing(rule, record).shown)
    if step.happened:
        change["h"] = [_line(rule, each, before, record, site) for each in step.happened]
    if step.tell:
        change["n"] = _notification(rule, step.tell, before, record, site)
    return change


def _reading(rule: Alert, sources: Sources) -> Reading:
    try:
        return alert_readings.read(rule.when, sources)
    except (StoreConnectionError, StoreTimeoutError):
        raise  # the store is away: nobody knows anything
    except StoreError as error:
        return Reading(unknown=explain(error))
    except Exception as error:
        # The border around a rule: whatever is wrong with it, the others are checked.
        log.exception("The alert %s can't be checked", rule.id)
        return Reading(unknown=f"it can't be checked ({type(error).__name__}): see the log")


def _what(before: Record, record: Record, happened: tuple[Happening, ...]) -> What | None:
    """What changed so that who looks at it should look again."""
    if "flapping" in happened or "steady" in happened:
        return "flapping" if record.flaps else "steady"
    if before.muted_until != record.muted_until:
        return "unmuted"
    if (before.state, before.unknown) != (record.state, record.unknown):
        return "moved"
    return None


def _is_same(before: Record, record: Record) -> bool:
    return (
        record.checked_at - before.checked_at < WRITE_S
        and msgspec.structs.replace(record, checked_at=before.checked_at) == before
    )


def _removed(site: Site, kept: _Kept, now: float) -> list[dict[str, Any]]:
    """Of alerts whose rule is no longer declared nothing stays but a line of history, and nobody is told."""
    declared = {rule.id for rule in site.config.alerts}
    changes = list[dict[str, Any]]()
    for id, text in kept.texts.items():
        if id in declared:
            continue
        change: dict[str, Any] = {"i": id, "b": text, "k": ["moved", "gone"]}
        record = kept.records.get(id)
        if record is not None and record.state == "firing":
            change["h"] = [_dated(Line(id, id, "info", "removed", now, since=record.fired_at))]
        changes.append(change)
    return changes


def _line(rule: Alert, what: Happening, before: Record, record: Record, site: Site) -> tuple[int, str]:
    since = before.fired_at if what == "over" else record.since if what == "fired" else None
    return _dated(
        Line(
            rule.id,
            alert_words.title(rule, site.config),
            rule.severity,
            what,
            record.checked_at,
            alert_words.value(rule.when, record.value, site.config),
            since,
            record.muted_until is not None,
        )
    )


def _notification(rule: Alert, what: Happening, before: Record, record: Record, site: Site) -> dict[str, Any]:
    """As `add_notification` takes it. That it is over is told on the level on which it fired: who heard of that hears of this."""
    told = {
        "title": alert_words.headline(what, rule, site.config),
        "body": alert_words.body(what, rule, record, before, site.config),
        "level": rule.severity,
        "source": f"alert:{rule.id}",
        "link": _place(rule),
        "channel": rule.channel,
    }
    return {name: value for name, value in told.items() if value is not None}


def link(rule: Alert, site: Site) -> str:
    """The address where to look when it fires: its own link, else its place on the page of alerts."""
    place = _place(rule)
    return f"{site.settings.address}{place}" if place.startswith("/") else place


def _place(rule: Alert) -> str:
    return rule.link or f"/dashboard/alerts#alert-{rule.id}"


def _change(kept: _Kept, id: str, record: Record, what: What | None, shown: Shown) -> dict[str, Any]:
    change: dict[str, Any] = {"i": id, "r": alert_model.encode(record).decode()}
    if id in kept.texts:
        change["b"] = kept.texts[id]
    if what:
        change["k"] = [what, shown]
    return change


def _read(site: Site, now: float) -> _Kept:
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hgetall(keys.ALERTS.at())
        pipeline.get(keys.ALERT_WATCH.at())
        texts, watch = pipeline.execute()
    records = dict[str, Record]()
    for id, text in texts.items():
        try:
            records[id] = alert_model.decode_record(text)
        except msgspec.DecodeError:
            continue  # it begins anew
    return _Kept(records, texts, alert_watch.read(watch, now))


def _write(site: Site, changes: Iterable[dict[str, Any]], **besides: Any) -> list[int]:
    answer: Any = site.store.scripts.run("alert", 0, {"changes": list(changes), **besides})
    return [int(one) for one in answer]


def _dated(line: Line) -> tuple[int, str]:
    return int(line.at * 1000), alert_model.encode(line).decode()


__all__ = ["EVERY_S", "NoSuchAlert", "Standing", "alerts", "check", "firing", "history", "link", "mute"]
