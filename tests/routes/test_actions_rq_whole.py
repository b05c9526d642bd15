"""An action on RQ's Redis is done whole or not at all: where that is full, refuses a step, breaks off or is slow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.exceptions import InvalidJobOperation
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.rate_limit import RateLimit
from rq.registry import FailedJobRegistry

from core.config import Broker
from services.brokers.rq_actions import RqActions
from tests.acted import Followed, followed
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.proxy import Proxy
from tests.rq_workers import TASKS, queue
from tests.serving import Server

WRITER = "writer:secret"


@pytest.fixture(scope="module")
def engine() -> Iterator[Valkey]:
    """Its user `writer` may do all, for a start."""
    valkey = Valkey().start()
    with redis.Redis.from_url(valkey.url) as wire:
        wire.execute_command("ACL", "SETUSER", "writer", "on", ">secret", "~*", "&*", "+@all")
    yield valkey
    valkey.close()


@pytest.fixture(scope="module")
def proxy(engine: Valkey) -> Iterator[Proxy]:
    proxy = Proxy(engine.socket)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def rq(engine: Valkey, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """Headway's own store is another server."""
    store = Valkey().start()
    broker = Broker("rq", proxy.url.replace("//", f"//{WRITER}@"))
    with followed(store.url, broker, tmp_path_factory.mktemp("site")) as one:
        yield one
    store.close()


@pytest.fixture
def wire(engine: Valkey) -> Iterator[redis.Redis]:
    connection = redis.Redis.from_url(engine.url)
    yield connection
    connection.close()


@pytest.fixture
def mail(engine: Valkey) -> Queue:
    return queue(engine.url, "mail")


def failed(mail: Queue, **more: object) -> RqJob:
    """A job as a worker leaves it that failed."""
    job = mail.enqueue(f"{TASKS}.fail", **more)
    mail.remove(job)
    job.set_status(JobStatus.FAILED)
    FailedJobRegistry(queue=mail).add(job, ttl=1000)
    return job


def placed(mail: Queue, job: RqJob) -> tuple[str, bool, int]:
    """Its status, whether it is among the failed, and how often it is in its queue."""
    is_failed = job.id in FailedJobRegistry(queue=mail).get_job_ids(cleanup=False)
    return str(job.get_status().value), is_failed, mail.job_ids.count(job.id)


def test_a_full_redis_loses_no_job(rq: Followed, mail: Queue, wire: redis.Redis) -> None:
    job, canceled = failed(mail), mail.enqueue(f"{TASKS}.add", 1, 2)
    seen = rq.job(job.id, "failed")
    canceled.cancel()
    gone = rq.job(canceled.id, "canceled")
    wire.config_set("maxmemory", 1)
    try:
        for one in (seen, gone):
            assert "out of memory" in rq.act(one, "retry", status=503)["detail"]
    finally:
        wire.config_set("maxmemory", 0)
    assert placed(mail, job) == ("failed", True, 0)
    assert canceled.id in mail.canceled_job_registry.get_job_ids()
    rq.act(seen, "retry")
    assert placed(mail, job) == ("queued", False, 1)


@pytest.mark.parametrize("command", ["rpush", "hset", "zrem", "exec", "watch"])
def test_a_refused_step_leaves_all_as_it_was(rq: Followed, mail: Queue, wire: redis.Redis, command: str) -> None:
    job = failed(mail)
    seen = rq.job(job.id, "failed")
    wire.execute_command("ACL", "SETUSER", "writer", f"-{command}")  # type: ignore[no-untyped-call]
    try:
        told = rq.act(seen, "retry", status=503)
        assert "because the user of its url may not do that" in told["detail"]
    finally:
        wire.execute_command("ACL", "SETUSER", "writer", "+@all")  # type: ignore[no-untyped-call]
    assert placed(mail, job) == ("failed", True, 0)
    rq.act(seen, "retry")
    assert placed(mail, job) == ("queued", False, 1)


def test_a_queue_that_is_none_takes_no_job_from_its_registry(rq: Followed, engine: Valkey, wire: redis.Redis) -> None:
    spoiled = queue(engine.url, "spoiled")
    job = failed(spoiled)
    seen = rq.job(job.id, "failed")
    wire.set(spoiled.key, "no list")
    assert "another type" in rq.act(seen, "retry", status=503)["detail"]
    wire.delete(spoiled.key)
    assert placed(spoiled, job) == ("failed", True, 0)


