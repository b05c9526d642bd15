"""An RQ that is stopped, elsewhere, closed, or none: what is told, and that all goes on when it is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from services.brokers.model import BrokerError
from tests.conftest import Valkey, wait_until
from tests.services.brokers.followed_rq import FollowedRq
from tests.services.brokers.rq_hashes_made import job_of, packed, put, put_many


def test_a_redis_that_was_stopped_is_compared_when_it_is_back(
    own_valkey: Callable[..., Valkey], follow: Callable[..., FollowedRq]
) -> None:
    server = own_valkey()
    with redis.Redis.from_url(server.url) as client:
        put_many(client, ["before", "lost"])
    followed = follow(server.url)
    followed.comes_to("before", "queued")
    server.stop()
    with pytest.raises(BrokerError, match="can't be reached") as away:
        followed.tick()
    assert str(server.folder) not in str(away.value)
    followed.close()
    server.start()  # it kept nothing
    with redis.Redis.from_url(server.url) as client:
        put_many(client, ["before", "after"])
    again = follow(server.url)  # as the duty makes it anew
    again.comes_to("after", "queued")
    again.comes_to("lost", "deleted")
    assert again.comes_to("before", "queued").attempt == 1


def test_what_happens_while_only_tracking_is_cut_off_is_found(
    theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
        put_many(client, ["first"])
        followed = follow(theirs.url)
        followed.comes_to("first", "queued")
        cut: list[Any] = [one["id"] for one in client.client_list() if one["cmd"] == "subscribe"]
        assert len(cut) == 1
        client.client_kill_filter(_id=cut[0])
        put(client, {"meanwhile": job_of(packed("app.mail"))})
        followed.comes_to("meanwhile", "queued")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://127.0.0.1:1/0", "can't be reached"),
        ("redis://[", "should look like redis://"),
        ("http://user:hunter2@somewhere", "should look like redis://"),
    ],
)
def test_a_wrong_url_says_what_is_wrong_and_not_what_it_is(
    url: str, why: str, follow: Callable[..., FollowedRq]
) -> None:
    with pytest.raises(BrokerError, match=why) as fault:
        follow(url).tick()
    assert "hunter2" not in str(fault.value)
    assert "127.0.0.1" not in str(fault.value)


def test_a_wrong_password_says_so_and_is_not_shown(
    own_valkey: Callable[..., Valkey], follow: Callable[..., FollowedRq]
) -> None:
    server = own_valkey()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", "the-right-one")
    with pytest.raises(BrokerError, match="password") as fault:
        follow(server.url.replace("unix://", "unix://:hunter2@")).tick()
    assert "hunter2" not in str(fault.value)


def test_a_redis_without_rq_says_so_until_rq_comes(theirs: Valkey, follow: Callable[..., FollowedRq]) -> None:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
        followed = follow(theirs.url)
        (note,) = followed.settled().notes
        assert "no queue and no worker of RQ" in note
        put_many(client, ["first"])
        followed.comes_to("first", "queued")
        assert followed.snapshot.notes == ()


def test_where_tracking_is_refused_all_is_compared_now_and_then_and_told(
    own_valkey: Callable[..., Valkey], follow: Callable[..., FollowedRq]
) -> None:
    server = own_valkey()
    with redis.Redis.from_url(server.url) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+pw"], categories=["+@all"], keys=["*"],
                           commands=["-client|tracking", "-memory"])  # fmt: skip
        put_many(client, ["first"])
        followed = follow(server.url.replace("unix://", "unix://reader:pw@"))
        followed.comes_to("first", "queued")
        wait_until(lambda: "may not do that" in " ".join(followed.tick().notes), what="the note")
        put(client, {"later": job_of(packed("app.mail"))})
        client.hset("rq:job:first", mapping={"status": "finished", "ended_at": "2026-11-21T10:00:00.000000Z"})
        client.lrem("rq:queue:default", 1, "first")
        client.zadd("rq:finished:default", {"first": 2e9})
        followed.comes_to("later", "queued")
        followed.comes_to("first", "finished")


def test_a_queue_may_be_watched_that_nobody_used_yet(theirs: Valkey, follow: Callable[..., FollowedRq]) -> None:
    with redis.Redis.from_url(theirs.url) as client:
        client.flushall()
    followed = follow(theirs.url, queues=("mail",))
    followed.tick()
    assert followed.queue("mail").counts["queued"] == 0
