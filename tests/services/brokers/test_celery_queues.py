"""Celery's queues as they stand in a Redis, where no worker takes anything."""

from __future__ import annotations

import base64
import json
import os
import pickle
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import redis

from core.config import Logs, Masking
from core.settings import read
from services.brokers import celery_waiting
from services.brokers.celery_queues import Queues
from services.brokers.celery_tasks import Tasks
from services.brokers.masking import Mask
from services.brokers.model import State
from services.brokers.tracking import Changes
from tests.celery_workers import client
from tests.conftest import Valkey
from tests.services.brokers.followed_celery import FollowedCelery
from tests.services.brokers.followed_rq import metadata


class Bomb:
    """Its pickle would run something."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return (os.abort, ())


@pytest.fixture
def followed(broker: redis.Redis, theirs: Valkey, follow_celery: Callable[..., FollowedCelery]) -> FollowedCelery:
    return follow_celery(theirs.url)


def message(id: str, body: bytes = b"[[], {}, {}]", **headers: Any) -> bytes:
    """As kombu writes one."""
    return json.dumps({
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "shop.add", "id": id, "retries": 0, "eta": None, "argsrepr": "(1, 2)",
                    "kwargsrepr": "{}", "origin": "gen1@web", "timelimit": [None, None]} | headers,
        "properties": {"correlation_id": id, "delivery_mode": 2, "priority": 0, "body_encoding": "base64",
                       "delivery_tag": str(uuid.uuid4()), "delivery_info": {"exchange": "", "routing_key": "celery"}},
    }).encode()  # fmt: skip


def asked(followed: FollowedCelery) -> None:
    """Wait until the follower asked for workers, which it does not again for a while."""
    followed.until(lambda: followed.follower.inspection.rounds, "the asking")


def fill(broker: redis.Redis, number: int, queue: str = "celery", *, first: int = 0) -> None:
    """As many messages, that of the highest number newest."""
    for start in range(first, first + number, 5_000):
        broker.lpush(queue, *(message(f"task-{one}") for one in range(start, min(start + 5_000, first + number))))


def commands(broker: redis.Redis) -> int:
    return int(broker.info("stats")["total_commands_processed"])


def mirrored(followed: FollowedCelery) -> int:
    site = followed.site
    return int(site.store.redis.zcard("headway:{0}:agent-status:queued:celery"))


def test_what_waits_is_known_from_its_list_where_nobody_sends_events(
    followed: FollowedCelery, broker: redis.Redis
) -> None:
    fill(broker, 3)
    broker.lpush("celery", message("later", eta="2036-01-01T00:00:00+00:00"), message("again", retries=2))
    job = followed.comes_to("task-1", "queued")
    assert (job.function, job.queue, job.status) == ("shop.add", "celery", "queued")
    assert metadata(job) == {"args": [1, 2], "origin": "gen1@web"}
    assert followed.comes_to("later", "scheduled").due_at is not None
    assert metadata(followed.comes_to("again", "retrying"))["retries"] == 2
    followed.until(lambda: followed.queue("celery").counts["queued"] == 5, "the count")


def test_lists_of_every_priority_count_and_queues_are_found_by_their_bindings(
    followed: FollowedCelery, broker: redis.Redis, theirs: Valkey
) -> None:
    app = client(theirs.url)
    try:
        for priority in (0, 3, 9):
            app.send_task("shop.add", (1, priority), priority=priority)
        app.send_task("shop.add", (1, 2), queue="letters")
    finally:
        app.close()
    followed.until(lambda: [queue.name for queue in followed.snapshot.queues] == ["celery", "letters"], "the queue")
    followed.until(lambda: followed.queue("celery").depth == 3, "all of them")
    assert followed.queue("letters").depth == 1
    assert followed.queue("celery").depth == sum(
        broker.llen(f"celery{step}") for step in ("", "\x06\x163", "\x06\x169")
    )


def test_a_queue_that_is_not_there_is_not_shown(followed: FollowedCelery, broker: redis.Redis, theirs: Valkey) -> None:
    app = client(theirs.url)
    app.conf.update(task_default_queue="deliveries")
    try:
        app.send_task("shop.add", (1, 2))
    finally:
        app.close()
    followed.until(lambda: followed.snapshot.queues, "a queue")
    followed.settled()
    assert [queue.name for queue in followed.snapshot.queues] == ["deliveries"]
    fill(broker, 1)
    followed.until(lambda: len(followed.snapshot.queues) == 2, "the default one")
    broker.delete("celery")
    followed.until(lambda: followed.queue("celery").depth == 0, "its being empty")


def test_a_queue_that_is_declared_is_watched_before_anybody_uses_it(
    broker: redis.Redis, theirs: Valkey, follow_celery: Callable[..., FollowedCelery]
) -> None:
    followed = follow_celery(theirs.url, queues=("quiet",))
    followed.settled()
    assert followed.queue("quiet").depth == 0
    fill(broker, 2, "quiet")
    followed.until(lambda: followed.queue("quiet").depth == 2, "what came")


def test_a_tick_over_many_idle_messages_costs_few_commands(followed: FollowedCelery, broker: redis.Redis) -> None:
    asked(followed)
    fill(broker, 100_000)
    costs = []
    for _ in range(4):
        before = commands(broker)
        followed.tick()
        costs.append(commands(broker) - before - 1)
    assert max(costs) < 20
    assert 0 < mirrored(followed) <= 4 * 2 * celery_waiting.MOST_MESSAGES
    assert followed.follower.woken.is_set()  # it goes on


def test_lists_that_were_read_cost_nothing_until_they_change(followed: FollowedCelery, broker: redis.Redis) -> None:
    fill(broker, 2_500)
    followed.until(lambda: mirrored(followed) == 2_500, "all of them")
    asked(followed)
    followed.settled()
    before = commands(broker)
    for _ in range(5):
        followed.tick()
    assert commands(broker) - before - 1 < 20
    fill(broker, 30, first=2_500)
    broker.rpop("celery", 2_000)
    followed.until(lambda: mirrored(followed) >= 2_530, "the new ones")
    followed.until(lambda: followed.queue("celery").depth == 530, "the count")


@pytest.mark.parametrize("queue", ["celery", " night\tmail"])
def test_a_queue_that_was_purged_leaves_no_jobs_behind(
    broker: redis.Redis,
    theirs: Valkey,
    follow_celery: Callable[..., FollowedCelery],
    monkeypatch: pytest.MonkeyPatch,
    queue: str,
) -> None:
    followed = follow_celery(theirs.url, queues=(queue,))
    monkeypatch.setattr("services.brokers.celery_reconciling.LOOK_S", 0.05)
    monkeypatch.setattr("services.brokers.celery_reconciling.DIFFERS_S", 0.1)
    monkeypatch.setattr("services.brokers.celery_reconciling.REREAD_S", 0.0)
    fill(broker, 3, queue)
    followed.comes_to("task-1", "queued")
    followed.settled()
    broker.delete(queue)
    job = followed.comes_to("task-1", "deleted")
    assert job.message == "Its engine knows it no longer"


def test_what_waits_comes_back_where_headways_store_was_emptied(
    followed: FollowedCelery, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.brokers.celery_reconciling.LOOK_S", 0.05)
    monkeypatch.setattr("services.brokers.celery_reconciling.DIFFERS_S", 0.1)
    fill(broker, 3)
    broker.lpush("celery", b"junk", message("later", eta="2036-01-01T00:00:00+00:00"))
    followed.comes_to("later", "scheduled")
    followed.settled()
    followed.site.store.raw.flushall()
    for id in ("task-0", "task-2"):
        assert followed.comes_to(id, "queued").function == "shop.add"
    followed.comes_to("later", "scheduled")


def test_what_left_its_queue_while_nobody_followed_is_found_out(
    followed: FollowedCelery, broker: redis.Redis, theirs: Valkey, follow_celery: Callable[..., FollowedCelery]
) -> None:
    fill(broker, 4)
    followed.until(lambda: mirrored(followed) == 4, "all of them")
    followed.close()
    broker.rpop("celery", 2)
    done = {
        "status": "SUCCESS",
        "result": 3,
        "traceback": None,
        "children": [],
        "date_done": "2026-01-02T03:04:05.678+00:00",
    }
    broker.set("celery-task-meta-task-0", json.dumps(done))
    again = follow_celery(theirs.url)
    assert again.comes_to("task-0", "finished").result == "3"
    assert again.comes_to("task-1", "deleted").status == "failed"
    again.settled()
    assert [again.job(f"task-{one}").state for one in (2, 3)] == ["queued", "queued"]  # type: ignore[union-attr]


def test_no_body_is_ever_looked_at_and_what_is_no_message_is_passed_over(
    followed: FollowedCelery, broker: redis.Redis
) -> None:
    bomb = pickle.dumps(([Bomb()], {}, {}))
    broker.lpush("celery", b"\x80\x04nonsense", b"[" * 10_000, b"{}", b'{"properties": {}}', json.dumps([1, 2]))
    broker.lpush("celery", message("bomb", bomb).replace(b"application/json", b"application/x-python-serialize"))
    broker.lpush("celery", json.dumps({"body": base64.b64encode(bomb).decode(), "headers": {}, "properties": {
        "correlation_id": "old", "delivery_tag": "t"}}))  # fmt: skip
    assert followed.comes_to("bomb", "queued").function == "shop.add"
    assert "protocol" in metadata(followed.comes_to("old", "queued"))["unreadable"]
    followed.until(lambda: followed.queue("celery").depth == 7, "the count")


def test_messages_that_can_t_be_read_are_told_of_while_they_stand_in_their_queue(
    followed: FollowedCelery, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_waiting, "MOST_MESSAGES", 4)
    monkeypatch.setattr(celery_waiting, "MOST_BYTES", 8_000)  # some four a look
    said = "{} of the queue celery can't be read: no JSON, or without the id of a task"
    fill(broker, 5)
    broker.lpush("celery", b"junk")
    fill(broker, 9, first=5)
    broker.lpush("celery", b'{"headers": {"id": 5}}')
    followed.until(lambda: said.format("2 messages") in followed.snapshot.notes, "the note of two")
    assert mirrored(followed) == 14
    fill(broker, 3, first=14)
    broker.rpop("celery", 6)
    followed.until(lambda: said.format("1 message") in followed.snapshot.notes, "the note of one")
    assert followed.queue("celery").depth == 13
    broker.delete("celery")
    followed.until(lambda: not any("can't be read" in note for note in followed.snapshot.notes), "their leaving")


def test_of_a_result_that_can_t_be_read_alone_there_is_no_job(followed: FollowedCelery, broker: redis.Redis) -> None:
    followed.settled()
    broker.set("celery-task-meta-pickled", pickle.dumps({"status": "SUCCESS", "result": 3}))
    broker.set("celery-task-meta-junk", "junk")
    broker.set("celery-task-meta-waits", '{"status": "PENDING", "result": null}')
    broker.set("celery-task-meta-done", '{"status": "SUCCESS", "result": 3}')
    followed.comes_to("done", "finished")
    said = "2 results of tasks of which nothing else is known can't be read: not JSON"
    followed.until(lambda: said in followed.snapshot.notes, "the note")
    assert [followed.job(id) for id in ("pickled", "junk", "waits")] == [None, None, None]


def test_a_result_that_was_pickled_shows_as_unreadable(followed: FollowedCelery, broker: redis.Redis) -> None:
    fill(broker, 1)
    followed.comes_to("task-0", "queued")
    broker.set("celery-task-meta-task-0", pickle.dumps({"status": "SUCCESS", "result": Bomb()}))
    followed.until(lambda: "unreadable" in metadata(followed.job("task-0")), "the word")  # type: ignore[arg-type]


def test_a_result_tells_progress_children_and_how_it_ended(followed: FollowedCelery, broker: redis.Redis) -> None:
    def says(**meta: Any) -> None:
        told = {"status": "PROGRESS", "result": None, "traceback": None, "children": [], "date_done": None} | meta
        broker.set("celery-task-meta-task-0", json.dumps(told))

    fill(broker, 1)
    followed.comes_to("task-0", "queued")
    says(result={"current": 1, "total": 8, "message": "packing"})
    job = followed.comes_to("task-0", "started")
    assert (job.progress, job.message) == (12.5, "packing")
    says(status="SHIPPING", result={"percent": 70})
    followed.until(lambda: followed.job("task-0").stage == "SHIPPING", "the stage")  # type: ignore[union-attr]
    says(status="SHIPPING", result={"percent": "most", "total": 0, "current": True})
    says(status="FAILURE", result={"exc_type": "OrderError", "exc_message": ["lost"], "exc_module": "shop"},
         children=[[["child-1", None], None]], date_done="2036-01-02T03:04:05+00:00")  # fmt: skip
    job = followed.comes_to("task-0", "failed")
    assert (job.error, job.error_type, job.progress) == ("OrderError: lost", "OrderError", 70)
    assert metadata(job)["children"] == ["child-1"]


def test_what_a_worker_reserved_is_told_by_unacked(followed: FollowedCelery, broker: redis.Redis) -> None:
    fill(broker, 2)
    followed.comes_to("task-0", "queued")
    raw = broker.rpop("celery")
    assert isinstance(raw, bytes)
    reserve(broker, raw)
    tag = json.loads(raw)["properties"]["delivery_tag"]
    followed.comes_to("task-0", "reserved")
    followed.until(lambda: followed.queue("celery").counts == {"queued": 1, "reserved": 1}, "the counts")
    broker.hdel("unacked", tag)
    broker.zrem("unacked_index", tag)
    followed.comes_to("task-0", "started")


def reserve(broker: redis.Redis, raw: bytes) -> None:
    """As a worker does that takes a message."""
    tag = json.loads(raw)["properties"]["delivery_tag"]
    broker.hset("unacked", tag, json.dumps([json.loads(raw), "", "celery"]))
    broker.zadd("unacked_index", {tag: time.time()})


def test_a_task_whose_time_came_is_told_in_that_tick_and_showing_queues_changes_none(broker: redis.Redis) -> None:
    tasks = Tasks(Mask(Masking(), read({"HEADWAY_AUTH": "off"}), Logs()))
    queues = Queues(broker, tasks, ())

    def look(at_ms: int, *, lost: bool = False) -> tuple[dict[str, State], dict[State, int]]:
        queues.tick(Changes(frozenset(), lost), at_ms)
        states = {job.id: job.state for job in tasks.changed()}
        (shown,) = queues.now(None, set(), lambda id: None)
        assert tasks.changed() == []
        return states, shown.counts

    reserve(broker, message("later", eta="1970-01-01T00:00:10+00:00"))
    reserve(broker, message("soon"))
    assert look(1_000, lost=True) == (
        {"later": "scheduled", "soon": "reserved"},
        {"queued": 0, "reserved": 1, "scheduled": 1},
    )
    assert look(9_999) == ({}, {"queued": 0, "reserved": 1, "scheduled": 1})
    assert look(10_000) == ({"later": "reserved"}, {"queued": 0, "reserved": 2})
    tasks.begun(tasks.task("soon"), 10_500, "w@h")  # and it is acknowledged late
    assert look(11_000) == ({"soon": "started"}, {"queued": 0, "reserved": 1, "started": 1})
    broker.delete("unacked", "unacked_index")
    assert look(12_000, lost=True) == ({}, {"queued": 0, "started": 1})


def put_back(broker: redis.Redis, tag: str) -> None:
    """As a worker does that ends."""
    raw = broker.hget("unacked", tag)
    assert isinstance(raw, bytes)
    one = json.loads(raw)[0]
    one["headers"]["redelivered"] = one["properties"]["delivery_info"]["redelivered"] = True
    broker.hdel("unacked", tag)
    broker.zrem("unacked_index", tag)
    broker.rpush("celery", json.dumps(one))


def test_what_a_worker_puts_back_waits_on_and_never_began(broker: redis.Redis) -> None:
    tasks = Tasks(Mask(Masking(), read({"HEADWAY_AUTH": "off"}), Logs()))
    queues = Queues(broker, tasks, ())
    told = dict[str, str]()

    def look(at_ms: int) -> dict[str, str]:
        """Twice: what left is thought about at the next look."""
        for _ in range(2):
            queues.tick(Changes(frozenset(), lost=True), at_ms)
            told.update({job.id: job.state for job in tasks.changed()})
        return told

    taken = {
        "soon": message("soon"),
        "due": message("due", eta="1970-01-01T00:00:02+00:00"),
        "later": message("later", eta="2036-01-01T00:00:00+00:00"),
        "again": message("again", eta="2036-01-01T00:00:00+00:00", retries=1),
        "canceled": message("canceled", eta="2036-01-01T00:00:00+00:00"),
        "acked": message("acked"),
    }
    tags = {id: json.loads(raw)["properties"]["delivery_tag"] for id, raw in taken.items()}
    broker.lpush("celery", *(message(f"task-{one}") for one in range(3)))
    for raw in taken.values():
        reserve(broker, raw)
    look(1_000)
    tasks.ended(tasks.task("canceled"), "canceled", 2_000)
    before = look(3_000) | {}
    assert before == {"soon": "reserved", "due": "reserved", "later": "scheduled", "again": "retrying", "canceled": "canceled",
                      "acked": "reserved", "task-0": "queued", "task-1": "queued", "task-2": "queued"}  # fmt: skip
    broker.rpop("celery", 3)  # as many were taken meanwhile as stand there then
    for id in ("soon", "due", "later", "again", "canceled"):
        put_back(broker, tags[id])
    broker.hdel("unacked", tags["acked"])
    broker.zrem("unacked_index", tags["acked"])
    assert look(4_000) == before | {"soon": "queued", "due": "scheduled", "acked": "started"}
    for id, raw in taken.items():  # and another worker takes them
        if id != "acked":
            broker.rpop("celery")
            reserve(broker, raw)
    assert look(5_000) == before | {"acked": "started"}


def test_what_waits_for_its_time_began_not_where_its_message_is_lost(
    followed: FollowedCelery, broker: redis.Redis
) -> None:
    reserve(broker, message("later", eta="2036-01-01T00:00:00+00:00"))
    reserve(broker, message("soon"))
    followed.comes_to("later", "scheduled")
    broker.delete("unacked", "unacked_index")
    followed.comes_to("soon", "started")
    assert followed.job("later").state == "scheduled"  # type: ignore[union-attr]
