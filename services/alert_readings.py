"""What each kind of rule watches, read now: one function a kind. Every figure is a kept counter or the size of an index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.config import alerts
from core.config.alerts import When
from core.site import Site
from services import (
    alert_limits,
    alert_queues,
    alert_work,
    ended_jobs_service,
    history_service,
    jobs_service,
    targets_service,
    tiles_service,
    waiting_jobs,
)
from services.alert_life import Reading
from services.alert_queues import Queues, Watched
from services.alert_watch import Watch
from services.alert_words import span
from services.alert_work import Work
from services.brokers import standings
from services.ended_jobs_service import Ended
from services.targets_service import TargetView
from services.tile_model import Tile

MOST_SILENT = 1_000
"""Silent jobs that are looked at, the longest silent first."""
HEARD_TO_S = 10.0
"""How much later than noted a job may have been heard of."""
UNCOUNTED = "more agents or queues ended jobs at once than are counted by name"


@dataclass(frozen=True)
class Sources:
    """Where readings of one moment come from; what several rules read is read once. Raises StoreError."""

    site: Site
    now: float
    watch: Watch

    @cached_property
    def tiles(self) -> Mapping[str, Tile]:
        return {tile.id: tile for tile in tiles_service.tiles(self.site, points=0)}

    @cached_property
    def targets(self) -> Mapping[str, TargetView]:
        return {target.name: target for target in targets_service.targets(self.site)}

    @cached_property
    def queues(self) -> Queues:
        return Queues(self.site)

    def ended(self, since: float, when: When) -> Ended:
        """What ended of what a rule is about."""
        agent, queue = alert_queues.whose(when)
        queues = [f"{agent}/{queue}"] if agent and queue else self.keys(when) if queue else None
        return ended_jobs_service.ended(self.site, since, self.now, agent, queues)

    def keys(self, when: When) -> list[str]:
        return [queue.key for queue in self.queues.watched(when)]


def read(when: When, sources: Sources) -> Reading:
    """The present figure of what a rule watches, in the unit of its limit. Raises StoreError."""
    if away := sources.queues.away(when):
        return Reading(unknown=away)
    reading = READERS[type(when)](when, sources)
    missing, limit = sources.queues.missing(when), alert_limits.of(when)
    if missing is None or limit.above is None:
        return reading
    return _worst((reading, Reading(unknown=missing)), limit.above)


def _tile(when: alerts.OnTile, sources: Sources) -> Reading:
    tile = sources.tiles.get(when.tile)
    if tile is None:
        return Reading(unknown=f"there is no tile {when.tile}")
    if tile.unavailable is not None:
        return Reading(unknown=f"the tile is unavailable: {tile.unavailable}")
    if tile.value is None:
        return Reading(unknown="the tile has no value yet")
    return Reading(float(tile.value))


def _tile_unavailable(when: alerts.OnTileUnavailable, sources: Sources) -> Reading:
    tile = sources.tiles.get(when.tile)
    if tile is None:
        return Reading(unknown=f"there is no tile {when.tile}")
    return Reading(0.0 if tile.unavailable is None else 1.0)


def _failed_jobs(when: alerts.OnFailedJobs, sources: Sources) -> Reading:
    ended = sources.ended(sources.now - when.within, when)
    if ended.uncounted and ended.failed <= when.above:
        return Reading(unknown=UNCOUNTED)
    return Reading(float(ended.failed))


def _failure_rate(when: alerts.OnFailureRate, sources: Sources) -> Reading:
    ended = sources.ended(sources.now - when.within, when)
    if ended.uncounted:
        return Reading(unknown=UNCOUNTED)
    if ended.total < when.at_least:
        return Reading(None)
    return Reading(round(100 * ended.failed / ended.total, 2))


def _queue_depth(when: alerts.OnQueueDepth, sources: Sources) -> Reading:
    if when.queue or when.agent in sources.queues.brokers:
        return Reading(float(sum(queue.depth for queue in sources.queues.watched(when))))
    if when.agent:
        return Reading(float(jobs_service.counts(sources.site, when.agent)["queued"]))
    return Reading(float(waiting_jobs.depth(sources.site)))


def _queue_age(when: alerts.OnQueueAge, sources: Sources) -> Reading:
    if when.queue:
        return Reading(_longest_wait_s(sources, sources.queues.watched(when)))
    return Reading(waiting_jobs.longest_wait_s(sources.site, when.agent) or 0.0)


def _longest_wait_s(sources: Sources, queues: Collection[Watched]) -> float:
    return max((waits_s for _, waits_s in sources.queues.waits_s(queues, sources.now)), default=0.0)


def _no_worker(when: alerts.OnNoWorker, sources: Sources) -> Reading:
    """Where a broker knows who listens, that counts; elsewhere whether anybody is at work, or was: of such queues, and of jobs that are
    reported by themselves."""
    is_of_all = not (when.agent or when.queue)
    watched = sources.queues.of_brokers() if is_of_all else sources.queues.watched(when)
    taken = [queue for queue in watched if not (queue.engine and queue.engine.paused)]
    heard = [queue for queue in taken if queue.engine is not None and queue.engine.workers is not None]
    unheard = [queue for queue in taken if queue.engine is None or queue.engine.workers is None]
    alone = [queue for queue in heard if queue.engine and not queue.engine.workers]
    readings = [Reading(_longest_wait_s(sources, alone))]
    if unheard:
        readings.append(_no_work(when, sources, alert_work.of_queues(sources.queues, unheard, sources.now)))
    if is_of_all:
        readings.append(_no_work(when, sources, alert_work.reported(sources.queues, sources.now)))
    elif not when.queue and when.agent and when.agent not in sources.queues.brokers:
        readings.append(_no_work(when, sources, alert_work.of_agent(sources.site, when.agent, sources.now)))
    return _worst(readings, when.within)


def _worst(readings: Collection[Reading], above: float) -> Reading:
    """Of several parts, all of which have to be fine: what is not known of one counts, where no other is too much by itself."""
    value = max((reading.value or 0.0 for reading in readings if reading.unknown is None), default=0.0)
    unknown = next((reading for reading in readings if reading.unknown is not None), None)
    return Reading(value) if unknown is None or value > above else unknown


def _no_work(when: alerts.OnNoWorker, sources: Sources, work: Work) -> Reading:
    if work.is_going_on:
        return Reading(0.0)
    if work.wait_s <= when.within:
        return Reading(work.wait_s)
    since = sources.watch.since(when.within)
    if since is None:
        return _not_watched(when.within)
    ended = work.ended(since)
    if ended.uncounted and not ended.total:
        return Reading(unknown=UNCOUNTED)
    return Reading(0.0 if ended.total or work.wait_s <= sources.now - since else work.wait_s)


def _no_job(when: alerts.OnNoJob, sources: Sources) -> Reading:
    ended = sources.ended(sources.now - when.within, when)
    if ended.completed:
        return Reading(float(ended.completed))
    since = sources.watch.since(when.within)
    if since is None:
        return _not_watched(when.within)
    longer = sources.ended(since, when)
    if longer.uncounted and not longer.completed:
        return Reading(unknown=UNCOUNTED)
    return Reading(float(longer.completed))


def _stalled_jobs(when: alerts.OnStalledJobs, sources: Sources) -> Reading:
    silent = stalled(sources.site, sources.now - when.after, when.agent)
    if silent <= when.above:
        return Reading(float(silent))
    since = sources.watch.since(when.after)
    if since is None:
        return _not_watched(when.after)
    return Reading(float(stalled(sources.site, since, when.agent)))


def _target_down(when: alerts.OnTargetDown, sources: Sources) -> Reading:
    target = sources.targets.get(when.target)
    if target is None:
        return Reading(unknown=f"there is no target {when.target}")
    if target.up is None:
        return Reading(unknown="the target was not asked yet, or not for long")
    return Reading(0.0 if target.up else 1.0)


def _broker_unavailable(when: alerts.OnBrokerUnavailable, sources: Sources) -> Reading:
    broker = sources.queues.brokers.get(when.broker)
    if broker is None:
        return Reading(unknown=f"there is no broker {when.broker}")
    if broker.state.why is not None and broker.state.why == standings.NOT_YET:
        return Reading(unknown=broker.state.why)
    return Reading(0.0 if broker.state.why is None else 1.0)


def _store_latency(when: alerts.OnStoreLatency, sources: Sources) -> Reading:
    kept = history_service.samples(sources.site)
    return Reading(history_service.latency_ms(sources.site, kept, sources.now) / 1000)


def stalled(site: Site, since: float, agent: str | None) -> int:
    """Jobs at work, MOST_SILENT at most, that have told nothing since then. Raises StoreError."""
    call: dict[str, Any] = {"before": int((since - HEARD_TO_S) * 1000), "most": MOST_SILENT}
    if agent is not None:
        call["agent"] = agent
    partitions = range(site.store.partitions) if agent is None else (site.store.partition_of(agent),)
    return sum(int(site.store.scripts.run("stalled", partition, call)) for partition in partitions)


def _not_watched(span_s: float) -> Reading:
    return Reading(unknown=f"Headway has not watched for {span(span_s)} yet: it or its store was away, or is new")


READERS: Mapping[type[When], Callable[[Any, Sources], Reading]] = {
    alerts.OnTile: _tile,
    alerts.OnTileUnavailable: _tile_unavailable,
    alerts.OnFailedJobs: _failed_jobs,
    alerts.OnFailureRate: _failure_rate,
    alerts.OnQueueDepth: _queue_depth,
    alerts.OnQueueAge: _queue_age,
    alerts.OnNoWorker: _no_worker,
    alerts.OnNoJob: _no_job,
    alerts.OnStalledJobs: _stalled_jobs,
    alerts.OnTargetDown: _target_down,
    alerts.OnBrokerUnavailable: _broker_unavailable,
    alerts.OnStoreLatency: _store_latency,
}
