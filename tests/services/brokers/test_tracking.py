"""A user's Redis tells which of its keys changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from services.brokers import connections, tracking
from services.brokers.tracking import Tracking
from tests.conftest import Valkey, wait_until
from tests.proxy import Proxy


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    server = Valkey().start()
    yield server
    server.close()


@pytest.fixture
def listen(server: Valkey) -> Iterator[Callable[..., Tracking]]:
    begun: list[Tracking] = []

    def begin(url: str = server.url, prefixes: tuple[str, ...] = ("rq:", "other:"), name: str = "shop") -> Tracking:
        begun.append(Tracking(url, prefixes, name))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def settled(one: Tracking) -> Tracking:
    """Once it listens, with what it missed before taken."""
    wait_until(lambda: one.why is None, what="its listening")
    assert one.take().lost
    return one


def refused(one: Tracking) -> Tracking:
    """Once it knows that nobody answers."""
    wait_until(lambda: one.why == "its Redis can't be reached", what="the refusal")
    return one


def told(one: Tracking, count: int) -> set[bytes]:
    """So many keys."""
    found = set[bytes]()

    def is_all() -> bool:
        changes = one.take()
        assert not changes.lost
        found.update(changes.keys)
        return len(found) >= count

    wait_until(is_all, what=f"{count} keys")
    return found


def test_keys_that_change_go_or_expire_are_told_once_and_those_of_others_are_not(
    server: Valkey, listen: Callable[..., Tracking]
) -> None:
    one = settled(listen())
    redis = connections.redis_of(server.url)
    redis.set("mine", 1)
    redis.hset("rq:job:a", "status", "queued")
    redis.rpush("rq:queue:mail", "a")
    redis.set("other:x", 1)
    assert told(one, 3) == {b"rq:job:a", b"rq:queue:mail", b"other:x"}
    redis.delete("rq:queue:mail")
    redis.pexpire("rq:job:a", 1)
    assert told(one, 2) == {b"rq:job:a", b"rq:queue:mail"}
    wait_until(lambda: b"rq:job:a" in one.take().keys, what="the end of what expired")
    assert not one.take().keys


def test_many_changes_of_a_key_are_told_as_one(server: Valkey, listen: Callable[..., Tracking]) -> None:
    one = settled(listen())
    pipeline = connections.redis_of(server.url).pipeline(transaction=False)
    for number in range(20_000):
        pipeline.set(f"rq:job:{number % 10_000}", number)
    pipeline.execute()
    assert len(told(one, 10_000)) == 10_000


def test_whoever_waits_is_woken(server: Valkey, listen: Callable[..., Tracking]) -> None:
    one = settled(listen())
    one.woken.clear()
    threading.Timer(0.05, lambda: connections.redis_of(server.url).set("rq:x", 1)).start()
    assert one.woken.wait(20)


def test_emptying_the_database_means_that_all_is_to_be_compared(
    server: Valkey, listen: Callable[..., Tracking]
) -> None:
    one = settled(listen())
    connections.redis_of(server.url).flushall()
    wait_until(lambda: one.take().lost, what="the loss")


def test_more_than_can_be_kept_means_that_all_is_to_be_compared(
    server: Valkey, listen: Callable[..., Tracking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "MOST_KEYS", 100)
    one = settled(listen())
    redis = connections.redis_of(server.url)
    for number in range(150):
        redis.set(f"rq:{number}", 1)
    wait_until(lambda: one.take().lost, what="the loss")


def test_a_server_that_was_away_is_listened_to_again_and_all_is_to_be_compared(
    own_valkey: Callable[..., Valkey], listen: Callable[..., Tracking]
) -> None:
    server = own_valkey()
    one = settled(listen(server.url))
    server.stop()
    wait_until(lambda: one.why is not None, what="the loss of its connection")
    assert one.why == "its Redis can't be reached"
    server.start()
    settled(one)
    connections.redis_of(server.url).set("rq:x", 1)
    assert told(one, 1) == {b"rq:x"}


def test_a_connection_that_fell_silent_is_given_up(
    server: Valkey, listen: Callable[..., Tracking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "PING_S", 0.2)
    monkeypatch.setattr(tracking, "LOOK_S", 0.1)
    proxy = Proxy(server.socket)
    try:
        one = settled(listen(proxy.url))
        connections.redis_of(server.url).set("rq:x", 1)
        assert told(one, 1) == {b"rq:x"}  # a ping is answered, and keeps it
        proxy.silent = True
        wait_until(lambda: one.why is not None, what="the loss of its connection")
        proxy.mend()
        settled(one)
    finally:
        proxy.close()


def test_a_user_who_may_not_track_is_told_so_without_the_password(
    server: Valkey, listen: Callable[..., Tracking]
) -> None:
    redis = connections.redis_of(server.url)
    redis.execute_command(
        "ACL", "SETUSER", "reader", "on", ">hunter2", "~*", "+@read", "+client|setinfo", "+client|setname"
    )
    one = listen(f"{server.url}?username=reader&password=hunter2")
    wait_until(lambda: one.why is not None and "may not" in one.why, what="the refusal")
    assert "hunter2" not in str(one.why)
    assert tracking.NEEDED in str(one.why)
    assert "+client|tracking" in str(one.why)
    redis.execute_command("ACL", "SETUSER", "reader", "resetchannels", *tracking.NEEDED.split())
    settled(one)
    redis.set("rq:x", 1)
    assert told(one, 1) == {b"rq:x"}


def test_the_log_says_once_when_it_begins_and_once_when_it_is_over_and_of_which_broker(
    own_valkey: Callable[..., Valkey], listen: Callable[..., Tracking], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "headway.brokers")
    server = own_valkey()
    server.stop()
    for _ in range(3):  # as whoever follows begins anew
        refused(listen(server.url, name="mails")).close()
    server.start()
    settled(listen(server.url, name="mails"))
    settled(listen(server.url, name="mails"))
    assert [record.getMessage() for record in caplog.records] == [
        "Changes of mails are not told by its Redis, because its Redis can't be reached",
        "Changes of mails are told by its Redis again",
    ]


def test_it_ends_when_it_is_closed(server: Valkey, listen: Callable[..., Tracking]) -> None:
    one = settled(listen())
    redis = connections.redis_of(server.url)

    def listening() -> int:
        return str(redis.execute_command("CLIENT", "LIST", "TYPE", "PUBSUB")).count(f"name={connections.NAME}")

    before = listening()
    one.close()
    wait_until(lambda: listening() < before, what="the end of its connection")
