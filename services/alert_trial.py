"""A rule tried against kept history: when it would have fired, and for how long, had it been declared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from core import keys
from core.config import Alert
from core.config import alerts as kinds
from core.config.alerts import When
from core.site import Site
from services import (
    alert_life,
    alert_limits,
    alert_queues,
    alert_watch,
    ended_jobs_service,
    history_service,
    job_series_service,
    queue_depths,
    tiles_service,
)
from services.alert_life import Reading
from services.alert_limits import Limit
from services.alert_words import span
from services.ended_jobs_service import HOUR_S, MINUTE_S, Ended
from services.tile_model import HISTORY_MINUTES

BY_MINUTE_S = 6 * HOUR_S
"""Spans that are not longer are tried by the minute, others by the hour."""
HOURS = 7 * 24
MOST_POINTS = 288

Look = tuple[float, float | None]
"""A moment in seconds since the epoch, and the figure then; None where it is one that is fine, such as a rate of nothing."""


class NotKept(Exception):
    """Nothing is kept to try a rule against; its words say what is missing."""


@dataclass(frozen=True)
class Past:
    """What is kept, oldest first; `says` is where it is from, and `step_s` how far two looks are apart."""

    looks: Sequence[Look]
    step_s: float
    says: str


@dataclass(frozen=True)
class Episode:
    """From when to when it would have fired; `until` is None where it would fire now."""

    at: float
    until: float | None


@dataclass(frozen=True)
class Trial:
    """`untried` says why nothing was to be had; then there are neither points nor episodes. `points` are the history thinned, of each
    step the worst figure."""

    rule: Alert
    limit: Limit
    says: str = ""
    since: float | None = None
    until: float | None = None
    points: tuple[Look, ...] = ()
    episodes: tuple[Episode, ...] = ()
    untried: str | None = None

    @property
    def seconds(self) -> float:
        """For how long it would have fired in all."""
        return sum((one.until or self.until or one.at) - one.at for one in self.episodes)


def try_rule(site: Site, rule: Alert) -> Trial:
    """Raises StoreError."""
    limit = alert_limits.of(rule.when)
    kept = PAST.get(type(rule.when))
    try:
        if kept is None:
            raise NotKept(UNKEPT[type(rule.when)])
        past = kept(rule.when, site, site.clock())
        if len(past.looks) < 2:
            raise NotKept("so far there is no history of it: come back in a few minutes")
    except NotKept as reason:
        return Trial(rule, limit, untried=str(reason))
    return Trial(
        rule,
        limit,
        past.says,
        past.looks[0][0],
        past.looks[-1][0],
        tuple(_thinned(past.looks, limit)),
        tuple(_episodes(rule, past)),
    )


def _episodes(rule: Alert, past: Past) -> Iterable[Episode]:
    """By the very function that checks rules, look by look."""
    record, began = alert_life.begin(past.looks[0][0]), None
    for at, value in past.looks:
        step = alert_life.advance(rule, record, Reading(value), at, away_s=max(alert_life.AWAY_S, 2 * past.step_s))
        record = step.record
        if "fired" in step.happened:
            began = at
        elif "over" in step.happened and began is not None:
            yield Episode(began, at)
            began = None
    if began is not None:
        yield Episode(began, None)


def _thinned(looks: Sequence[Look], limit: Limit) -> Iterable[Look]:
    each = ceil(len(looks) / MOST_POINTS)
    worst = max if limit.above is not None else min
    for start in range(0, len(looks), each):
        part = looks[start : start + each]
        known = [value for _, value in part if value is not None]
        yield part[0][0], worst(known) if known else None


def _tile(when: kinds.OnTile, site: Site, now: float) -> Past:
    found = tiles_service.tile(site, when.tile)
    if found is None:
        raise NotKept(f"there is no tile {when.tile}")
    # A point stands for its minute, and a value until there is another.
    values = {int(at) // MINUTE_S: float(value) for at, value in found.points}
    if not values:
        raise NotKept("the tile has had no value in the last 24 h")
    looks, last = list[Look](), None
    for minute in range(max(min(values), int(now // MINUTE_S) - HISTORY_MINUTES), int(now // MINUTE_S) + 1):
        last = values.get(minute, last)
        if last is not None:
            looks.append((float(minute * MINUTE_S), last))
    return Past(looks, MINUTE_S, "the tile's last value of each minute")


def _failed_jobs(when: kinds.OnFailedJobs, site: Site, now: float) -> Past:
    return _ended(when, site, now, lambda ended: float(ended.failed))


def _failure_rate(when: kinds.OnFailureRate, site: Site, now: float) -> Past:
    def rate(ended: Ended) -> float | None:
        return round(100 * ended.failed / ended.total, 2) if ended.total >= when.at_least else None

    return _ended(when, site, now, rate)


def _no_job(when: kinds.OnNoJob, site: Site, now: float) -> Past:
    past = _ended(when, site, now, lambda ended: float(ended.completed))
    # What was before Headway began to watch is not known.
    began = alert_watch.read(site.store.redis.get(keys.ALERT_WATCH.at()), now).began + when.within
    looks = [look for look in past.looks if look[0] >= began]
    if not looks:
        raise NotKept(f"Headway has not watched alerts for {span(when.within)} yet")
    return Past(looks, past.step_s, past.says)


def _ended(
    when: kinds.OnFailedJobs | kinds.OnFailureRate | kinds.OnNoJob,
    site: Site,
    now: float,
    figure: Callable[[Ended], float | None],
) -> Past:
    """A figure of what ended within a span, at each minute of a day or each hour of a week."""
    within_s, queues = float(when.within), alert_queues.names(site, when)
    by_minute = within_s <= BY_MINUTE_S
    unit_s, many = (MINUTE_S, HISTORY_MINUTES) if by_minute else (HOUR_S, HOURS)
    last, read = int(now // unit_s), ended_jobs_service.by_minute if by_minute else ended_jobs_service.by_hour
    counted = read(site, last - many + 1, last, when.agent, queues)
    width = ceil(within_s / unit_s) + 1  # as when rules are checked: from the minute on in which the span begins
    looks, inside = list[Look](), Ended()
    for at, (unit, ended) in enumerate(counted):
        inside = inside + ended
        if at >= width:
            inside = inside - counted[at - width][1]
        if at >= width - 1:
            looks.append((float(min((unit + 1) * unit_s, now)), figure(inside)))
    if any(ended.uncounted for _, ended in counted):
        raise NotKept("more agents or queues ended jobs at once than are counted by name")
    return Past(looks, unit_s, f"the jobs that ended, by the {'minute' if by_minute else 'hour'}")


def _queue_depth(when: kinds.OnQueueDepth, site: Site, now: float) -> Past:
    if when.queue is not None:
        return _depth_of_queues(site, now, alert_queues.names(site, when) or [])
    if when.agent is not None:
        raise NotKept("how many jobs of one agent waited is not kept; of all agents together it is")
    last = int(now // MINUTE_S)
    depths = job_series_service.depths(site, last - HISTORY_MINUTES + 1, last)
    looks = [(float(minute * MINUTE_S), depth) for minute, depth in depths if depth is not None]
    return Past(looks, MINUTE_S, "how many jobs waited on average in each minute")


def _depth_of_queues(site: Site, now: float, queues: Sequence[str]) -> Past:
    by_queue = queue_depths.lately(site, queues).values()
    minutes = [[depth for depth in depths if depth is not None] for depths in zip(*by_queue, strict=True)]
    first = int(now // MINUTE_S) - len(minutes) + 1
    looks = [(float((first + place) * MINUTE_S), float(sum(depths))) for place, depths in enumerate(minutes) if depths]
    return Past(looks, MINUTE_S, "the most jobs that waited in each minute of the last hour")


def _store_latency(when: kinds.OnStoreLatency, site: Site, now: float) -> Past:
    samples = history_service.samples(site)
    looks = [(sample.at, sample.latency_ms / 1000) for sample in samples if sample.at <= now]
    return Past(looks, history_service.EVERY_S, "a measurement every 5 s, kept for ten minutes")


PAST: Mapping[type[When], Callable[[Any, Site, float], Past]] = {
    kinds.OnTile: _tile,
    kinds.OnFailedJobs: _failed_jobs,
    kinds.OnFailureRate: _failure_rate,
    kinds.OnNoJob: _no_job,
    kinds.OnQueueDepth: _queue_depth,
    kinds.OnStoreLatency: _store_latency,
}
UNKEPT: Mapping[type[When], str] = {
    kinds.OnTileUnavailable: "when a tile was unavailable is not kept",
    kinds.OnQueueAge: "how long jobs waited is not kept",
    kinds.OnNoWorker: "when nobody was at work is not kept",
    kinds.OnStalledJobs: "how long jobs were silent is not kept",
    kinds.OnBrokerUnavailable: "when a broker was unavailable is not kept",
    kinds.OnTargetDown: "when a target was down is not kept",
}
