"""What Celery's workers answer when they are asked, now and then and in a thread of its own: pools, queues, what they have in hand,
rate limits, beat's schedule. Who answers nothing (a solo worker at work) keeps what it said before."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from core.config import Broker
from core.logs import printable
from services.brokers import celery_app
from services.brokers import celery_event_words as words
from services.brokers.celery_events import why
from services.brokers.celery_remote import pool_of
from services.brokers.numbers import finite

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection

log = logging.getLogger("headway.brokers")

EVERY_S = 20.0
SELDOM_S = 300.0
"""What hardly changes: configuration, rate limits."""
ANSWER_S = 1.0
MOST_LISTED = 1_000


class Told(Struct):
    """What one worker said last."""

    at_s: float = 0.0
    pool: str | None = None
    concurrency: int | None = None
    uptime_s: float | None = None
    queues: tuple[tuple[str, str], ...] = ()
    """Names, with their exchanges."""
    queues_at_s: float = 0.0
    """When it was asked for these."""
    active: tuple[dict[str, Any], ...] = ()
    active_at_s: float = 0.0
    """When it was asked for these."""
    reserved: int | None = None
    scheduled: int | None = None
    rate_limits: dict[str, str] = {}
    conf: dict[str, Any] = {}


class Inspection:
    """Asks from its making until `close`. `awaited` says how many workers may answer, so that none is waited for who is not there."""

    def __init__(self, broker: Broker, awaited: Callable[[], int]) -> None:
        self._broker = broker
        self._awaited = awaited
        self.by_name: dict[str, Told] = {}
        self.rounds = 0
        """How often everybody was asked."""
        self._ending = threading.Event()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headway-celery-inspection", daemon=True)
        self._thread.start()

    def soon(self) -> None:
        """Ask now: somebody came, or went."""
        self._asked.set()

    def close(self) -> None:
        self._ending.set()
        self._asked.set()

    def _run(self) -> None:
        app = celery_app.app_of(self._broker)
        seldom = -SELDOM_S
        while not self._ending.is_set():
            self._asked.clear()
            is_time = time.monotonic() - seldom >= SELDOM_S or any(not told.conf for told in self.by_name.values())
            try:
                with celery_app.connection_of(app) as connection:
                    self._ask(app, connection, is_time)
            except Exception as fault:  # noqa: BLE001  whatever a transport raises: lists and events say the rest
                log.debug("Celery's workers can't be asked, because %s", printable(why(fault)))
            else:
                seldom = time.monotonic() if is_time and self.by_name else seldom
                self.rounds += 1
            self._asked.wait(EVERY_S)
            self._ending.wait(0.5)

    def _ask(self, app: Celery, connection: Connection, all_of_it: bool) -> None:
        now = time.time()
        for name, stats in self._answers(app, connection, "stats").items():
            told = self.by_name.setdefault(name, Told())
            told.at_s = now
            stats_of(told, stats)
        if not self.by_name:
            return
        asked_s = time.time()
        for name, queues in self._answers(app, connection, "active_queues").items():
            told = self.by_name.setdefault(name, Told())
            told.queues, told.queues_at_s = _queues(queues), asked_s
        for name, active in self._answers(app, connection, "active", safe=True).items():
            told = self.by_name.setdefault(name, Told())
            told.active, told.active_at_s = _active(active), now
        for name, reserved in self._answers(app, connection, "reserved").items():
            self.by_name.setdefault(name, Told()).reserved = len(reserved) if isinstance(reserved, list) else None
        for name, scheduled in self._answers(app, connection, "scheduled").items():
            self.by_name.setdefault(name, Told()).scheduled = len(scheduled) if isinstance(scheduled, list) else None
        if all_of_it:
            for name, conf in self._answers(app, connection, "conf").items():
                self.by_name.setdefault(name, Told()).conf = _conf(conf)
            for name, tasks in self._answers(app, connection, "registered", taskinfoitems=["rate_limit"]).items():
                self.by_name.setdefault(name, Told()).rate_limits = _rate_limits(tasks)

    def _answers(self, app: Celery, connection: Connection, command: str, **arguments: Any) -> dict[str, Any]:
        if self._ending.is_set():
            return {}
        replies = app.control.broadcast(
            command,
            arguments=arguments,
            connection=connection,
            reply=True,
            timeout=ANSWER_S,
            limit=self._awaited() or None,
        )
        answers = {name: said for reply in replies or () if isinstance(reply, dict) for name, said in reply.items()}
        return {name: said for name, said in answers.items() if not (isinstance(said, dict) and "error" in said)}


def stats_of(told: Told, stats: Any) -> None:
    if not isinstance(stats, dict):
        return
    pool = stats.get("pool")
    if isinstance(pool, dict):
        told.pool = pool_of(stats) or None
        most = words.whole(pool.get("max-concurrency"))
        told.concurrency = 1 if most is None and told.pool == "solo" else most
    told.uptime_s = finite(stats.get("uptime"))


def _queues(told: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for queue in told if isinstance(told, list) else ():
        if isinstance(queue, dict) and (name := words.name_of(queue.get("name"))):
            exchange = queue.get("exchange")
            found.append((name, words.name_of(exchange.get("name") if isinstance(exchange, dict) else None) or name))
    return tuple(found)


def _active(told: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(told, list):
        return ()
    return tuple(one for one in told[:MOST_LISTED] if isinstance(one, dict) and words.name_of(one.get("id")))


def _conf(told: Any) -> dict[str, Any]:
    """What is of use here alone: the rest may hold secrets."""
    wanted = ("beat_schedule", "timezone", "enable_utc", "task_default_queue", "beat_scheduler")
    return {name: told[name] for name in wanted if name in told} | {"": True} if isinstance(told, dict) else {}


def _rate_limits(told: Any) -> dict[str, str]:
    """Of `shop.add [rate_limit=10/m]`."""
    found = {}
    for text in told if isinstance(told, list) else ():
        name, _, limit = str(text).partition(" [rate_limit=")
        if limit:
            found[name] = limit.removesuffix("]")
    return found
