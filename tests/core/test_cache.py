"""The cache on a real store: JSON, computed once in the fleet, and never in the way when it fails."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from core import keys, metrics
from core.cache import CHEAP_S, LOCK_S, Cache
from core.site import Site
from core.store import Store, StoreError
from tests.conftest import wait_until

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Answer:
    number: int
    names: tuple[str, ...] = ()


class Work:
    """Something to compute, which counts how often it was and takes as long as it is told."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.done = 0
        self._takes_s = takes_s

    def __call__(self) -> Answer:
        time.sleep(self._takes_s)
        self.done += 1
        return Answer(self.done, ("a",))


@pytest.fixture
def cache(store: Store) -> Cache:
    return Cache(Flask("one"), store)


def counts(name: str) -> tuple[float, float]:
    value = metrics.REGISTRY.get_sample_value
    return (
        value("headway_cache_hits_total", {"cache": name}) or 0,
        value("headway_cache_misses_total", {"cache": name}) or 0,
    )


def test_values_stand_in_the_store_as_json_under_their_own_name(cache: Cache, store: Store) -> None:
    cache.set("plain", {"a": [1, None, "é"]}, 30)
    assert store.redis.get("plain") == '{"a":[1,null,"\\u00e9"]}'
    assert 0 < store.redis.ttl("plain") <= 30
    assert cache.get("plain") == {"a": [1, None, "é"]}


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), b"bytes"])
def test_what_json_can_not_say_is_refused_and_not_kept(cache: Cache, store: Store, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        cache.set("refused", value, 30)
    assert not store.redis.exists("refused")


def test_hits_and_misses_are_told_from_the_first_look_on(cache: Cache) -> None:
    value = metrics.REGISTRY.get_sample_value
    for looks, hits in ((1, 0), (2, 1)):
        cache.get_or_compute("k", 30, Work(), "both", Answer)
        assert value("headway_cache_hits_total", {"cache": "both"}) == hits, looks
        assert value("headway_cache_misses_total", {"cache": "both"}) == 1


def test_a_value_is_computed_once_and_then_found(cache: Cache) -> None:
    hits, misses = counts("once")
    work = Work()
    answers = [cache.get_or_compute("k", 30, work, "once", Answer) for _ in range(3)]
    assert answers == [Answer(1, ("a",))] * 3
    assert counts("once") == (hits + 2, misses + 1)


def test_what_took_long_to_compute_is_kept_longer_than_the_rest_may_be(cache: Cache, store: Store) -> None:
    def kept_s(work: Work, cheap_ttl_s: int | None = 20) -> float:
        store.redis.delete("k")
        cache.get_or_compute("k", 30_000, work, "dear", Answer, cheap_ttl_s=cheap_ttl_s)
        return float(store.redis.ttl("k"))

    assert kept_s(Work(CHEAP_S)) > 20
    assert kept_s(Work(), None) > 20
    # A machine that stands still for a moment makes anything dear.
    wait_until(lambda: kept_s(Work()) <= 20, what="a value that was computed at once")


@pytest.mark.parametrize("damage", [b"{not json", b"\xff\xfe", b"[1]", b'{"number":"x"}', b"null", b"[" * 100_000])
def test_a_damaged_value_is_a_miss(cache: Cache, store: Store, damage: bytes) -> None:
    store.raw.set("k", damage)
    assert cache.get_or_compute("k", 30, Work(), "damaged", Answer) == Answer(1, ("a",))
    assert store.redis.get("k") == '{"number":1,"names":["a"]}'


def test_a_key_of_another_type_is_a_miss_and_written_over(cache: Cache, store: Store) -> None:
    store.redis.lpush("k", "x")
    assert cache.get("k") is None
    assert cache.get_or_compute("k", 30, Work(), "type", Answer) == Answer(1, ("a",))
    assert store.redis.type("k") == "string"


def test_many_threads_of_two_processes_compute_it_once(store: Store) -> None:
    others = Store(store.url)
    caches = (Cache(Flask("one"), store), Cache(Flask("two"), others))
    work = Work(takes_s=0.3)
    answers: list[Answer] = []
    barrier = threading.Barrier(20)

    def ask(cache: Cache) -> None:
        barrier.wait()
        answers.append(cache.get_or_compute("k", 30, work, "load", Answer))

    threads = [threading.Thread(target=ask, args=(caches[number % 2],)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert work.done == 1
    assert answers == [Answer(1, ("a",))] * 20
    assert not store.redis.exists(keys.CACHE_LOCK.at(0, "k"))
    others.close()


def test_threads_that_wait_in_one_process_do_not_each_ask_the_store_over_and_over(cache: Cache, store: Store) -> None:
    store.redis.config_resetstat()
    work = Work(takes_s=0.5)
    threads = [
        threading.Thread(target=cache.get_or_compute, args=("k", 30, work, "wait", Answer)) for _ in range(10)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert work.done == 1
    assert store.redis.info("commandstats")["cmdstat_get"]["calls"] < 40


def test_when_the_one_that_computes_dies_another_takes_over(cache: Cache, store: Store) -> None:
    program = (
        "import sys, time; from flask import Flask; from core.cache import Cache; from core.store import Store\n"
        "Cache(Flask('dying'), Store(sys.argv[1])).get_or_compute('k', 30, lambda: time.sleep(600), 'dies', dict)"
    )
    dying = subprocess.Popen([sys.executable, "-c", program, store.url], cwd=ROOT)
    wait_until(lambda: store.redis.exists(keys.CACHE_LOCK.at(0, "k")), what="the other's lock")
    dying.kill()
    dying.wait()
    assert 0 < store.redis.pttl(keys.CACHE_LOCK.at(0, "k")) <= LOCK_S * 1000
    assert cache.get_or_compute("k", 30, Work(), "dies", Answer) == Answer(1, ("a",))


def test_an_error_while_computing_reaches_the_caller_and_the_next_one_computes(cache: Cache, store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("k", 30, lambda: Answer(1 // 0), "raises", Answer)
    assert not store.redis.exists(keys.CACHE_LOCK.at(0, "k"))
    assert cache.get_or_compute("k", 30, Work(), "raises", Answer) == Answer(1, ("a",))


def test_without_a_store_every_caller_computes() -> None:
    away = Store("unix:///tmp/no-such-socket")
    cache, work = Cache(Flask("away"), away), Work()
    assert [cache.get_or_compute("k", 30, work, "away", Answer).number for _ in range(2)] == [1, 2]
    with pytest.raises(StoreError):
        cache.get("k")


def test_a_value_that_can_not_be_kept_is_still_answered(cache: Cache, store: Store) -> None:
    store.redis.config_set("maxmemory", "1")
    try:
        assert cache.get_or_compute("k", 30, Work(), "full", Answer) == Answer(1, ("a",))
    finally:
        store.redis.config_set("maxmemory", "0")


def test_it_works_within_another_application_s_context(cache: Cache) -> None:
    with Flask("another").app_context():
        cache.set("k", 1, 30)
        assert cache.get("k") == 1


def test_nothing_stays_behind_of_keys_that_nobody_asks_for_any_more(site: Site) -> None:
    for number in range(100):
        site.cache.get_or_compute(f"key-{number}", 60, lambda: 1, "test", int)
    assert not site.cache._flights
