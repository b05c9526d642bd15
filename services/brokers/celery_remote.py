"""Asking Celery's workers by its remote control, with connections that give up in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amqp.exceptions import MessageNacked
from kombu.exceptions import OperationalError

from core.config.sentinels import Address
from services.brokers.action_model import ActionRefused
from services.brokers.celery_app import connection_of, is_redis, redis_url
from services.brokers.celery_events import why
from services.brokers.connections import reaching, redis_of
from services.brokers.model import BrokerError, Unreached

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection

ANSWER_S = 2.0
"""A worker that is asked by its name answers in milliseconds; one of a solo pool not while it works."""
EVERYBODY_S = 1.0
MOST_SAID = 200


@contextmanager
def connected(app: Celery, address: Address) -> Iterator[Connection]:
    """A connection to the broker. Whatever it raises in this block is a BrokerError, and Unreached where the block was not begun;
    ActionRefused where it did not take what was sent."""
    if is_redis(address):
        _check_lets_in(address)
    connection, was_reached = connection_of(app), False
    try:
        connection.connect()  # type: ignore[no-untyped-call]
        was_reached = True
        yield connection
    except OperationalError as fault:
        if isinstance(fault.__cause__, MessageNacked):
            raise ActionRefused("RabbitMQ took no more into the queue: it is full.") from fault
        raise (BrokerError if was_reached else Unreached)(why(fault.__cause__ or fault)) from fault
    except (*connection.connection_errors, *connection.channel_errors, OSError) as fault:
        raise (BrokerError if was_reached else Unreached)(why(fault)) from fault
    finally:
        connection.release()  # type: ignore[no-untyped-call]


def _check_lets_in(address: Address) -> None:
    """Kombu greets a Redis in a way that lets a wrong password pass where none is set, and finds nobody there then."""
    broker = redis_of(redis_url(address))
    try:
        with reaching():
            broker.ping()
    finally:
        broker.connection_pool.disconnect()


def told(
    app: Celery,
    connection: Connection,
    command: str,
    workers: list[str] | None = None,
    enough: int | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """What each worker that answered said: of `workers`, or of all, of whom `enough` are waited for. Raises ActionRefused where one
    of those named says no."""
    replies = app.control.broadcast(
        command,
        arguments=arguments,
        destination=workers,
        connection=connection,
        reply=True,
        timeout=ANSWER_S if workers else EVERYBODY_S,
        limit=len(workers) if workers else enough,
    )
    said = {name: answer for reply in replies or () for name, answer in reply.items()}
    for answer in said.values():
        if workers and isinstance(answer, dict) and "error" in answer:
            raise ActionRefused(f"The worker refused: {str(answer['error'])[:MOST_SAID]}.")
    return said


def stats(app: Celery, connection: Connection, worker: str) -> dict[str, Any]:
    """What a worker tells of itself. Raises ActionRefused where it does not answer."""
    answer = told(app, connection, "stats", [worker]).get(worker)
    if not isinstance(answer, dict):
        raise ActionRefused(
            f"The worker did not answer within {ANSWER_S:g} s: it is gone, or it is of a solo pool, which hears nothing while it works."
        )
    return answer


def pool_of(said: dict[str, Any]) -> str:
    """`prefork`, `threads`, `solo`, … of what a worker told of itself; empty where it did not tell."""
    told = said.get("pool")
    kind = str(told.get("implementation", "")) if isinstance(told, dict) else ""
    return {"celery.concurrency.thread": "threads"}.get(
        kind.partition(":")[0], kind.partition(":")[0].rpartition(".")[2]
    )
