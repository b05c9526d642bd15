"""What a Celery keeps in Redis servers: queues and what is reserved in its broker, results in its backend."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from core.config import Broker
from core.config.alerts import queues_named
from core.site import Site
from services import jobs_service
from services.brokers import celery_app
from services.brokers.celery_queues import Queues
from services.brokers.celery_reconciling import Reconciling
from services.brokers.celery_results import PREFIX, Results
from services.brokers.celery_tasks import Tasks
from services.brokers.celery_watch import Watch
from services.brokers.connections import asking, redis_of
from services.brokers.mirror_records import our_id
from services.brokers.model import QueueNow
from services.job_changes import JobRef
from services.job_model import Job

CLOCK_S = 60.0


class RedisSide:
    def __init__(self, site: Site, broker: Broker, tasks: Tasks, woken: threading.Event) -> None:
        here = celery_app.redis_url(broker.address), broker.prefix or ""
        results = celery_app.results_url(broker) or here[0], celery_app.results_prefix(broker)
        self._site, self._agent, self._tasks = site, broker.agent, tasks
        self._client = redis_of(*here)
        self._results_client = self._client if results == here else redis_of(*results)
        ruled = queues_named((rule.when for rule in site.config.alerts), broker.agent)
        self._queues = Queues(self._client, tasks, broker.queues, ruled)
        self._results = Results(self._results_client, tasks)
        self._watch = Watch(here[0], broker.agent, woken, here[1])
        self._results_watch = (
            None if results == here else Watch(results[0], f"the results of {broker.agent}", woken, results[1])
        )
        self._reconciling = Reconciling(site, broker.agent, tasks, self._queues, self._results)
        self._clock_asked: float | None = None
        self.ahead_s = 0.0
        """By how much our clock is ahead of the broker's."""

    def add(self, queues: Iterable[tuple[str, str]]) -> None:
        """Watch these too: names and exchanges."""
        for name, exchange in queues:
            self._queues.add(name, exchange)

    def tick(self, now_ms: int) -> None:
        """Take in what changed. Raises BrokerError."""
        if self._clock_asked is None or time.monotonic() - self._clock_asked > CLOCK_S:
            self._ask_clock()
        if self._results_watch is None:
            changes = results = self._watch.changes((*self._queues.prefixes, PREFIX))
        else:
            changes, results = self._watch.changes(self._queues.prefixes), self._results_watch.changes((PREFIX,))
        self._queues.tick(changes, now_ms)
        self._results.changed(results.keys)
        self._results.tick(now_ms)

    def reconcile(self) -> None:
        """Raises StoreError."""
        self._reconciling.tick()

    @property
    def is_behind(self) -> bool:
        return self._queues.is_behind or self._results.is_behind

    def holds(self, id: str) -> bool:
        """Whether a worker has this task and did not acknowledge it."""
        return self._queues.holds(id)

    def now(self, workers: dict[str, int] | None, paused: set[str]) -> tuple[QueueNow, ...]:
        """The queues. Raises StoreError."""
        return self._queues.now(workers, paused, self._since)

    def notes(self) -> Iterable[str]:
        yield from self._queues.notes()
        yield from self._results.notes()
        for watch in (self._watch, self._results_watch):
            if watch is not None and watch.why is not None:
                yield f"its Redis does not tell what changes, so that is looked for every 2 s: {watch.why}"

    def close(self) -> None:
        for watch in (self._watch, self._results_watch):
            if watch is not None:
                watch.close()
        for client in {self._client, self._results_client}:
            client.connection_pool.disconnect()

    def _since(self, id: str) -> int | None:
        """Since when a task waits: as events told, or else since Headway knows it. Raises StoreError."""
        task = self._tasks.known(id)
        if task is not None and task.enqueued_ms is not None:
            return task.enqueued_ms
        job = jobs_service.get(self._site, JobRef(agent=self._agent, id=our_id(id)))
        return int((job.enqueued_at or job.created_at).timestamp() * 1000) if isinstance(job, Job) else None

    def _ask_clock(self) -> None:
        self._clock_asked = time.monotonic()
        with asking():
            seconds, micros = self._client.time()
        self.ahead_s = time.time() - seconds - micros / 1e6
