"""What tests of brokers may ask for besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from core.site import Site
from tests.conftest import Valkey
from tests.services.brokers.followed_celery import FollowedCelery
from tests.services.brokers.followed_rq import FollowedRq


@pytest.fixture(scope="module")
def theirs() -> Iterator[Valkey]:
    """The Redis of a user, one a file."""
    server = Valkey().start()
    yield server
    server.close()


@pytest.fixture
def broker(theirs: Valkey) -> redis.Redis:
    """A connection to it, as a broker that holds nothing yet."""
    connection = redis.Redis.from_url(theirs.url)
    connection.flushall()
    return connection


@pytest.fixture
def follow(site: Site) -> Iterator[Callable[..., FollowedRq]]:
    """Follows an RQ a call, until the test's end: `follow(url, queues=("mail",))`."""
    begun: list[FollowedRq] = []

    def begin(url: str, **options: Any) -> FollowedRq:
        begun.append(FollowedRq(site, url, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


@pytest.fixture
def follow_celery(site: Site) -> Iterator[Callable[..., FollowedCelery]]:
    """The same of a Celery; it hears events already."""
    begun: list[FollowedCelery] = []

    def begin(url: str, **options: Any) -> FollowedCelery:
        begun.append(FollowedCelery(site, url, **options))
        begun[-1].hears()
        return begun[-1]

    yield begin
    for one in begun:
        one.close()
