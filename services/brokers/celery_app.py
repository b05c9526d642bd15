"""A Celery app without any task's code: to hear events and to ask workers. Celery is imported here alone, and late: it takes room."""

from __future__ import annotations

import logging
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from core.config import Broker
from core.config.brokers import REDIS_SCHEMES
from core.config.sentinels import Address, Sentinels
from services.brokers.connections import hosts_of, sentinel_options
from services.brokers.model import BrokerError

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection

CONNECT_S = 3.0
ANSWER_S = 10.0
REDIS = tuple(f"{scheme}://" for scheme in REDIS_SCHEMES)
RABBITMQ = ("amqp://", "amqps://", "pyamqp://")
ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
"""Whoever asks tries again, not kombu, which would go on for ever."""
_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def is_redis(url: Address) -> bool:
    """Whether the address is that of a Redis. Raises BrokerError where it is of nothing that can be followed."""
    if isinstance(url, Sentinels):
        return True
    if not url.startswith(REDIS + RABBITMQ):
        scheme = url.partition("://")[0]
        raise BrokerError(
            f"{scheme}:// is followed by nothing here: name a redis://, rediss://, unix://, sentinel:// or amqp:// address"
        )
    return url.startswith(REDIS)


def redis_url(url: Address) -> Address:
    """The address of a Redis as redis-py writes it: `unix:///path?db=1` for `redis+socket:///path?virtual_host=1`."""
    if isinstance(url, Sentinels):
        return url
    if url.startswith("redis+socket://"):
        url = url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=", 1)
    return re.sub(r"(ssl_cert_reqs=)CERT_(\w+)", lambda found: found[1] + found[2].lower(), url)


def results_url(broker: Broker) -> Address | None:
    """The address of a result backend as redis-py writes it: what is declared, or the broker's, where that is a Redis. Raises
    BrokerError."""
    results = broker.results_address
    if isinstance(results, str) and not results.startswith(REDIS):
        raise BrokerError("its results are read from a Redis alone: give one as results, or leave that out")
    url = results or (broker.address if is_redis(broker.address) else None)
    return redis_url(url) if url else None


def results_prefix(broker: Broker) -> str:
    """What keys of a result backend begin with. Unlike the broker's, it ends with a mark: Celery adds one where there is none."""
    prefix = (broker.prefix if broker.results_prefix is None else broker.results_prefix) or ""
    return prefix if not prefix or prefix[-1] in ":_-." else f"{prefix}_"


def celery_url(url: Address) -> str:
    """The same as Celery writes it."""
    if isinstance(url, Sentinels):
        return _sentinels_url(url)
    if url.startswith("unix://"):
        return (
            url.replace("unix://", "redis+socket://", 1)
            .replace("?db=", "?virtual_host=", 1)
            .replace("&db=", "&virtual_host=", 1)
        )
    if url.startswith("rediss://") and "ssl_cert_reqs=" not in url:
        return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"
    return url


def app_of(broker: Broker) -> Celery:
    """An app that knows its broker and nothing else: no file, no variable and no Django setting is looked at for it."""
    from celery import Celery

    address = broker.address

    for name in ("kombu", "celery"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they write addresses and messages
    app = Celery(
        "headway", broker=celery_url(address), set_as_current=False, fixups=[], changes={"accept_content": ["json"]}
    )
    app.conf.update(
        broker_connection_timeout=CONNECT_S,
        broker_transport_options=ONCE | (_options() | _where(address, broker.prefix) if is_redis(address) else {}),
        result_backend_transport_options=_where(broker.results_address or address, results_prefix(broker)),
        control_exchange="celery",
        enable_utc=True,
    )
    return app


def connection_of(app: Celery) -> Connection:
    """A connection of its own to the broker, which is not begun yet."""
    connection: Connection = app.connection_for_write()
    return connection


def _sentinels_url(address: Sentinels) -> str:
    user = f"{quote(address.username or '', '')}:{quote(address.password, '')}@" if address.password else ""
    hosts = ((f"[{host}]" if ":" in host else host, port) for host, port in hosts_of(address))
    return ";".join(f"sentinel://{user}{host}:{port}/{address.db}" for host, port in hosts)


def _where(address: Address, prefix: str | None) -> dict[str, Any]:
    """How Celery is told of sentinels, and where keys begin."""
    options: dict[str, Any] = {"global_keyprefix": prefix} if prefix else {}
    if isinstance(address, Sentinels):
        options |= {"master_name": address.master, "sentinel_kwargs": sentinel_options(address)}
    return options


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
