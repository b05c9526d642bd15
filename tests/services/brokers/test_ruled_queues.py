"""Queues that alert rules name are counted where a broker has more than are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from core import config
from core.site import Site
from services.brokers import celery_queues, rq_follower
from tests.conftest import Valkey
from tests.services.brokers.followed_celery import FollowedCelery
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers.rq_hashes_made import job_of, packed, put
from tests.services.brokers.test_celery_queues import message

RULES = """
[[alerts]]
id = "of-any"
when = { kind = "queue_depth", above = 1, queue = "z" }
[[alerts]]
id = "of-another"
when = { kind = "queue_depth", above = 1, queue = "b", agent = "elsewhere" }
"""


@pytest.fixture
def site(site: Site) -> Site:
    return replace(site, config=config.parse(RULES, {}))


def test_of_rq(
    broker: redis.Redis, theirs: Valkey, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rq_follower, "MOST_QUEUES", 2)
    for queue in "abz":
        put(broker, {f"in-{queue}": {**job_of(packed("app.mail")), "origin": queue}}, queue)
    followed = follow(theirs.url)
    assert [(queue.name, queue.depth) for queue in followed.settled().queues] == [("a", 1), ("z", 1)]


def test_of_celery(
    broker: redis.Redis,
    theirs: Valkey,
    follow_celery: Callable[..., FollowedCelery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(celery_queues, "MOST_QUEUES", 2)
    for queue in "abz":
        broker.sadd(f"_kombu.binding.{queue}", f"{queue}\x06\x16\x06\x16{queue}")
        broker.lpush(queue, message(f"in-{queue}"))
    followed = follow_celery(theirs.url, queues=("a",))
    assert followed.queue("z").depth == 1
    assert [queue.name for queue in followed.snapshot.queues] == ["a", "z"]
