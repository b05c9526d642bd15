"""Follows one RQ: tracking tells which keys changed, and only these are read; now and then counts are compared, in case it missed any."""

from __future__ import annotations

import itertools
import time
from collections import deque

from core.config import Broker
from core.config.alerts import queues_named
from core.site import Site
from services.brokers import rq_compare, rq_keys, rq_queues, rq_schedules
from services.brokers.connections import asking, redis_of
from services.brokers.following import Follower
from services.brokers.masking import Mask
from services.brokers.model import QueueNow, Snapshot, State
from services.brokers.rq_changes import Changed, sorted_out
from services.brokers.rq_compare import Compared
from services.brokers.rq_damage import Damage
from services.brokers.rq_drift import Drift
from services.brokers.rq_intake import Intake
from services.brokers.rq_jobs import Reader
from services.brokers.rq_schedules import Schedules
from services.brokers.rq_workers import Workers
from services.brokers.tracking import Tracking

BUDGET_S = 1.0
"""After so long a tick ends, and the next goes on where it stopped."""
LISTENS_S = 1.0
"""How long the first tick waits for tracking to begin: what it reads after that it need not read again."""
UNTOLD_S = 5.0
"""How often all is compared at most where changes are not told."""
UNTOLD_SHARE = 20
"""And so many times as long as the comparison took it rests after it."""
MOST_QUEUES = 200
"""Queues that are counted and shown: the declared ones, those that rules name, and others in the order of their names. Jobs are followed in
all."""
COUNTED = 100
"""Queues a round trip."""


