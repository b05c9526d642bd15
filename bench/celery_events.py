"""Task events as Celery workers send them, and a receiver that only counts them.

    python -m bench.celery_events send BROKER SECONDS RATE
    python -m bench.celery_events receive BROKER

Each as a process of its own, so that it takes nothing from what it measures; one JSON line on standard output.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import redis
from celery import Celery
from celery.events import EventDispatcher, EventReceiver

from bench.processes import ROOT

QUIET_S = 10
OF_A_TASK = ("task-sent", "task-received", "task-started", "task-succeeded")


@dataclass(frozen=True)
class Sent:
    tasks: int
    events: int


def send(broker: str, seconds: int, rate: int) -> Sent:
    """So many events a second for so long."""
    return Sent(**_run("send", broker, str(seconds), str(rate)))


def bare(broker: str, seconds: int, rate: int) -> float:
    """Events a second that a receiver takes which only counts, sent at twice the rate."""
    command = [sys.executable, "-m", "bench.celery_events", "receive", broker]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as receiver:
        while not is_heard(broker):
            time.sleep(0.1)
        send(broker, seconds // 2, rate * 2)
        told, _ = receiver.communicate(timeout=120)
    found: float = json.loads(told)["per_second"]
    return found


def is_heard(broker: str) -> bool:
    """Whether somebody takes events."""
    with redis.Redis.from_url(broker) as connection:
        return bool(connection.exists("_kombu.binding.celeryev"))


def _app(broker: str) -> Celery:
    return Celery("bench", broker=broker.replace("unix://", "redis+socket://", 1))


def _run(*arguments: str) -> dict[str, int]:
    command = [sys.executable, "-m", "bench.celery_events", *arguments]
    found: dict[str, int] = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _send(broker: str, seconds: int, rate: int) -> dict[str, int]:
    app, tasks, events, began = _app(broker), 0, 0, time.monotonic()
    with app.connection_for_write() as connection:
        dispatcher = EventDispatcher(
            connection, hostname=f"bench@{socket.gethostname()}", app=app, buffer_group={"task"}
        )
        while (passed := time.monotonic() - began) < seconds:
            while events < rate * passed:
                id = str(uuid.uuid4())
                of_task = {"uuid": id, "name": "shop.mail", "args": f"({tasks},)", "kwargs": "{}", "queue": "mail"}
                for kind in OF_A_TASK:
                    more = {"result": "None", "runtime": 0.01} if kind == "task-succeeded" else {}
                    dispatcher.send(kind, **of_task, retries=0, **more)
                tasks, events = tasks + 1, events + len(OF_A_TASK)
            dispatcher.flush(errors=False)
            time.sleep(0.02)
        dispatcher.flush(errors=False)
    return {"tasks": tasks, "events": events}


def _receive(broker: str) -> dict[str, float]:
    """Until nothing more comes."""
    app, times = _app(broker), list[float]()
    with app.connection_for_read() as connection, suppress(TimeoutError):
        receiver = EventReceiver(connection, handlers={"*": lambda _: times.append(time.monotonic())}, app=app)
        receiver.capture(limit=None, timeout=QUIET_S, wakeup=False)
    return {"per_second": len(times) / (times[-1] - times[0])}


if __name__ == "__main__":
    todo, url, *numbers = sys.argv[1:]
    work: Callable[..., object] = _send if todo == "send" else _receive
    print(json.dumps(work(url, *map(int, numbers))))
