"""Sessions that were ended stay ended, whatever happens to the store."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from core import keys
from core.endings import Endings
from core.store import Store
from tests.conftest import Valkey, wait_until

BEGUN = 1_800_000_000.0


def endings(store: Store, now: float = BEGUN + 60) -> Endings:
    return Endings(store, lambda: now, 3600)


def test_a_session_lives_until_it_is_ended_here_or_elsewhere(store: Store) -> None:
    here, there = endings(store), endings(store)
    assert here.alive("a", BEGUN)
    assert there.alive("a", BEGUN)
    here.end("a")
    assert not here.alive("a", BEGUN)
    assert here.alive("b", BEGUN)
    wait_until(lambda: not there.alive("a", BEGUN), what="the other process's word")
    assert there.alive("b", BEGUN)


def test_what_is_kept_of_an_ended_session_goes_when_it_would_have_run_out(store: Store) -> None:
    endings(store).end("a")
    assert 3500 < store.redis.ttl(keys.REVOKED.at(0, "a")) <= 3600


def test_ending_all_ends_those_begun_before_and_none_begun_after(store: Store) -> None:
    here, there = endings(store), endings(store)
    here.end_all()
    for one in (here, there):
        assert not one.alive("a", BEGUN)
        assert not one.alive("b", BEGUN + 60)
        assert one.alive("c", BEGUN + 60.001)


def test_what_was_said_is_kept_for_about_a_second_and_not_asked_again(store: Store) -> None:
    one = endings(store)
    one.alive("a", BEGUN)
    before = store.redis.info("commandstats")["cmdstat_mget"]["calls"]
    began = time.monotonic()
    for _ in range(1000):
        one.alive("a", BEGUN)
    asked = store.redis.info("commandstats")["cmdstat_mget"]["calls"] - before
    assert asked <= time.monotonic() - began + 1


@pytest.mark.parametrize("damage", ["text", "list"])
def test_a_damaged_key_shuts_nobody_out(store: Store, damage: str) -> None:
    if damage == "text":
        store.redis.set(keys.SESSIONS_ENDED.at(), "not a time")
    else:
        store.redis.rpush(keys.SESSIONS_ENDED.at(), "x")
    assert endings(store).alive("a", BEGUN)


def test_what_a_process_keeps_is_bounded(store: Store) -> None:
    one = endings(store)
    for n in range(10_000):
        one._answers[str(n)] = (0.0, True)
    one.alive("a", BEGUN)
    assert len(one._answers) == 1


def test_with_the_store_away_ended_stays_ended_and_the_store_is_told_later(own_valkey: Callable[..., Valkey]) -> None:
    valkey = own_valkey()
    store = Store(valkey.url)
    one = endings(store)
    assert one.alive("a", BEGUN)
    valkey.stop()
    one.end("a")
    assert not one.alive("a", BEGUN)
    assert one.alive("b", BEGUN)
    one.end_all()
    assert not one.alive("b", BEGUN)
    assert one.alive("c", BEGUN + 61)
    valkey.start()
    wait_until(lambda: one.alive("c", BEGUN + 61) and store_knows(store), what="the store's being told")
    assert not endings(store).alive("b", BEGUN)


def test_a_full_store_is_still_asked_what_others_ended_and_told_when_it_has_room(
    own_valkey: Callable[..., Valkey],
) -> None:
    valkey = own_valkey("--maxmemory-policy", "noeviction")
    store = Store(valkey.url)
    here, there = endings(store), endings(store)
    there.end("b")
    store.redis.config_set("maxmemory", "1")
    here.end("a")
    assert not here.alive("a", BEGUN)
    assert not here.alive("b", BEGUN)
    assert here.alive("c", BEGUN)
    store.redis.config_set("maxmemory", "0")
    wait_until(lambda: here.alive("c", BEGUN) and store_knows(store), what="the store's being told")


def store_knows(store: Store) -> bool:
    return bool(store.redis.exists(keys.REVOKED.at(0, "a")))
