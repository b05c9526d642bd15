"""Sources of kind `jobs` and `redis`, asked of real stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from core import config
from core.fields import check
from core.site import Site
from core.store import Store
from services import job_rules, job_series_service, jobs_service, tile_sources
from services.job_changes import JobRef
from services.tile_sources import Context, SourceError, number
from tests.conftest import Valkey, free_port
from tests.proxy import Proxy
from tests.services.told_tiles import at

PASSWORD = "a-secret-nobody-may-read"


def source(**said: Any) -> Any:
    """A source as headway.toml says it."""
    fields = ", ".join(f"{name} = {value!r}" for name, value in said.items())
    (tile,) = config.parse(f'[[tiles]]\nid = "a"\nsource = {{ {fields} }}\n', {}).tiles or ()
    return tile.source


def read(site: Site, timeout_s: float = 5.0, **said: Any) -> int | float | None:
    return tile_sources.read(source(**said), Context(site, timeout_s))


def report(site: Site, agent: str, status: str) -> None:
    job = jobs_service.create(site, check(job_rules.NewJob, {"agent": agent})).job
    assert job is not None
    if status != "queued":
        jobs_service.update(site, JobRef(number=job.number), check(job_rules.Update, {"status": status}))


class TestJobs:
    @pytest.fixture
    def site(self, parted_site: Site) -> Site:
        for agent, statuses in {
            "a": ("queued", "completed", "failed", "failed"),
            "b": ("queued", "processing"),
        }.items():
            for status in statuses:
                report(parted_site, agent, status)
        return parted_site

    @pytest.mark.parametrize(
        ("figure", "of_all", "of_a"),
        [("total", 6, 4), ("queued", 2, 1), ("processing", 1, 0), ("completed", 1, 1), ("failed", 2, 2),
         ("success_rate", 33.33, 33.33)],
    )  # fmt: skip
    def test_a_count_is_of_all_or_of_one_agent(self, site: Site, figure: str, of_all: float, of_a: float) -> None:
        assert read(site, kind="jobs", figure=figure) == of_all
        assert read(site, kind="jobs", figure=figure, agent="a") == of_a

    def test_the_oldest_is_how_long_the_first_in_the_queue_waits(self, site: Site) -> None:
        later = at(site, time.time() + 600)
        for said in ({}, {"agent": "b"}):
            age_s = read(later, kind="jobs", figure="oldest", **said)
            assert age_s is not None and 600 <= age_s < 660
        assert read(at(site, 0.0), kind="jobs", figure="oldest") == 0, "a clock that was set back makes no negative age"

    def test_times_and_rates_are_those_of_the_page(self, site: Site) -> None:
        assert read(at(site, time.time() + 60), kind="jobs", figure="jobs_per_minute") == 0.6
        took = job_series_service.recent(site).took
        assert took.p50 is not None
        assert [read(site, kind="jobs", figure=figure) for figure in ("p50", "p95")] == [took.p50, took.p95]

    def test_what_no_job_told_is_no_value(self, site: Site) -> None:
        for figure in ("success_rate", "oldest"):
            assert read(site, kind="jobs", figure=figure, agent="nobody") is None


class TestRedis:
    @pytest.fixture
    def filled(self, store: Store) -> Store:
        store.redis.mset(
            {"whole": "42", "part": "-2.5", "text": "many", "nan": "nan", "huge": "1e999", "long": "1" * 65}
        )
        store.redis.set("big", "9" * 60)
        store.redis.hset("hash", mapping={"n": "7", "x": "", "long": "1" * 65})
        store.redis.rpush("list", 1, 2, 3)
        store.redis.sadd("set", 1, 2)
        store.redis.zadd("zset", {"one": 1.5, "two": 20, "far": float("inf")})
        store.redis.xadd("stream", {"a": 1})
        store.redis.pfadd("guess", 1, 2, 3)
        return store

    @pytest.mark.parametrize(
        ("command", "key", "args", "value"),
        [
            ("GET", "whole", [], 42), ("get", "part", [], -2.5), ("GET", "big", [], int("9" * 60)),
            ("HGET", "hash", ["n"], 7), ("HLEN", "hash", [], 3), ("LLEN", "list", [], 3), ("SCARD", "set", [], 2),
            ("ZCARD", "zset", [], 3), ("ZCOUNT", "zset", ["(1.5", "+inf"], 2), ("ZSCORE", "zset", ["one"], 1.5),
            ("XLEN", "stream", [], 1), ("STRLEN", "text", [], 4), ("PFCOUNT", "guess", [], 3), ("EXISTS", "list", [], 1),
            ("GET", "none", [], None), ("HGET", "none", ["n"], None), ("HGET", "hash", ["none"], None),
            ("ZSCORE", "zset", ["none"], None), ("LLEN", "none", [], 0), ("ZCARD", "none", [], 0), ("EXISTS", "none", [], 0),
        ],
    )  # fmt: skip
    def test_each_command_reads_what_it_is_for(
        self, filled: Store, site: Site, command: str, key: str, args: list[str], value: float | None
    ) -> None:
        for said in ({}, {"url": filled.url}):
            found = read(site, kind="redis", command=command, key=key, args=args, **said)
            assert (found, type(found)) == (value, type(value))

    @pytest.mark.parametrize(
        ("command", "key", "args", "why"),
        [
            ("GET", "text", [], "what the key holds is no number"), ("GET", "nan", [], "no finite number"),
            ("GET", "huge", [], "no finite number"), ("GET", "long", [], "more than 64 characters"),
            ("HGET", "hash", ["x"], "is no number"), ("HGET", "hash", ["long"], "more than 64 characters"),
            ("ZSCORE", "zset", ["far"], "no finite number"), ("LLEN", "whole", [], "holds another type than LLEN reads"),
            ("GET", "list", [], "holds another type than GET reads"), ("ZCOUNT", "zset", ["a", "b"], "server answered: min or max is not a float"),
        ],
    )  # fmt: skip
    def test_what_is_no_number_is_told_in_words(
        self, filled: Store, site: Site, command: str, key: str, args: list[str], why: str
    ) -> None:
        with pytest.raises(SourceError, match=why):
            read(site, kind="redis", command=command, key=key, args=args, url=filled.url)

    def test_another_redis_keeps_its_one_connection(self, own_valkey: Callable[..., Valkey], site: Site) -> None:
        proxy = Proxy(own_valkey().socket)
        context = Context(site, 5.0)
        for _ in range(3):
            assert tile_sources.read(source(kind="redis", command="LLEN", key="list", url=proxy.url), context) == 0
            assert proxy.connections == 1
        context.before["client"].close()
        proxy.close()

    def test_one_that_was_restarted_is_read_again(self, own_valkey: Callable[..., Valkey], site: Site) -> None:
        valkey = own_valkey()
        context = Context(site, 5.0)
        asked = source(kind="redis", command="LLEN", key="list", url=valkey.url)
        assert tile_sources.read(asked, context) == 0
        valkey.stop()
        with pytest.raises(SourceError, match=r"^the Redis server can't be reached$"):
            tile_sources.read(asked, context)
        valkey.start()
        assert tile_sources.read(asked, context) == 0

    def test_a_wrong_password_is_told_without_it(self, own_valkey: Callable[..., Valkey], site: Site) -> None:
        valkey = own_valkey()
        locked = Store(valkey.url)
        locked.redis.config_set("requirepass", "right")
        locked.close()
        proxy = Proxy(valkey.socket)
        for login in ("", f":{PASSWORD}@", f"someone:{PASSWORD}@"):
            with pytest.raises(SourceError) as refused:
                read(site, kind="redis", command="GET", key="a", url=f"redis://{login}127.0.0.1:{proxy.port}")
            assert str(refused.value) == "the Redis server refused the password of the source's url"
        proxy.close()

    def test_one_that_does_not_answer_is_given_up_in_time(self, own_valkey: Callable[..., Valkey], site: Site) -> None:
        proxy = Proxy(own_valkey().socket)
        proxy.silent = True
        with pytest.raises(SourceError, match=r"^the Redis server did not answer within 0\.2 s$"):
            read(site, 0.2, kind="redis", command="GET", key="a", url=f"redis://:{PASSWORD}@127.0.0.1:{proxy.port}")
        proxy.close()

    def test_an_address_that_leads_nowhere_is_told_without_its_password(self, site: Site) -> None:
        with pytest.raises(SourceError) as refused:
            read(site, kind="redis", command="GET", key="a", url=f"redis://:{PASSWORD}@127.0.0.1:{free_port()}")
        assert str(refused.value) == "the Redis server can't be reached"


@pytest.mark.parametrize("value", [True, None, "", "1_000", "x", [1], float("inf"), "-inf", 10**400])
def test_what_is_no_finite_number_is_no_value(value: object) -> None:
    with pytest.raises(SourceError, match=r"^the answer is no (finite )?number$"):
        number(value, "the answer")


def test_a_text_of_a_number_is_that_number() -> None:
    assert [number(text, "it") for text in ("7", " 7 ", "-0.5", "1e3")] == [7, 7, -0.5, 1000.0]
