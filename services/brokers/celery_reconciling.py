"""Brings what Headway holds together with what Celery has where nobody told of the difference: what happened while nobody followed,
what was purged, what a worker had in hand that died.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

from core import keys
from core.site import Site
from core.store import StoreError
from services.brokers import celery_event_words, mirror
from services.brokers.celery_inspection import Told
from services.brokers.celery_presence import Presences
from services.brokers.celery_queues import Queues
from services.brokers.celery_results import Results
from services.brokers.celery_task import ENDED, Task, Why
from services.brokers.celery_tasks import Tasks
from services.brokers.mirror_texts import name_of
from services.brokers.model import LOST, State

LOOK_S = 5.0
DIFFERS_S = 10.0
"""For so long Headway has to hold more than waits, or less, before everything is read anew, and not more often than once a minute."""
REREAD_S = 60.0
UNSEEN_S = 5.0
WAITING: tuple[State, ...] = ("queued", "scheduled", "reserved", "retrying")
WORKER_LOST = LOST + "{worker} was heard of no more, and had acknowledged it before"
AGAIN = "its worker {worker} was heard of no more: Celery hands it to another after the visibility timeout"
UNSEEN = (
    "it is at work no more, and nobody told how it ended: task events are off, or were missed, and it left no result"
)
UNTOLD = "it is at work no more, and its worker told no end: it raised Ignore, or its event was missed, and it left no result"


class Reconciling:
    """Of one broker whose lists can be read. `tick` is to be called at each tick, and takes its own time."""

    def __init__(self, site: Site, agent: str, tasks: Tasks, queues: Queues, results: Results | None) -> None:
        self._site, self._agent = site, agent
        self._tasks, self._queues, self._results = tasks, queues, results
        self._compare: Iterator[list[str]] | None
        self._asked: list[str]
        self._looked = time.monotonic()
        self._differs_since: float | None = None
        self._reread = -math.inf
        self._missing: dict[str, int] = {}
        """How many of each queue Headway held too few when all was read anew: what can't be held is not read again and again."""
        self._begin()

    def tick(self) -> None:
        """What Headway's own store cut short begins anew when it is back. Raises StoreError."""
        try:
            self._tick()
        except StoreError:
            self._begin()
            raise

    def _tick(self) -> None:
        seen = self._queues.seen
        if seen is not None:
            if not self._queues.is_behind:
                self._go_on(seen)
        elif time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            self._look()

    def _begin(self) -> None:
        self._compare, self._asked = None, []
        self._began_ms = int(self._site.clock() * 1000)
        self._queues.reread()

    def _go_on(self, seen: set[str]) -> None:
        """Those that were asked for had a tick to show a result; then the next part."""
        if self._results is not None and any(self._results.asks(id) for id in self._asked):
            return
        gone = [id for id in self._asked if self._is_missed(id, seen)]
        if gone:
            mirror.gone(self._site, self._agent, gone)
            self._tasks.forget(gone)
        self._compare = self._compare or self._held()
        self._asked = []
        for ids in self._compare:
            self._asked = [id for id in ids if self._is_missed(id, seen)]
            if self._results is not None:
                for id in self._asked:
                    self._results.ask(id)
            return
        self._compare = None
        self._queues.compared()

    def _is_missed(self, id: str, seen: set[str]) -> bool:
        """Whether what is held as waiting stands nowhere, and nothing was heard of it since all was read anew."""
        task = self._tasks.known(id)
        is_old = task is None or (task.state in WAITING and task.heard_ms < self._began_ms)
        return is_old and id not in seen and not self._queues.holds(id)

    def _held(self) -> Iterator[list[str]]:
        for name in list(self._queues.names):
            for state in WAITING:
                after = 0
                while found := mirror.held(self._site, self._agent, name, state, after):
                    after = found[-1][0]
                    yield [id for _, id in found]
            after = 0
            while found := mirror.held(self._site, self._agent, name, "started", after):
                after = found[-1][0]
                for _, id in found:
                    if self._tasks.known(id) is None:
                        task = self._tasks.task(id)
                        task.queue = name
                        self._tasks.to_state(task, "started", 0)
                        if self._results is not None:
                            self._results.ask(id)

    def _look(self) -> None:
        held = self._counts()
        missing = self._missing  # what is not read yet can't be held
        if not self._queues.is_behind:
            missing = {
                name: max(0, self._queues.readable(name) - sum(counts.values())) for name, counts in held.items()
            }
        has_more = any(counts["queued"] > self._queues.length(name) for name, counts in held.items())
        self._missing = {name: min(number, missing.get(name, 0)) for name, number in self._missing.items()}
        if not has_more and all(number <= self._missing.get(name, 0) for name, number in missing.items()):
            self._differs_since = None
            return
        now = time.monotonic()
        self._differs_since = self._differs_since or now
        if now - self._differs_since > DIFFERS_S and now - self._reread > REREAD_S:
            self._differs_since, self._reread, self._missing = None, now, missing
            self._tasks.tell_anew()
            self._begin()

    def _counts(self) -> dict[str, dict[State, int]]:
        """How many Headway holds of each queue in each state of waiting."""
        partition = self._site.store.partition_of(self._agent)
        names = list(self._queues.names)
        with self._site.store.raw.pipeline(transaction=False) as pipe:
            for name in names:
                for state in WAITING:
                    pipe.zcard(keys.QUEUE_STATE.at(partition, state, f"{self._agent}/{name_of(name)}"))
            counts = iter(pipe.execute())
        return {name: {state: next(counts) for state in WAITING} for name in names}


