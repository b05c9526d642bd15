"""What the types of `[[queues]]` can't say: addresses that can be followed, and what is for one engine alone."""

from __future__ import annotations

from urllib.parse import urlsplit

from core.config.brokers import REDIS_SCHEMES, Broker, Engine
from core.config.sentinels import SCHEME as SENTINEL
from core.config.sentinels import is_of_sentinels, sentinels
from core.fields import FieldError
from core.settings import REDIS

FOLLOWED_REDIS_SCHEMES = (*REDIS, SENTINEL)
BROKER_SCHEMES: dict[Engine, tuple[str, ...]] = {
    "rq": FOLLOWED_REDIS_SCHEMES,
    "celery": (*REDIS_SCHEMES, SENTINEL, "amqp", "amqps"),
}


def check_broker(broker: Broker, path: str) -> None:
    """Raises FieldError."""
    for name, url in (("url", broker.url), ("results", broker.results or "")):
        _check_is_one(url, f"{path}.{name}")
    # Tried one after the other, or sentinels that are asked for the one Redis.
    several = broker.url.split(";") if broker.kind == "celery" or is_of_sentinels(broker.url) else [broker.url]
    for address in several:
        _check_broker_address(address, BROKER_SCHEMES[broker.kind], f"{path}.url")
    if broker.results is not None and broker.kind != "celery":
        raise FieldError(f"{path}.results", "is for Celery alone: RQ keeps results beside its jobs")
    if broker.results is not None:
        for address in broker.results.split(";") if is_of_sentinels(broker.results) else [broker.results]:
            _check_broker_address(address, FOLLOWED_REDIS_SCHEMES, f"{path}.results")
    _check_sentinels(broker, path)
    _check_prefixes(broker, path)


def _check_is_one(url: str, path: str) -> None:
    """Of several, as Celery takes them, only the first would be followed, in database 0 whatever they say."""
    schemes = [part.partition("://")[0] for part in url.split(";") if "://" in part]
    if len(schemes) > 1 and any(scheme in REDIS_SCHEMES for scheme in schemes) and not is_of_sentinels(url):
        raise FieldError(
            path,
            "names several servers, and a Redis is followed at one address: name it alone, or where sentinels say which one it "
            "is at present, name these: sentinel://host:26379/0;sentinel://other:26379/0",
        )


def _check_sentinels(broker: Broker, path: str) -> None:
    named = {
        name: url for name, url in (("url", broker.url), ("results", broker.results or "")) if is_of_sentinels(url)
    }
    if named and broker.master is None:
        raise FieldError(f"{path}.master", "is missing: what do the sentinels call the Redis? Often it is mymaster")
    for name in () if named else ("master", "sentinel_username", "sentinel_password"):
        if getattr(broker, name) is not None:
            raise FieldError(f"{path}.{name}", "is for addresses that begin with sentinel:// alone")
    for name, url in named.items():
        try:
            sentinels(url, "")
        except ValueError as fault:
            raise FieldError(f"{path}.{name}", str(fault)) from fault


def _check_prefixes(broker: Broker, path: str) -> None:
    if broker.kind == "celery":
        return
    for name in ("prefix", "results_prefix"):
        if getattr(broker, name) is not None:
            raise FieldError(
                f"{path}.{name}", "is for Celery alone, its global_keyprefix: RQ's is RQ_KEY_PREFIX in the environment"
            )
    if broker.redbeat_key_prefix is not None:
        raise FieldError(f"{path}.redbeat_key_prefix", "is for Celery alone: RQ has no RedBeat")


def _check_broker_address(address: str, schemes: tuple[str, ...], path: str) -> None:
    if address.partition("://")[0] not in schemes:
        raise FieldError(path, f"should begin with {either(schemes)}")
    try:
        port = urlsplit(address).port
    except ValueError:
        port = 0
    if port == 0:
        raise FieldError(
            path,
            "has a host or a port that can't be read: a port is a number from 1 to 65535, and in a password /, ? and # are "
            "written %2F, %3F and %23",
        )


def either(schemes: tuple[str, ...]) -> str:
    *others, last = (f"{scheme}://" for scheme in schemes)
    return f"{', '.join(others)} or {last}"
