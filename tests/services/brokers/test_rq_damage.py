"""A key of RQ's that holds another type: it is told by its name, and all the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from core.site import Site
from services.brokers import mirror, rq_hashes, standings
from services.brokers.model import EngineJob, Standing
from services.brokers.rq_damage import Damage
from tests.conftest import Valkey
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers.rq_hashes_made import CREATED, job_of, packed, put, put_many
from tests.services.brokers.test_rq_workers import register

WAITS = job_of(packed("app.mail"))


@pytest.fixture
def client(theirs: Valkey) -> Iterator[Any]:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
        put_many(client, ["first"])
        put(client, {"other": job_of(packed("app.mail"), origin="mail")}, "mail")
        register(client, "alive", 2e9)
        yield client


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("rq:queue:broken", "is no list: its jobs are not read"),
        ("rq:queue:broken:intermediate", "is no list: its jobs are not read"),
        ("rq:wip:broken", "is no sorted set: its jobs are not read"),
        ("rq:scheduled:broken", "is no sorted set: its jobs are not read"),
        ("rq:finished:broken", "is no sorted set: its jobs are not read"),
        ("rq:workers", "is no set: no worker is found by it"),
        ("rq:job:broken", "is no hash: that job is not read"),
        ("rq:worker:broken", "is no hash: that worker is not shown"),
        ("rq:worker:alive:executions", "is no set: it is not read"),
        ("rq:queues", "is no set: no queue is found by it"),
        ("rq:cron_schedulers", "is no sorted set: it is not read"),
        ("rq:rl-keys", "is no set: it is not read"),
    ],
)
@pytest.mark.parametrize("is_there_before", [True, False], ids=["from the start", "later"])
def test_it_is_told_by_its_name_until_it_is_mended_and_all_else_goes_on(
    key: str, words: str, is_there_before: bool, theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]
) -> None:
    def damage() -> None:
        client.sadd("rq:queues", "rq:queue:broken")
        client.sadd("rq:workers", "rq:worker:broken")
        client.zadd("rq:finished:mail", {"broken": 2e9})
        client.set(key, "oops")

    if is_there_before:
        damage()
    followed = follow(theirs.url, queues=("default", "mail"))
    followed.settled()
    if not is_there_before and key != "rq:rl-keys":  # which is read at the beginning alone
        damage()
        followed.until(lambda: followed.snapshot.notes, "the note")
    client.hset("rq:job:later", mapping=WAITS)
    client.rpush("rq:queue:default", "later")
    assert followed.comes_to("later", "queued")
    assert followed.comes_to("other", "queued")
    followed.settled()
    expected = [f"{key} {words}"] if is_there_before or key != "rq:rl-keys" else []
    assert list(followed.snapshot.notes) == expected
    assert followed.queue().counts["queued"] == 2
    assert followed.queue().workers == (None if key == "rq:workers" else 1)
    client.delete(key)
    client.srem("rq:workers", "rq:worker:broken")
    if key != "rq:rl-keys":
        followed.until(lambda: not followed.snapshot.notes, "the end of the note")


LONE = json.dumps(["\ud800"])
"""Half of a character, which JSON can write and nobody can store."""


def put_odd(client: Any, score: str, **fields: str) -> None:
    client.hset("rq:job:odd", mapping=job_of(packed("app.mail"), status="scheduled", **fields))
    client.zadd("rq:scheduled:default", {"odd": score})


def put_cron(client: Any, score: str, **entry: Any) -> None:
    client.zadd("rq:cron_schedulers", {"box:1": score})
    client.hset("rq:cron_scheduler:box:1", "cron_jobs", json.dumps([{"func_name": "app.mail", "interval": 30} | entry]))


@pytest.mark.parametrize("score", ["+inf", "-inf", "1e300", "1e13"])
def test_a_moment_that_is_none_takes_nothing_else_away(
    score: str, theirs: Valkey, client: Any, site: Site, follow: Callable[..., FollowedRq]
) -> None:
    ended = {"status": "finished", "started_at": "9999-12-31T23:59:59.999999", "ended_at": "0001-01-01T00:00:00"}
    client.hset("rq:job:ended", mapping=job_of(packed("app.mail"), **ended))
    client.xadd("rq:results:ended", {"type": "1"}, id="18446744073709551615-1")
    client.zadd("rq:finished:default", {"ended": 2e9})
    put_odd(client, score)
    put_cron(client, score)
    followed = follow(theirs.url)
    assert followed.comes_to("odd", "scheduled").due_at is None
    assert followed.comes_to("ended", "finished").finished_at is not None, "when that was seen"
    assert followed.comes_to("first", "queued")
    (entry,) = followed.snapshot.schedules
    assert (entry.spec, entry.alive) == ("every 30 s", None)


@pytest.mark.parametrize("field", ["name", "func_name", "queue_name", "cron", "interval", "next_enqueue_time"])
def test_half_a_character_takes_nothing_else_away(
    field: str, theirs: Valkey, client: Any, site: Site, follow: Callable[..., FollowedRq]
) -> None:
    put_odd(client, "2e9", repeats_left="3", repeat_intervals=LONE, dependency_ids=LONE)
    put_cron(client, "2e9", **{field: "\ud800"})
    followed = follow(theirs.url)
    assert followed.comes_to("odd", "scheduled")
    noted = Standing(broker="rq", engine="rq", discovered=True, at_ms=1, snapshot=followed.snapshot)
    standings.note(site, noted)
    assert standings.of(site, "rq") == noted
    assert len(followed.snapshot.schedules) == 2


@pytest.mark.parametrize(
    ("step", "note"),
    [("_go_on", ""), ("_go_on", "x" * 2 * rq_hashes.SMALL), ("_end", "x" * 2 * rq_hashes.SMALL)],
    ids=["small", "large", "large, later"],
)
@pytest.mark.parametrize("is_late", [False, True], ids=["whole", "but for a late heartbeat"])
def test_a_job_that_is_deleted_while_it_is_read_is_gone(
    step: str, note: str, is_late: bool, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, {id: job_of(packed("app.mail"), note=note) for id in ("deleted", "stays")})
    put(client, {"empty": job_of(b"")})
    whole = getattr(rq_hashes, step)

    def deleted_first(*asked: Any) -> None:
        client.delete("rq:job:deleted")
        if is_late:
            client.hset("rq:job:deleted", "last_heartbeat", CREATED)
        whole(*asked)

    monkeypatch.setattr(rq_hashes, step, deleted_first)
    found, gone = rq_hashes.read(client, [b"deleted", b"stays", b"empty"], Damage())
    assert ([one.id for one in found], gone) == ([b"stays", b"empty"], [b"deleted"])
    assert [one.fields[b"data"] for one in found] == [packed("app.mail"), b""]


def test_jobs_stay_as_they_were_whose_list_can_not_be_read(
    theirs: Valkey, client: Any, site: Site, follow: Callable[..., FollowedRq]
) -> None:
    mirror.take(site, "rq", "rq", [EngineJob(id="held", state="queued", queue="default")])
    client.delete("rq:queue:default")
    client.set("rq:queue:default", "oops")
    followed = follow(theirs.url)
    followed.comes_to("other", "queued")
    followed.settled()
    held = followed.job("held")
    assert held is not None
    assert held.state == "queued"
    assert "queued" not in followed.queue().counts, "nobody knows"
    assert "finished" in followed.queue().counts


def test_many_are_told_in_a_few_notes(theirs: Valkey, client: Any, follow: Callable[..., FollowedRq]) -> None:
    for number in range(9):
        client.sadd("rq:queues", f"rq:queue:broken-{number}")
        client.set(f"rq:queue:broken-{number}", "oops")
    notes = follow(theirs.url).settled().notes
    assert notes[0] == "rq:queue:broken-0 is no list: its jobs are not read"
    assert notes[-1] == "4 more of RQ's keys hold another type than RQ gives them"
    assert len(notes) == 6