def take_active(tasks: Tasks, told: Mapping[str, Told]) -> None:
    """Know of what workers just said that they work on, whether anybody told of it before or not."""
    for name, worker in told.items():
        for one in worker.active:
            known = tasks.known(one["id"])
            began_ms = celery_event_words.moment_ms(one.get("time_start"))
            if began_ms is None or (known is not None and (known.worker is not None or known.state in ENDED)):
                continue
            task = tasks.task(one["id"])
            celery_event_words.describe(tasks, task, one)
            route = one.get("delivery_info")
            task.queue = task.queue or celery_event_words.name_of(
                route.get("routing_key") if isinstance(route, dict) else None
            )
            tasks.begun(task, began_ms, name)


def miss_events(tasks: Tasks, presences: Presences, since_s: float, now_s: float) -> None:
    """Notice workers that began a task and told nothing of it by events, which are listened to since then."""
    for task in tasks.started.values():
        if task.worker is not None and not task.is_heard and (task.started_ms or 0) > since_s * 1000:
            presences.has_begun(task.worker, (task.started_ms or 0) / 1000, now_s)


def look_at_work(
    tasks: Tasks, presences: Presences, told: Mapping[str, Told], holds: Callable[[str], bool], now_s: float
) -> None:
    """End what can't be at work any more: its worker died, or says that it has it not. `holds` says what is not acknowledged."""
    at_work = {one["id"] for each in told.values() for one in each.active}
    heard = [
        each for name, each in told.items() if (one := presences.by_name.get(name)) is None or not one.is_dead(now_s)
    ]
    since_s = min((each.active_at_s for each in heard), default=0.0)
    for task in list(tasks.started.values()):
        worker = presences.by_name.get(task.worker or "")
        if worker is not None and worker.is_lost(now_s):
            _lost(tasks, task, holds(task.id), int(now_s * 1000))
        elif task.id not in at_work and _is_unseen(task, told, since_s, now_s):
            task.message = UNTOLD if task.is_heard else UNSEEN
            tasks.concluded(tasks.task(task.id), "deleted", int(now_s * 1000), task.message)


def _is_unseen(task: Task, told: Mapping[str, Told], since_s: float, now_s: float) -> bool:
    """Whether those who could have it were asked long enough after it began, and have it not."""
    worker = told.get(task.worker or "")
    asked_s = worker.active_at_s if worker is not None else since_s
    return asked_s > task.heard_ms / 1000 + UNSEEN_S and now_s > asked_s + UNSEEN_S


def _lost(tasks: Tasks, task: Task, is_held: bool, at_ms: int) -> None:
    task = tasks.task(task.id)
    if is_held:
        why = AGAIN.format(worker=task.worker)
        tasks.given_back(task, "retrying", at_ms, Why(why, why))
    else:
        tasks.concluded(task, "failed", at_ms, WORKER_LOST.format(worker=task.worker))
        task.error_type = "WorkerLostError"