def test_a_job_that_was_lost_from_its_registry_is_retried(rq: Followed, mail: Queue) -> None:
    job = failed(mail)
    FailedJobRegistry(queue=mail).remove(job)
    rq.act(rq.job(job.id, "failed"), "retry")
    assert placed(mail, job) == ("queued", False, 1)


def test_a_job_that_rqs_own_requeue_has_in_hand_is_put_into_its_queue_once(
    rq: Followed, mail: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.brokers.rq_actions.SETTLE_S", 1.0)
    job = failed(mail)
    seen = rq.job(job.id, "failed")
    FailedJobRegistry(queue=mail).remove(job)  # the first of its two steps

    def second_step() -> None:
        mail._enqueue_job(RqJob.fetch(job.id, connection=mail.connection))

    later = threading.Timer(0.2, second_step)
    later.start()
    assert "it is queued now" in rq.act(seen, "retry", status=409)["detail"]
    later.join()
    assert placed(mail, job) == ("queued", False, 1)


def test_many_who_retry_at_once_by_rq_and_here_put_each_job_into_its_queue_once(rq: Followed, mail: Queue) -> None:
    jobs = [failed(mail) for _ in range(20)]
    seen = [rq.job(job.id, "failed") for job in jobs]

    def by_rq() -> None:
        for job in reversed(jobs):
            with suppress(InvalidJobOperation):
                FailedJobRegistry(queue=mail).requeue(job.id)

    other = threading.Thread(target=by_rq)
    other.start()
    for one in seen:
        rq.client.post(f"/api/v1/jobs/{one.number}/actions", json={"action": "retry"})
    other.join()
    assert [mail.job_ids.count(job.id) for job in jobs] == [1] * 20


def test_a_job_with_a_rate_limit_waits_for_its_turn_again(rq: Followed, mail: Queue) -> None:
    first, second = (failed(mail, rate_limit=RateLimit("one", 1)) for _ in range(2))
    for job in (first, second):
        mail.connection.delete("rq:rl:one:allowed")
        rq.act(rq.job(job.id, "failed"), "retry")
        assert placed(mail, job) == ("queued", False, 1)
    third = failed(mail, rate_limit=RateLimit("one", 1))
    mail.connection.zrem("rq:rl:one:rate_limited", third.id)
    rq.act(rq.job(third.id, "failed"), "retry")
    assert placed(mail, third) == ("rate_limited", False, 0)


def test_where_the_answer_is_lost_nobody_says_that_nothing_was_done(
    rq: Followed, mail: Queue, proxy: Proxy, wire: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = failed(mail)
    seen = rq.job(job.id, "failed")
    whole = RqActions._to_queue

    def hold_answers(self: RqActions, *arguments: Any) -> None:
        whole(self, *arguments)
        proxy.delay_s = 3.0

    monkeypatch.setattr(RqActions, "_to_queue", hold_answers)
    with wire.monitor() as listening:  # type: ignore[no-untyped-call]

        def cut() -> None:
            for told in listening.listen():
                if told["command"].startswith("EXEC"):
                    proxy.cut()
                    return

        watching = threading.Thread(target=cut)
        watching.start()
        try:
            detail = rq.act(seen, "retry", status=503)["detail"]
        finally:
            watching.join()
            proxy.mend()
    assert detail.startswith("Nobody knows whether it was done")
    assert placed(mail, job) == ("queued", False, 1)


def test_an_action_on_a_slow_redis_ends_in_time(tmp_path: Path) -> None:
    store, slow = Valkey().start(), Valkey().start()
    proxy = Proxy(slow.socket)
    config = tmp_path / "headway.toml"
    config.write_text(f'[[queues]]\nkind = "rq"\nname = "slow"\nurl = "{proxy.url}"\n')
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url, "HEADWAY_CONFIG": str(config)})
    try:
        server.start()
        job = failed(queue(slow.url))

        def known() -> Any:
            return next(iter(server.get("/api/v1/jobs?q=state:failed").json()["items"]), None)

        number = wait_until(known, what="the failed job")["queue_id"]
        proxy.delay_s = 1.0  # each answer comes within what one may take, all of them don't
        told = server.post(f"/api/v1/jobs/{number}/actions", json={"action": "retry"}, timeout=30)
        assert told.status == 503
        assert "because it took longer than 5 s" in told.json()["detail"]
        proxy.mend()
        assert server.post(f"/api/v1/jobs/{number}/actions", json={"action": "retry"}).status in (200, 409)
        assert placed(queue(slow.url), job) == ("queued", False, 1)
    finally:
        server.close()
        proxy.close()
        store.close()
        slow.close()
