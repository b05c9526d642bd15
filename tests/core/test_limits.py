"""Who counts as one visitor, and counting with the store there, away, full, and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core import limits
from core.limits import SIGN_IN, Limits, address
from core.store import Store
from tests.conftest import Valkey


@pytest.mark.parametrize(
    ("remote", "visitor"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("evil", "unknown"),
        ("evil:80", "unknown"),
        ("1.2.3.4.5", "unknown"),
        ("x" * 10_000, "unknown"),
        ("1:2:3:4", "unknown"),
        (":" * 100, "unknown"),
        ("192.0.2.1\r\nx", "unknown"),
    ],
)
def test_a_visitor_is_an_address_or_a_network_of_64_bits(remote: str | None, visitor: str) -> None:
    assert address(remote) == visitor


def tries(counter: Limits, times: int, name: str = "192.0.2.1") -> list[bool]:
    return [counter.wait_s(SIGN_IN, name) is None for _ in range(times)]


def test_past_the_limit_the_wait_is_told_and_ends_with_the_window(store: Store) -> None:
    counter = Limits(store)
    assert tries(counter, 12) == [True] * 10 + [False] * 2
    first = counter.wait_s(SIGN_IN, "192.0.2.1")
    assert first is not None
    assert 0 < first <= 300
    (key,) = store.redis.keys("*limit*")
    assert 0 < store.redis.ttl(key) <= 300
    store.redis.expire(key, 2)
    assert counter.wait_s(SIGN_IN, "192.0.2.1") in (1, 2), "a refused attempt does not make it longer"
    store.redis.delete(key)
    assert counter.wait_s(SIGN_IN, "192.0.2.1") is None


def test_what_is_given_back_was_never_counted(store: Store) -> None:
    counter = Limits(store)
    for _ in range(30):
        assert counter.wait_s(SIGN_IN, "a") is None
        counter.give_back(SIGN_IN, "a")
    assert tries(counter, 11, "a") == [True] * 10 + [False]


def test_with_the_store_gone_counting_goes_on_in_memory(own_valkey: Callable[..., Valkey]) -> None:
    valkey = own_valkey()
    counter = Limits(Store(valkey.url))
    assert all(tries(counter, 3))
    valkey.stop()
    assert tries(counter, 12) == [True] * 10 + [False] * 2
    counter.give_back(SIGN_IN, "192.0.2.2")
    assert tries(counter, 11, "192.0.2.2") == [True] * 10 + [False]


def test_a_store_without_room_does_not_let_guessers_through(own_valkey: Callable[..., Valkey]) -> None:
    valkey = own_valkey("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    assert tries(Limits(Store(valkey.url)), 12) == [True] * 10 + [False] * 2


def test_limits_of_several_kinds_do_not_mix(store: Store) -> None:
    counter = Limits(store)
    tries(counter, 12, "same")
    assert counter.wait_s(limits.WRONG_TOKEN, "same") is None
    assert counter.wait_s(limits.ingest(10), "same") is None
