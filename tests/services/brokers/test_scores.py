from __future__ import annotations

import pytest
import redis

from services.brokers.scores import scores
from tests.conftest import Valkey


@pytest.fixture(params=["+zmscore", "-zmscore"])
def client(request: pytest.FixtureRequest, theirs: Valkey, broker: redis.Redis) -> redis.Redis:
    """A Redis that has the command, and one before 6.2."""
    broker.execute_command("ACL", "SETUSER", "of-version", "reset", "on", ">secret", "~*", "+@all", request.param)
    return redis.Redis.from_url(theirs.url.replace("//", "//of-version:secret@"))


def test_each_member_has_its_score_or_none(client: redis.Redis) -> None:
    client.zadd("set", {"a": 1, "b": 2.5})
    assert scores(client, "set", ["b", "x", "a"]) == [2.5, None, 1]
    assert scores(client, "nothing", ["a"]) == [None]


def test_a_key_of_another_type_is_told_for_each(client: redis.Redis) -> None:
    client.set("set", "")
    assert all(isinstance(one, redis.ResponseError) for one in scores(client, "set", ["a", "b"]))
