"""Follows one Celery: events as they come, lists and results by what changed in their Redis, workers by what they say."""

from __future__ import annotations

import time
from typing import Any

from core.config import Broker
from core.site import Site
from services.brokers import celery_app, celery_event_words, celery_workers, mirror, paused_queues, standings
from services.brokers.celery_events import Events
from services.brokers.celery_gaps import Gaps
from services.brokers.celery_inspection import Inspection, Told
from services.brokers.celery_presence import Presences
from services.brokers.celery_rabbitmq import RabbitSide
from services.brokers.celery_reconciling import look_at_work, miss_events, take_active
from services.brokers.celery_redbeat import RedBeat, merged
from services.brokers.celery_redis import RedisSide
from services.brokers.celery_schedules import Runs, schedules
from services.brokers.celery_tasks import Tasks
from services.brokers.following import Follower
from services.brokers.masking import Mask
from services.brokers.model import BrokerError, ScheduleNow, Snapshot

MOST_EVENTS = 4_000
"""Taken in a tick."""
SNAPSHOT_S = 1.0
EVENTS_OFF = "task events are off: start workers with -E, or press enable events"


class CeleryFollower(Follower):
    def __init__(self, site: Site, broker: Broker) -> None:
        super().__init__(site, broker)
        is_redis = celery_app.is_redis(broker.address)
        self._telling = mirror.Telling(site, broker.agent, "celery")
        self._tasks = Tasks(Mask(broker.masking, site.settings, site.config.logs))
        self._presences = Presences()
        self._gaps = Gaps(standings.last_snapshot(site, broker.agent))
        self._runs = Runs()
        self._side = (RedisSide if is_redis else RabbitSide)(site, broker, self._tasks, self.woken)
        self._redbeat = RedBeat(broker, self._tasks.mask, self.woken) if is_redis else None
        self.events = Events(broker, self.woken)
        self.inspection = Inspection(broker, self._alive)
        self._paused: set[str] = set()
        self._paused_s = 0.0
        """Since when these are paused, or none is."""
        self._snapshot: Snapshot | None = None
        self._shown = 0.0
        self._inspected = 0

    def tick(self) -> Snapshot:
        if self.events.why is not None:
            raise BrokerError(self.events.why)
        now_ms = int(self.site.clock() * 1000)
        known = len(self._presences.by_name)
        self._telling.tell()  # first what Headway's store did not take, so that no more than that waits here
        events = self.events.take(MOST_EVENTS)
        for event in events:
            self._presences.take(event)
            self._runs.take(event)
            celery_event_words.take(self._tasks, event)
            if event.get("type") == "worker-online":
                self._began_anew(event.get("hostname"))
        if len(self._presences.by_name) > known:
            self.inspection.soon()
        if self.inspection.rounds != self._inspected:
            self._inspected = self.inspection.rounds
            told = dict(self.inspection.by_name)
            take_active(self._tasks, told)
            for each in told.values():
                self._side.add(each.queues)
            # Of a worker that stopped taking from one queue what it took before may be told still.
            self._tasks.only_queues = (
                {} if self._paused else celery_workers.only_queues(told, self._presences, self._paused_s)
            )
        self._side.tick(now_ms)
        if self._redbeat is not None:
            self._redbeat.tick(now_ms)
        is_due = self._snapshot is None or time.monotonic() - self._shown >= SNAPSHOT_S
        if is_due and len(events) < MOST_EVENTS:  # or else heartbeats may wait still
            if self.events.since_s is not None:
                miss_events(self._tasks, self._presences, self.events.since_s, time.time())
            look_at_work(self._tasks, self._presences, dict(self.inspection.by_name), self._side.holds, time.time())
        self._telling.add(self._tasks.changed())
        self._telling.tell()
        if self.events.since_s is not None and len(events) < MOST_EVENTS:
            self._gaps.heard(int(self.events.since_s * 1000), now_ms)
        self._side.reconcile()
        if self.events.waiting or self._side.is_behind:
            self.woken.set()
        if is_due or self._snapshot is None:
            self._snapshot, self._shown = self._now(now_ms), time.monotonic()
        return self._snapshot

    def close(self) -> None:
        self.events.close()
        self.inspection.close()
        self._side.close()
        if self._redbeat is not None:
            self._redbeat.close()

    def _now(self, now_ms: int) -> Snapshot:
        self._presences.forget_old(time.time())
        told = dict(self.inspection.by_name)
        found = celery_workers.workers(self._tasks, self._presences, told, self._side.ahead_s)
        living = {worker.name for worker in found if worker.state != "dead"}
        paused = paused_queues.of(self.site, self.broker.agent, celery_workers.asked(found, told), living)
        if paused != self._paused:
            self._paused, self._paused_s, self._tasks.only_queues = paused, time.time(), {}
            self.inspection.soon()
        return Snapshot(
            broker=self.broker.agent,
            engine="celery",
            at_ms=now_ms,
            queues=self._side.now(celery_workers.listening(found), paused),
            workers=found,
            schedules=self._schedules(told, now_ms),
            notes=(*self._notes(), *self._gaps.notes(now_ms)),
            heard_ms=self._gaps.heard_ms,
            missed=self._gaps.missed,
        )

    def _schedules(self, told: dict[str, Told], now_ms: int) -> tuple[ScheduleNow, ...]:
        beats = schedules({name: each.conf for name, each in told.items()}, self._runs, now_ms)
        if self._redbeat is None:
            return beats
        return merged(self._redbeat.schedules(self._runs, now_ms), beats, self._runs)

    def _notes(self) -> tuple[str, ...]:
        notes = [*self._side.notes(), *(self._redbeat.notes() if self._redbeat is not None else ())]
        silent = sorted(name for name, one in self._presences.by_name.items() if one.tells_tasks is False)
        if silent:
            notes.append(f"{EVENTS_OFF} ({', '.join(silent[:5])}{', …' if len(silent) > 5 else ''})")
        if self.events.lost:
            notes.append(f"{self.events.lost} events came faster than they could be taken, and were lost")
        return tuple(notes)

    def _began_anew(self, worker: Any) -> None:
        """A worker was started, perhaps with other queues than before."""
        self._tasks.only_queues = {name: queue for name, queue in self._tasks.only_queues.items() if name != worker}
        self.inspection.soon()

    def _alive(self) -> int:
        now_s = time.time()
        return sum(not one.is_dead(now_s) for one in list(self._presences.by_name.values()))
