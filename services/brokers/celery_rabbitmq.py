"""Queues of a Celery whose broker is RabbitMQ: their lengths alone. What waits in them can't be listed there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ChannelError

from core.config import Broker
from core.config.alerts import queues_named
from core.site import Site
from services.brokers import celery_app
from services.brokers.celery_events import why
from services.brokers.celery_queues import DEFAULT, MOST_QUEUES
from services.brokers.celery_results import PREFIX, Results
from services.brokers.celery_tasks import Tasks
from services.brokers.celery_watch import Watch
from services.brokers.connections import redis_of
from services.brokers.model import BrokerError, QueueNow

if TYPE_CHECKING:
    from kombu.connection import Connection

EVERY_S = 5.0
ABSENT_S, SELDOM_S = 10.0, 300.0
"""A name that no queue has is asked for again after the one, then ever more seldom up to the other: RabbitMQ logs an error each time."""
CONFIRMED = {"confirm_publish": True}
"""Whoever sends is told whether RabbitMQ has it."""
NOTE = (
    "RabbitMQ tells how many messages wait, not which: a job shows once a worker takes it, or at once where apps send "
    "task-sent events"
)


class RabbitSide:
    ahead_s = 0.0
    """Its clock can't be asked for: ours counts."""

    def __init__(self, site: Site, broker: Broker, tasks: Tasks, woken: threading.Event) -> None:
        self._app = celery_app.app_of(broker)
        self._connection: Connection = celery_app.connection_of(self._app)
        ruled = queues_named((rule.when for rule in site.config.alerts), broker.agent)
        self._names = list(dict.fromkeys((*broker.queues, *ruled, DEFAULT)))[:MOST_QUEUES]
        self._lengths: dict[str, int] = {}
        self._absent: dict[str, tuple[float, float]] = {}
        """Names that no queue has: when they are asked for again, and the pause before that."""
        self._asked: float | None = None
        url, prefix = celery_app.results_url(broker), celery_app.results_prefix(broker)
        self._client = redis_of(url, prefix) if url else None
        self._results = Results(self._client, tasks) if self._client else None
        self._watch = Watch(url, f"the results of {broker.agent}", woken, prefix) if url else None

    def add(self, queues: Iterable[tuple[str, str]]) -> None:
        """Watch these too, which are there."""
        for name, _ in queues:
            self._absent.pop(name, None)
        self._names += [name for name, _ in queues if name not in self._names][: MOST_QUEUES - len(self._names)]

    def tick(self, now_ms: int) -> None:
        """Take in what changed. Raises BrokerError."""
        if self._asked is None or time.monotonic() - self._asked > EVERY_S:
            self._asked = time.monotonic()
            self._ask_lengths()
        if self._results is not None and self._watch is not None:
            self._results.changed(self._watch.changes((PREFIX,)).keys)
            self._results.tick(now_ms)

    def reconcile(self) -> None:
        """There is nothing to compare with."""

    @property
    def is_behind(self) -> bool:
        return self._results is not None and self._results.is_behind

    def holds(self, id: str) -> bool:
        """Nobody but RabbitMQ knows."""
        return False

    def now(self, workers: dict[str, int] | None, paused: set[str]) -> tuple[QueueNow, ...]:
        return tuple(
            QueueNow(
                name=name,
                counts={"queued": length},
                paused=name in paused,
                workers=None if workers is None else workers.get(name, 0),
            )
            for name, length in self._lengths.items()
        )

    def notes(self) -> Iterable[str]:
        return (NOTE, *(self._results.notes() if self._results is not None else ()))

    def close(self) -> None:
        self._connection.release()  # type: ignore[no-untyped-call]
        if self._watch is not None:
            self._watch.close()
        if self._client is not None:
            self._client.connection_pool.disconnect()

    def _ask_lengths(self) -> None:
        now = time.monotonic()
        due = [name for name in self._names if name not in self._absent or self._absent[name][0] <= now]
        try:
            self._connection.ensure_connection(max_retries=1, interval_start=0)  # type: ignore[no-untyped-call]
            with self._connection.channel() as channel:  # type: ignore[no-untyped-call]
                found = {name: length(channel, name) for name in due}
        except Exception as fault:  # whatever a transport raises
            raise BrokerError(why(fault)) from fault
        self._lengths = {name: length for name, length in found.items() if length is not None}
        for name in found:
            _, pause = self._absent.pop(name, (now, ABSENT_S / 2))
            if name not in self._lengths:
                pause = min(2 * pause, SELDOM_S)
                self._absent[name] = now + pause, pause


def length(channel: Any, name: str) -> int | None:
    """How many messages wait in a queue; None where there is no such queue."""
    try:
        return int(channel.queue_declare(queue=name, passive=True).message_count)
    except ChannelError:
        return None


def sending(connection: Connection, queue: str) -> dict[str, Any]:
    """How Celery is to send to a queue: to one that is there as it is, whatever it was declared with (a limit, priorities, its type).
    It is sent once, so that a refusal is known as such."""
    is_there = length(connection.channel(), queue) is not None  # type: ignore[no-untyped-call]
    return {"queue": queue, "retry": False, **({"declare": ()} if is_there else {})}
