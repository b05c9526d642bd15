"""Connections to a user's Redis say in words why they fail, without the address."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.brokers.connections import asking, redis_of, why
from services.brokers.model import BrokerError
from tests.conftest import Valkey, free_port


def refusal(url: str, *command: str) -> str:
    with pytest.raises(BrokerError) as raised, asking():
        redis_of(url).execute_command(*(command or ("PING",)))
    return str(raised.value)


def test_bytes_are_answered_whatever_the_address_asks_for(valkey_url: str) -> None:
    redis = redis_of(f"{valkey_url}?decode_responses=true&protocol=3&socket_timeout=0.0001")
    redis.set("connections:x", "1")
    assert redis.get("connections:x") == b"1"


def test_a_refusal_is_told_in_words_without_its_address(valkey_url: str, own_valkey: Callable[..., Valkey]) -> None:
    assert refusal(f"redis://:hunter2@127.0.0.1:{free_port()}") == "its Redis can't be reached"
    assert refusal("redis://no-such-host.invalid") == "its Redis can't be reached"
    assert refusal("unix:///no/such/socket") == "its Redis can't be reached"
    assert refusal("redis://:hunter2@localhost:none").startswith("its address is none of a Redis")
    assert refusal(valkey_url, "NOSUCH").startswith("its Redis answered")
    redis_of(valkey_url).set("connections:x", "1")
    assert (
        refusal(valkey_url, "LLEN", "connections:x") == "a key of its Redis holds another type than its engine gives it"
    )
    locked = own_valkey()
    redis_of(locked.url).config_set("requirepass", "hunter2")
    for url in (locked.url, f"{locked.url}?password=wrong"):
        assert refusal(url) == "its Redis refused the user or the password of its url"
    assert redis_of(f"{locked.url}?password=hunter2").ping()


def test_what_fails_otherwise_is_told_by_its_kind_alone() -> None:
    assert why(KeyError("hunter2")) == "it failed (KeyError)"
    assert why(BrokerError("the worker is gone")) == "the worker is gone"
