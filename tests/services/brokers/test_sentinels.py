"""RQ and Celery behind Sentinel: the master is found, and followed where it goes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from rq import Queue

from core.config import Broker, Config
from core.site import Site
from services import jobs_service
from services.brokers import following, next_ones, standings
from services.brokers.action_model import Target
from services.brokers.celery_actions import CeleryActions
from services.brokers.connections import SENTINEL_S, asking, redis_of
from services.brokers.following import Following
from services.brokers.model import BrokerError
from services.brokers.rq_actions import RqActions
from services.job_changes import JobRef
from services.job_model import Job
from services.queue_jobs import ORDER_S
from tests.celery_transport import TransportWorker, client
from tests.conftest import wait_until
from tests.rq_workers import TASKS
from tests.sentinels import CELERY_OPTIONS, SENTINEL_PASSWORD, RqSentinelWorker, Watched

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # Celery's own


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    watched = Watched().start()
    yield watched
    watched.close()


@pytest.fixture
def follow(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Follows brokers as the duty does, in this process, until the test's end."""
    monkeypatch.setattr(following, "PAUSES_S", (0.05,))
    ending, duty = threading.Event(), Following()
    threads: list[threading.Thread] = []

    def begin(*brokers: Broker) -> Site:
        declared = replace(site, config=Config(queues=brokers))

        def lead() -> None:
            while not ending.is_set():
                duty.run(declared)
                ending.wait(0.05)

        threads.append(threading.Thread(target=lead, daemon=True))
        threads[0].start()
        return declared

    yield begin
    ending.set()
    for thread in threads:
        thread.join()
    duty.end(5)


def comes_to(site: Site, agent: str, id: str, state: str) -> Job:
    def found() -> Job | None:
        job = jobs_service.get(site, JobRef(agent=agent, id=id))
        return job if isinstance(job, Job) and job.state == state else None

    job: Job = wait_until(found, what=f"{state} of {id}")
    return job


def waiting(id: str) -> Target:
    return Target(id=id, state="queued", queue="nobody", function=None, worker=None, started_ms=None)


def test_what_sentinels_refuse_is_told_in_words_without_address_or_password(watched: Watched) -> None:
    for options, why in (
        ({"master": "other"}, "none of its sentinels says where its Redis is"),
        ({"url": f"sentinel://127.0.0.1:{watched.nobody}"}, "none of its sentinels says where its Redis is"),
        ({"sentinel_password": "hunter4"}, "its sentinels refused .*sentinel_password"),
        ({"sentinel_password": None}, "its sentinels refused .*sentinel_password"),
        ({"url": f"sentinel://:hunter4@127.0.0.1:{watched.port}"}, "its Redis refused the user or the password of its url"),
    ):  # fmt: skip
        broker = Broker("rq", **(watched.options | options))
        with pytest.raises(BrokerError, match=why) as raised, asking():
            redis_of(broker.address).ping()
        assert "hunter" not in str(raised.value)
        assert str(watched.port) not in str(raised.value)


def test_a_sentinel_that_goes_is_told_by_the_next_one_and_the_database_is_that_of_the_address(watched: Watched) -> None:
    redis = redis_of(Broker("rq", **watched.options).address)
    redis.set("sentinels:x", "1")
    assert watched.client.get("sentinels:x") == b"1"
    assert redis.connection_pool.connection_kwargs["db"] == 1


def test_a_sentinel_that_is_powered_off_is_waited_for_once_and_not_by_each_new_client(
    watched: Watched, site: Site
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        options = watched.options | {
            "url": f"sentinel://:hunter2%2F%3B@127.0.0.1:{silent.getsockname()[1]}/1;{watched.url}"
        }
        rq, celery = Broker("rq", **options), Broker("celery", **options)
        assert next_ones.ids(rq, "nobody", 10) == []
        silent.accept()[0].close()

        waits = Queue("nobody", connection=watched.client).enqueue(f"{TASKS}.add", 1, 2)
        assert next_ones.ids(rq, "nobody", 10) == [waits.id]
        RqActions(rq).on_job("cancel", waiting(waits.id), None)
        task = client(watched.url, CELERY_OPTIONS).send_task("shop.add", (3, 4), queue="nobody").id
        CeleryActions(site, celery).on_job("cancel", waiting(task), None)
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert SENTINEL_S < ORDER_S  # so that even the first page has its answer


def test_rq_and_celery_are_followed_and_acted_on_through_a_failover(
    watched: Watched, follow: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    rq, celery = Broker("rq", **watched.options), Broker("celery", **watched.options)
    site = follow(rq, celery)
    workers: list[Any] = [RqSentinelWorker(watched), TransportWorker(watched.url, CELERY_OPTIONS)]
    app = client(watched.url, CELERY_OPTIONS)
    queue = Queue("default", connection=watched.client)
    try:
        for worker in workers:
            worker.start(waits=False)
        comes_to(site, "rq", queue.enqueue(f"{TASKS}.add", 1, 2).id, "finished")
        comes_to(site, "celery", app.send_task("shop.add", (1, 2)).id, "finished")

        watched.kill_master()
        waits = Queue("nobody", connection=watched.client).enqueue(f"{TASKS}.add", 1, 2)
        comes_to(site, "rq", waits.id, "queued")
        RqActions(rq).on_job("cancel", waiting(waits.id), None)
        comes_to(site, "rq", waits.id, "canceled")
        app = client(
            watched.url, CELERY_OPTIONS
        )  # kombu's pool may keep a channel that the failover closed, and stumble over it
        task = app.send_task("shop.add", (3, 4), queue="nobody").id
        CeleryActions(site, celery).on_job("cancel", waiting(task), None)
        comes_to(site, "celery", task, "canceled")
        assert app.AsyncResult(task).state == "REVOKED"
        comes_to(site, "rq", queue.enqueue(f"{TASKS}.add", 3, 4).id, "finished")
        comes_to(site, "celery", app.send_task("shop.fail").id, "failed")
        assert all(standings.of(site, agent).why is None for agent in ("rq", "celery"))  # type: ignore[union-attr]
        for secret in ("hunter2", SENTINEL_PASSWORD, str(watched.port)):
            assert secret not in caplog.text
    finally:
        for worker in workers:
            worker.close()
