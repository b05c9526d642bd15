"""A Celery app without any task's code: to hear events and to ask workers. Celery is imported here alone, and late: it takes room."""

from __future__ import annotations

import logging
import re
import socket
from typing import TYPE_CHECKING, Any

from core.config import Broker
from services.brokers.model import BrokerError

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection

CONNECT_S = 3.0
ANSWER_S = 10.0
REDIS = ("redis://", "rediss://", "unix://", "redis+socket://")
RABBITMQ = ("amqp://", "amqps://", "pyamqp://")
ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
"""Whoever asks tries again, not kombu, which would go on for ever."""
_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def is_redis(url: str) -> bool:
    """Whether the address is that of a Redis. Raises BrokerError where it is of nothing that can be followed."""
    if not url.startswith(REDIS + RABBITMQ):
        scheme = url.partition("://")[0]
        raise BrokerError(
            f"{scheme}:// is followed by nothing here: name a redis://, rediss://, unix:// or amqp:// address"
        )
    return url.startswith(REDIS)


def redis_url(url: str) -> str:
    """The address of a Redis as redis-py writes it: `unix:///path?db=1` for `redis+socket:///path?virtual_host=1`."""
    if url.startswith("redis+socket://"):
        url = url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)
    return re.sub(r"(ssl_cert_reqs=)CERT_(\w+)", lambda found: found[1] + found[2].lower(), url)


def results_url(broker: Broker) -> str | None:
    """The address of a result backend as redis-py writes it: what is declared, or the broker's, where that is a Redis. Raises
    BrokerError."""
    if broker.results and not broker.results.startswith(REDIS):
        raise BrokerError("its results are read from a Redis alone: give one as results, or leave that out")
    url = broker.results or (broker.url if is_redis(broker.url) else None)
    return redis_url(url) if url else None


def celery_url(url: str) -> str:
    """The same as Celery writes it."""
    if url.startswith("unix://"):
        return (
            url.replace("unix://", "redis+socket://", 1)
            .replace("?db=", "?virtual_host=", 1)
            .replace("&db=", "&virtual_host=", 1)
        )
    if url.startswith("rediss://") and "ssl_cert_reqs=" not in url:
        return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"
    return url


def app_of(url: str) -> Celery:
    """An app that knows its broker and nothing else: no file, no variable and no Django setting is looked at for it."""
    from celery import Celery

    for name in ("kombu", "celery"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they write addresses and messages
    app = Celery(
        "headway", broker=celery_url(url), set_as_current=False, fixups=[], changes={"accept_content": ["json"]}
    )
    app.conf.update(
        broker_connection_timeout=CONNECT_S,
        broker_transport_options=ONCE | (_options() if is_redis(url) else {}),
        control_exchange="celery",
        enable_utc=True,
    )
    return app


def connection_of(app: Celery, url: str) -> Connection:
    """A connection of its own to the broker, which is not begun yet."""
    connection: Connection = app.connection_for_write(url=celery_url(url))
    return connection


def _options() -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": ANSWER_S,
        "client_name": "headway",
    } | (
        {"socket_keepalive": True, "socket_keepalive_options": {getattr(socket, name): s for name, s in _ALIVE.items()}}
        if all(hasattr(socket, name) for name in _ALIVE)
        else {}
    )
