"""Headway's own store goes away and comes back: what brokers told meanwhile is there afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask

from app import create_site
from core.config import Broker, Config
from core.settings import read
from core.site import Site
from core.store import StoreError
from services import jobs_service
from services.brokers import following, standings
from services.brokers.following import Following
from services.job_changes import JobRef
from services.job_model import Job
from tests.celery_workers import CeleryWorker, client
from tests.conftest import Valkey, wait_until
from tests.rq_workers import TASKS, RqWorker, queue


@pytest.fixture
def ours(own_valkey: Callable[..., Valkey]) -> Valkey:
    """Headway's own store. It keeps nothing when it is stopped."""
    return own_valkey()


@pytest.fixture
def follow(ours: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Broker], Site]]:
    """Follows a broker as the duty does, in a process that leads only as long as its store is there."""
    monkeypatch.setattr(following, "PAUSES_S", (0.05,))
    monkeypatch.setattr(following, "LEASE_S", 0.5)
    ending, duty = threading.Event(), Following()
    threads: list[threading.Thread] = []

    def begin(broker: Broker) -> Site:
        settings = read({"REDIS_URL": ours.url, "HEADWAY_AUTH": "off", "HEADWAY_DATA": str(tmp_path)})
        site = create_site(Flask("headway"), settings, Config(queues=(broker,)))

        def lead() -> None:
            while not ending.is_set():
                with suppress(StoreError):
                    site.store.redis.ping()  # nobody leads without it
                    duty.run(site)
                ending.wait(0.05)

        threads.append(threading.Thread(target=lead, daemon=True))
        threads[0].start()
        wait_until(lambda: has_answered(site, broker), what="the broker's first figures")
        return site

    yield begin
    ending.set()
    for thread in threads:
        thread.join()
    duty.end(5)


def has_answered(site: Site, broker: Broker) -> bool:
    standing = standings.of(site, broker.agent)
    return standing is not None and standing.snapshot is not None and standing.why is None


def job(site: Site, agent: str, id: str) -> Job | None:
    try:
        found = jobs_service.get(site, JobRef(agent=agent, id=id))
    except StoreError:
        return None
    return found if isinstance(found, Job) else None


def ended(site: Site, agent: str, id: str) -> Job:
    def found() -> Job | None:
        one = job(site, agent, id)
        return one if one is not None and one.finished_at is not None else None

    wait_until(found, what=f"the end of {id}")
    one = found()
    assert one is not None
    return one


@pytest.fixture
def their_redis(theirs: Valkey) -> Iterator[Any]:
    with redis.Redis.from_url(theirs.url) as connection:
        connection.flushall()
        yield connection


def outlast_the_lease(follower: threading.Thread) -> None:
    """Until nobody would follow any more who follows as long as it leads."""
    follower.join(3 * following.LEASE_S)
    assert follower.is_alive()


def the_follower() -> threading.Thread:
    (thread,) = [one for one in threading.enumerate() if one.name == "headway-broker"]
    return thread


def test_celery_tasks_that_came_and_went_while_the_store_was_away_are_there_afterwards(
    ours: Valkey, theirs: Valkey, their_redis: Any, follow: Callable[[Broker], Site]
) -> None:
    worker = CeleryWorker(theirs.url).start()
    app = client(theirs.url)
    try:
        site = follow(Broker("celery", theirs.url))
        before = app.send_task("shop.add", (1, 2))
        ended(site, "celery", before.id)
        follower = the_follower()
        ours.stop()
        sent = [app.send_task(*call) for call in (("shop.add", (2, 3)), ("shop.fail", ("gone",)), ("shop.retry", (1,)))]
        for one in sent:
            one.get(timeout=30, propagate=False)
            one.forget()  # events alone can tell of it now
        outlast_the_lease(follower)
        ours.start()
        well, badly, again = (ended(site, "celery", one.id) for one in sent)
        assert (well.state, well.result, well.attempt) == ("finished", "5", 1)
        assert badly.error is not None and "OrderError: gone" in badly.error
        assert (again.state, again.attempt, len(again.attempts)) == ("finished", 2, 1)
        assert the_follower() is follower
        standing = standings.of(site, "celery")
        assert standing is not None and standing.why is None
        with redis.Redis.from_url(ours.url) as store:
            store.config_set("maxmemory", 1)
            unstored = app.send_task("shop.add", (3, 4))
            unstored.get(timeout=30)
            unstored.forget()
            store.config_set("maxmemory", 0)
        assert ended(site, "celery", unstored.id).result == "7"
    finally:
        app.close()
        worker.close()


def test_rq_jobs_that_came_and_went_while_the_store_was_away_are_there_afterwards(
    ours: Valkey, theirs: Valkey, their_redis: Any, follow: Callable[[Broker], Site]
) -> None:
    worker = RqWorker(theirs.url).start()
    try:
        site = follow(Broker("rq", theirs.url))
        jobs = queue(theirs.url)
        ended(site, "rq", jobs.enqueue(f"{TASKS}.add", 1, 1).id)
        follower = the_follower()
        ours.stop()
        well = jobs.enqueue(f"{TASKS}.add", 2, 3)
        fleeting = jobs.enqueue(f"{TASKS}.add", 1, 1, result_ttl=0)
        badly = jobs.enqueue(f"{TASKS}.fail", "gone")
        wait_until(lambda: badly.get_status() == "failed", what="their end")
        outlast_the_lease(follower)
        ours.start()
        assert ended(site, "rq", well.id).result == "5"
        assert ended(site, "rq", fleeting.id).state == "finished"
        assert "MailError: gone" in (ended(site, "rq", badly.id).error or "")
        assert the_follower() is follower
    finally:
        worker.close()


def test_a_follower_is_not_kept_for_ever(
    ours: Valkey, theirs: Valkey, their_redis: Any, follow: Callable[[Broker], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "PATIENCE_S", 0.2)
    follow(Broker("rq", theirs.url))
    follower = the_follower()
    ours.stop()
    wait_until(lambda: not follower.is_alive(), what="its end")
    wait_until(lambda: "headway-tracking" not in [one.name for one in threading.enumerate()], what="its listening's")
