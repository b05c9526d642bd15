"""What the store's failures are called."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from core.store import Store, StoreError, explain, full, is_away
from tests.conftest import Valkey, wait_until


@pytest.fixture
def own(own_valkey: Callable[..., Valkey]) -> Valkey:
    """A store to spoil."""
    return own_valkey("--maxmemory-policy", "noeviction", "--dbfilename", "taken.rdb")


def fault(store: Store, *command: str, piped: bool) -> StoreError:
    with pytest.raises(StoreError) as raised:
        if piped:
            with store.redis.pipeline(transaction=False) as pipeline:
                pipeline.execute_command(*command)
                pipeline.execute()
        else:
            store.redis.execute_command(*command)
    return raised.value


@pytest.mark.parametrize("piped", [False, True])
def test_a_wrong_type_is_told_by_the_store_s_word_for_it(store: Store, piped: bool) -> None:
    store.redis.set("text", "x")
    error = fault(store, "RPUSH", "text", "MISCONF NOAUTH OOM", piped=piped)
    assert explain(error) == "the store answered WRONGTYPE"
    assert not full(error) and not is_away(error)


@pytest.mark.parametrize("piped", [False, True])
def test_a_store_without_room_is_full(own: Valkey, piped: bool) -> None:
    with closing(Store(own.url)) as store:
        store.redis.config_set("maxmemory", "1")
        error = fault(store, "SET", "k", "v", piped=piped)
    assert explain(error) == "the store is out of memory (maxmemory)"
    assert full(error) and is_away(error)


@pytest.mark.parametrize("piped", [False, True])
def test_a_store_that_cant_save_counts_as_full(own: Valkey, piped: bool) -> None:
    taken = own.folder / "taken.rdb"  # a snapshot can't take this name
    taken.mkdir()
    (taken / "file").touch()
    with closing(Store(own.url)) as store:
        store.redis.config_set("save", "3600 1000000")
        store.redis.bgsave()
        wait_until(lambda: store.redis.info("persistence")["rdb_last_bgsave_status"] == "err", what="the failure")
        error = fault(store, "SET", "k", "v", piped=piped)
        store.redis.config_set("save", "")  # or it refuses to end, too
    assert explain(error) == "the store can't save to its disk and refuses writes (MISCONF)"
    assert full(error)


def test_a_store_that_can_not_be_reached_is_told_of_without_its_address() -> None:
    error = fault(Store("redis://:a-secret@127.0.0.1:1/0"), "PING", piped=False)
    assert explain(error) == "the store can't be reached"
    assert not full(error) and is_away(error)
