"""The duty that follows brokers: each in a thread of its own, none in another's way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from core import keys
from core.config import Broker, Config
from core.site import Site
from core.store import Store
from services.brokers import discovery, following, standings
from services.brokers.connections import asking, redis_of
from services.brokers.following import Follower, Following
from services.brokers.model import QueueNow, Snapshot, Standing
from tests.conftest import Valkey, wait_until

ADDRESS = "redis://:hunter2@host"


class Lengths(Follower):
    """Tells the length of the list `mail`; what stands in `spoil` goes wrong in it."""

    every_s = 0.05
    least_s = 0.01
    spoil = ""

    def __init__(self, site: Site, broker: Broker) -> None:
        super().__init__(site, broker)
        self.redis = redis_of(broker.url)
        self.is_closed = False
        MADE.append(self)

    def tick(self) -> Snapshot:
        if self.spoil == "bug":
            raise ValueError(ADDRESS)
        if self.spoil == "slow":
            time.sleep(0.5)
        with asking():
            counts = {"queued": int(self.redis.llen("mail"))}  # type: ignore[arg-type]
        return Snapshot(
            broker=self.broker.agent, engine="rq", at_ms=0, queues=(QueueNow(name="mail", counts=counts),)  # type: ignore[arg-type]
        )  # fmt: skip

    def close(self) -> None:
        self.is_closed = True


MADE: list[Lengths] = []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSES_S", (0.05,))
    monkeypatch.setattr(discovery, "LOOK_S", 0.0)
    MADE.clear()


@pytest.fixture
def follow(site: Site) -> Iterator[Callable[..., Site]]:
    """Follows brokers until the test ends: `follow(Broker(…), …)` answers the site that declares them."""
    ending = threading.Event()
    duties: list[tuple[Following, threading.Thread]] = []

    def begin(*brokers: Broker) -> Site:
        declared = replace(site, config=Config(queues=brokers))
        duty = Following(Lengths)

        def renew() -> None:
            while not ending.is_set():
                duty.run(declared)
                ending.wait(0.05)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        duties.append((duty, thread))
        return declared

    yield begin
    ending.set()
    for duty, thread in duties:
        thread.join()
        duty.end(5)


def standing(site: Site, agent: str) -> Standing:
    found = standings.of(site, agent)
    assert found is not None
    return found


def depth(site: Site, agent: str) -> int | None:
    snapshot = standing(site, agent).snapshot
    return snapshot.queues[0].depth if snapshot else None


def test_a_broker_that_was_never_asked_says_so(site: Site) -> None:
    declared = replace(
        site, config=Config(queues=(Broker("rq", "redis://host", "mail"), Broker("celery", "amqp://host")))
    )
    assert [(one.broker, one.engine, one.why) for one in standings.read(declared)] == [
        ("mail", "rq", standings.NOT_YET), ("celery", "celery", standings.NOT_YET),
    ]  # fmt: skip
    assert standings.of(declared, "other") is None


def test_a_broker_that_is_away_says_why_keeps_its_last_figures_and_holds_up_no_other(
    follow: Callable[..., Site], own_valkey: Callable[..., Valkey], caplog: pytest.LogCaptureFixture
) -> None:
    one, two = own_valkey(), own_valkey()
    redis_of(one.url).rpush("mail", "a", "b")
    site = follow(Broker("rq", f"{one.url}?password=", "one"), Broker("rq", two.url, "two"))
    wait_until(lambda: (depth(site, "one"), depth(site, "two")) == (2, 0), what="both brokers' figures")
    with caplog.at_level(logging.WARNING, "headway.brokers"):
        one.stop()
        wait_until(lambda: standing(site, "one").why, what="why it is away")
        assert standing(site, "one").why == "its Redis can't be reached"
        assert depth(site, "one") == 2
        redis_of(two.url).rpush("mail", "c")
        wait_until(lambda: depth(site, "two") == 1, what="the other's figure")
        assert standing(site, "two").why is None
        one.start()
        wait_until(lambda: standing(site, "one").why is None, what="its return")
        assert depth(site, "one") == 0
    assert caplog.text.count("The broker one is unavailable, because its Redis can't be reached") == 1


def test_a_fault_of_our_own_in_one_broker_tells_no_secret_and_is_tried_again_anew(
    follow: Callable[..., Site], valkey_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lengths, "spoil", "bug")
    with caplog.at_level(logging.INFO, "headway.brokers"):
        site = follow(Broker("rq", f"{valkey_url}?db=1", "one"))
        wait_until(lambda: len(MADE) > 2, what="another try")
        assert standing(site, "one").why == "reading it failed (ValueError), of which Headway's log says more"
        monkeypatch.setattr(Lengths, "spoil", "")
        wait_until(lambda: standing(site, "one").why is None, what="its return")
    assert "hunter2" not in caplog.text and "test_following.py" in caplog.text
    assert all(made.is_closed for made in MADE[:-1])


def test_a_broker_that_takes_long_says_so_and_goes_on(
    follow: Callable[..., Site], valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lengths, "spoil", "slow")
    monkeypatch.setattr(following, "SLOW_S", 0.1)
    site = follow(Broker("rq", f"{valkey_url}?db=1", "one"))
    wait_until(lambda: "within 0.1 s" in (standing(site, "one").why or ""), what="that it is slow")
    wait_until(lambda: standing(site, "one").why is None, what="its answer")
    assert len(MADE) == 1


def test_a_follower_that_is_woken_does_not_rest_on(
    follow: Callable[..., Site], valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lengths, "every_s", 3_600.0)
    site = follow(Broker("rq", f"{valkey_url}?db=1", "one"))
    wait_until(lambda: depth(site, "one") == 0, what="the first figure")
    redis_of(f"{valkey_url}?db=1").rpush("mail", "a")
    MADE[0].woken.set()
    wait_until(lambda: depth(site, "one") == 1, what="the next figure")


def test_who_leads_no_longer_stops_following(site: Site, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LEASE_S", 0.2)
    declared = replace(site, config=Config(queues=(Broker("rq", f"{valkey_url}?db=1", "one"),)))
    duty = Following(Lengths)
    duty.run(declared)
    wait_until(lambda: MADE and MADE[0].is_closed, what="the end of the lease")
    wait_until(lambda: duty.run(declared) or len(MADE) == 2, what="its being followed again")
    duty.end(5)
    assert MADE[1].is_closed


def test_rq_in_the_store_itself_is_discovered(follow: Callable[..., Site], store: Store) -> None:
    site = follow(Broker("rq", "redis://no-such-host.invalid", "rq"))
    wait_until(lambda: standing(site, "rq").why, what="the declared one's standing")
    assert len(standings.read(site)) == 1
    store.redis.sadd("rq:queues", "rq:queue:mail")
    wait_until(lambda: standings.of(site, "rq-store"), what="the discovery")
    found = standing(site, "rq-store")
    assert (found.engine, found.discovered) == ("rq", True)
    store.redis.delete("rq:queues")
    assert [one.broker for one in standings.read(site)] == ["rq", "rq-store"]


def test_what_is_declared_is_not_discovered_as_well(follow: Callable[..., Site], store: Store) -> None:
    store.redis.sadd("rq:workers", "rq:worker:w")
    site = follow(Broker("rq", store.url, "mine"))
    wait_until(lambda: depth(site, "mine") == 0, what="its figures")
    assert [one.broker for one in standings.read(site)] == ["mine"]


@pytest.mark.parametrize(
    ("one", "other", "holds"),
    [
        ("redis://localhost", "redis://127.0.0.1:6379/0", True),
        ("redis://:secret@LOCALHOST/1", "rediss://user:other@localhost:6379/1", True),
        ("redis://localhost/1", "redis://localhost/2", False),
        ("redis://a", "redis://b", False),
        ("unix:///a.sock", "unix:///a.sock?db=0", True),
        ("unix:///a.sock", "redis://localhost", False),
        ("redis://localhost", "amqp://localhost", False),
    ],
)
def test_two_addresses_are_of_one_database_where_their_text_says_so(one: str, other: str, holds: bool) -> None:
    assert discovery.same(one, other) is holds


def test_former_brokers_are_forgotten(follow: Callable[..., Site], store: Store, valkey_url: str) -> None:
    store.redis.hset(keys.BROKERS.at(), "former", "{}")
    site = follow(Broker("rq", f"{valkey_url}?db=1", "one"))
    wait_until(lambda: store.redis.hkeys(keys.BROKERS.at()) == ["one"], what="the former one's end")
    assert standings.read(site)[0].broker == "one"