class RqFollower(Follower):
    least_s = 0.1

    def __init__(self, site: Site, broker: Broker) -> None:
        super().__init__(site, broker)
        self._redis = redis_of(broker.address)
        mask = Mask(broker.masking, site.settings, site.config.logs)
        self._damage = Damage()
        reader = Reader(self._redis, mask, self._damage)
        self._workers = Workers(self._redis, reader.functions, self._damage)
        self._schedules = Schedules(self._redis, mask, self._damage)
        self._intake = Intake(self._redis, site, broker.agent, reader, self._schedules)
        self._compared = Compared(self._redis, self._damage, site, broker.agent, self._intake.take)
        self._drift = Drift()
        self._names: tuple[str, ...] = ()
        self._left_out = 0
        """Queues besides these."""
        self._turn: deque[str] = deque()
        """Queues whose counts are looked at without their having changed, one a tick."""
        self._counted: dict[str, rq_queues.Counted] = {}
        self._looked_at: list[str] = []
        """The queues that this tick counted."""
        self._is_suspended = False
        self._comparing: rq_compare.Steps | None = None
        self._began: float | None = None
        """When all was begun to be compared last, as of `time.monotonic`; None: never."""
        self._took_s = 0.0
        self._is_cut_short = False
        self._is_new = True
        """Until all that was there when it began to listen is taken."""
        self._tracking = Tracking(broker.address, rq_keys.TRACKED, broker.agent, self.woken)

    def tick(self) -> Snapshot:
        if self._began is None:
            self._await_tracking()
        now_ms = self._now_ms()
        told = self._tracking.take()
        until = time.monotonic() + BUDGET_S
        changed = sorted_out(told.keys)
        is_all = told.lost or self._is_cut_short or self._is_due_untold()
        is_told = self._tracking.why is None
        changed.jobs |= self._schedules.kept.look(changed, now_ms, is_all=is_all, is_told=is_told)
        self._intake.note(changed)
        self._is_new |= told.lost
        if is_all:
            self._look_at_all(now_ms)
        else:
            self._look(changed, now_ms)
        self._take_in(changed, until, now_ms)
        self._is_new &= self._intake.is_behind or self._comparing is not None
        if self._intake.has_more or self._workers.has_more or self._comparing is not None:
            self.woken.set()
        return self._snapshot(now_ms)

    def _take_in(self, changed: Changed, until: float, now_ms: int) -> None:
        """All that needs Headway's own store: what that cuts short is compared once it is back."""
        self._is_cut_short = True
        self._intake.go_on(until)
        self._compare(until)
        self._count(changed.queues, now_ms)
        self._note_differences()
        self._is_cut_short = False

    def close(self) -> None:
        self._tracking.close()
        self._redis.close()

    def _await_tracking(self) -> None:
        until = time.monotonic() + LISTENS_S
        at_first = self._tracking.why
        while self._tracking.why == at_first is not None and time.monotonic() < until:
            time.sleep(0.005)

    def _now_ms(self) -> int:
        with asking():
            seconds, microseconds = self._redis.time()
        return seconds * 1000 + microseconds // 1000

    def _is_due_untold(self) -> bool:
        if self._tracking.why is None or self._comparing is not None:
            return False
        return self._began is None or time.monotonic() - self._began > max(UNTOLD_S, UNTOLD_SHARE * self._took_s)

    def _look_at_all(self, now_ms: int) -> None:
        self._look(Changed(names=True, cron=True, suspended=True), now_ms)
        self._workers.look(now_ms)
        self._drift.forget()
        self._began, self._took_s = time.monotonic(), 0.0
        self._count(set(self._names), now_ms)
        theirs = {queue: self._theirs(queue) for queue in self._names}
        self._comparing = rq_compare.everything(self._compared, theirs)

    def _look(self, changed: Changed, now_ms: int) -> None:
        if changed.names:
            found = rq_queues.names(self._redis, self._damage)
            known = self._names if rq_keys.QUEUES in self._damage else ()
            ruled = queues_named((rule.when for rule in self.site.config.alerts), self.broker.agent)
            there = sorted({*found, *known}, key=lambda name: (name not in ruled, name))
            names = list(dict.fromkeys([*self.broker.queues, *there]))
            self._names = tuple(sorted(names[:MOST_QUEUES]))
            self._left_out = len(names) - len(self._names)
            self._damage.keep_queues(self._names)
            self._turn = deque(self._names)
            self._counted = {name: counted for name, counted in self._counted.items() if name in self._names}
            changed.queues |= set(self._names) - set(self._counted)
        if changed.suspended:
            with asking():
                self._is_suspended = bool(self._redis.exists(rq_keys.SUSPENDED))
        if changed.cron:
            self._schedules.look()
        if changed.workers or self._workers.has_more:
            self._workers.look(now_ms, changed.workers)

    def _compare(self, until: float) -> None:
        began = time.monotonic()
        while self._comparing is not None and time.monotonic() < until:
            if next(self._comparing, None) is None:
                self._comparing = None
        self._took_s += time.monotonic() - began

    def _count(self, queues: set[str], now_ms: int) -> None:
        """Count those that changed and one other."""
        self._looked_at = [queue for queue in self._names if queue in queues]
        self._turn.rotate(-1)
        if self._turn and self._turn[0] not in queues:
            self._looked_at.append(self._turn[0])
        for at in range(0, len(self._looked_at), COUNTED):
            part = self._looked_at[at : at + COUNTED]
            self._counted |= rq_queues.count(self._redis, part, now_ms // 1000, self._damage)

    def _note_differences(self) -> None:
        """Have compared what differs of the queues that were counted just now."""
        if self._comparing is not None or self._intake.has_more:
            return
        ours = rq_compare.counts(self.site, self.broker.agent, self._looked_at[:COUNTED])
        now = time.monotonic()
        wanted = [
            (queue, state)
            for queue in ours
            for state in self._drift.found(queue, self._theirs(queue), ours[queue], now)
        ]
        if wanted:
            self._comparing = itertools.chain.from_iterable(
                rq_compare.of_state(self._compared, queue, state) for queue, state in wanted
            )

    def _theirs(self, queue: str) -> dict[State, int]:
        counts, between = self._counted[queue].counts, self._counted[queue].between
        return counts | {"queued": counts["queued"] + between} if "queued" in counts else counts

    def _snapshot(self, now_ms: int) -> Snapshot:
        return Snapshot(
            broker=self.broker.agent,
            engine="rq",
            at_ms=int(self.site.clock() * 1000),
            queues=tuple(self._queue(name) for name in self._names if name in self._counted),
            workers=self._workers.all(),
            schedules=self._schedules.all(now_ms),
            notes=(*self._notes(), *self._schedules.kept.notes(now_ms)),
            is_new=self._is_new,
        )

    def _queue(self, name: str) -> QueueNow:
        counted = self._counted[name]
        return QueueNow(
            name=name,
            counts=counted.counts,
            paused=self._is_suspended,
            oldest_ms=counted.oldest_ms,
            workers=self._workers.listening(name),
        )

    def _notes(self) -> list[str]:
        notes = list[str]()
        if not self._names and not self._workers.all() and not self._schedules.kept.has_jobs:
            notes.append("This Redis knows no queue and no worker of RQ yet: is it the right one, and its database?")
        if (why := self._tracking.why) is not None:
            every_s = max(UNTOLD_S, UNTOLD_SHARE * self._took_s)
            notes.append(f"Changes are not told, because {why}. So all is compared every {every_s:.0f} s, and what comes and goes"
                         " between is missed.")  # fmt: skip
        if self._is_new:
            notes.append("What was there before is still being read: until then figures of jobs are too low.")
        elif self._intake.is_behind:
            notes.append("More changes than can be read at once: jobs show late.")
        if self._left_out:
            more = "1 more queue is" if self._left_out == 1 else f"{self._left_out:,} more queues are"
            notes.append(f"{more} not shown: {MOST_QUEUES} are, first those that headway.toml names")
        notes += self._damage.notes()
        scheduled = {name: counted.counts.get("scheduled", 0) for name, counted in self._counted.items()}
        return [*notes, *rq_schedules.without_scheduler(self._redis, scheduled)]
