"""What following costs the user's Redis: by what changed, never by what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from core.site import Site
from services.brokers import mirror, rq_compare, rq_drift, rq_follower
from services.brokers.model import EngineJob
from tests.conftest import Valkey
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers.rq_hashes_made import job_of, packed, put, put_many


@pytest.fixture
def client(theirs: Valkey) -> Iterator[Any]:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
        yield client


def calls(client: Any) -> dict[str, int]:
    """The commands since `config_resetstat`, by name, without those of the test."""
    found = {name.removeprefix("cmdstat_"): told["calls"] for name, told in client.info("commandstats").items()}
    return {name: count for name, count in found.items() if name not in ("config|resetstat", "info")}


def test_a_tick_over_100_000_idle_jobs_costs_under_20_commands(
    client: Any, theirs: Valkey, site: Site, follow: Callable[..., FollowedRq]
) -> None:
    ids = [f"job-{number}" for number in range(100_000)]
    put_many(client, ids)
    for number in range(300):
        client.sadd("rq:queues", f"rq:queue:empty-{number}")
    # As after a restart: Headway holds them from before.
    mirror.take(site, "rq", "rq", [EngineJob(id=id, state="queued", queue="default", created_ms=1) for id in ids])
    followed = follow(theirs.url)
    client.config_resetstat()
    assert followed.settled().queues[0].counts["queued"] == 100_000
    at_start = calls(client)
    assert at_start["lrange"] <= 101
    assert at_start.get("hmget", 0) < 10, "no job that is held already is read again"
    for _ in range(3):
        client.config_resetstat()
        followed.tick()
        assert 0 < sum(calls(client).values()) < 20
        assert not {"keys", "scan", "hgetall", "lrange", "zrange"} & calls(client).keys()


def test_a_tick_reads_what_changed_and_no_more(client: Any, theirs: Valkey, follow: Callable[..., FollowedRq]) -> None:
    put_many(client, [f"job-{number}" for number in range(200)])
    followed = follow(theirs.url)
    followed.settled()
    client.config_resetstat()
    client.hset("rq:job:job-7", "meta", '{"progress": 50}')
    put(client, {"new": job_of(packed("app.mail"))})
    followed.comes_to("new", "queued")
    assert calls(client)["hmget"] <= 8
    assert "lrange" not in calls(client)


def test_of_very_many_queues_some_are_shown_and_jobs_are_followed_in_all(
    client: Any, theirs: Valkey, site: Site, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rq_follower, "MOST_QUEUES", 3)
    waits = job_of(packed("app.mail"))
    for queue in "abcdef":
        put(client, {f"in-{queue}": {**waits, "origin": queue}}, queue)
    mirror.take(site, "rq", "rq", [EngineJob(id="in-e", state="queued", queue="e")])  # as before a restart
    followed = follow(theirs.url, queues=("f",))
    note = "3 more queues are not shown: 3 are, first those that headway.toml names"
    assert note in followed.settled().notes
    assert [queue.name for queue in followed.snapshot.queues] == ["a", "b", "f"]
    put(client, {"new": {**waits, "origin": "d"}}, "d")
    followed.comes_to("new", "queued")
    client.hset("rq:job:in-c", "meta", "{}")
    followed.comes_to("in-c", "queued")
    followed.settled()
    held = followed.job("in-e")
    assert held is not None and held.state == "queued", "it waits in RQ"
    client.srem("rq:queues", "rq:queue:a", "rq:queue:c", "rq:queue:d")
    followed.until(lambda: not followed.snapshot.notes, "the end of the note")
    assert [queue.name for queue in followed.snapshot.queues] == ["b", "e", "f"]


def test_what_tracking_missed_is_found_by_counts(
    client: Any, theirs: Valkey, site: Site, follow: Callable[..., FollowedRq]
) -> None:
    put_many(client, ["a", "b"])
    followed = follow(theirs.url)
    followed.settled()
    # Somebody wrote into Headway's store what RQ knows nothing of, which no key of RQ tells.
    mirror.take(site, "rq", "rq", [EngineJob(id="ghost", state="queued", queue="default")])
    assert followed.comes_to("ghost", "deleted")
    client.config_resetstat()
    for _ in range(2 * rq_drift.LASTS):
        followed.tick()
    assert "lrange" not in calls(client), "what is alike is not compared"


def test_ids_that_rq_keeps_of_jobs_that_are_gone_are_looked_at_once(
    client: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    put_many(client, ["a"])
    client.rpush("rq:queue:default", "gone-1", "gone-2")
    followed = follow(theirs.url)
    followed.until(lambda: followed.queue().counts["queued"] == 3, "the count")
    for _ in range(2 * rq_drift.LASTS):
        followed.tick()
    client.config_resetstat()
    for _ in range(2 * rq_drift.LASTS):
        followed.tick()
    assert "lrange" not in calls(client)


def test_jobs_that_came_while_nobody_listened_are_found_oldest_first(
    client: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    ids = [f"job-{number:04}" for number in range(2_500)]
    put_many(client, ids)
    followed = follow(theirs.url)
    followed.settled()
    jobs = [followed.job(id) for id in (ids[0], ids[1_200], ids[-1])]
    numbers = [job.number for job in jobs if job is not None]
    assert len(numbers) == 3
    assert numbers == sorted(numbers)


def of_all_states(client: Any, many: int) -> list[str]:
    """Jobs in all states and two queues in turn, in the order in which they were created; those of a queue's registry lie in it the other
    way round."""
    ids = [f"job-{number}" for number in range(many)]
    states = ("queued", "finished", "failed", "scheduled", "deferred", "canceled")
    pipeline = client.pipeline(transaction=False)
    for number, id in enumerate(ids):
        queue, state = "ab"[number % 2], states[number % len(states)]
        at = f"2026-11-21T10:{number // 60:02}:{number % 60:02}.000000Z"
        fields = job_of(packed("app.mail"), status=state, origin=queue, created_at=at, enqueued_at=at, ended_at=at)
        pipeline.hset(f"rq:job:{id}", mapping=fields)
        pipeline.sadd("rq:queues", f"rq:queue:{queue}")
        if state == "queued":
            pipeline.rpush(f"rq:queue:{queue}", id)
        else:
            pipeline.zadd(f"rq:{state}:{queue}", {id: 4_000_000_000 - number})
    pipeline.execute()
    return ids


@pytest.mark.parametrize("at_once", [1_000, 100], ids=["all in order", "so many that they are put in order in parts"])
def test_what_was_there_before_gets_its_numbers_in_the_order_of_creation(
    client: Any, theirs: Valkey, follow: Callable[..., FollowedRq], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(rq_compare, "MOST_ORDERED", at_once)
    ids = of_all_states(client, 600)
    followed = follow(theirs.url)
    followed.settled()
    jobs = [followed.job(id) for id in ids]
    numbers = [job.number for job in jobs if job is not None]
    assert len(numbers) == len(ids)
    together = 1 if at_once == 1_000 else 6  # a queue's jobs of a state
    for place in range(together):
        assert numbers[place::together] == sorted(numbers[place::together])


def test_all_that_ends_and_vanishes_at_once_is_taken_in(
    client: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    ids = [f"job-{number}" for number in range(1_500)]
    put_many(client, ids)
    followed = follow(theirs.url)
    followed.settled()
    client.flushdb()
    followed.until(lambda: (job := followed.job(ids[-1])) and job.state == "deleted", "the last one's end")
    followed.settled()
    assert all((job := followed.job(id)) and job.state == "deleted" for id in ids[::100])
