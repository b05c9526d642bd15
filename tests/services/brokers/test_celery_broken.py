"""Celery's follower where its broker is away, wrong, or tells little."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from core.config import Broker
from core.site import Site
from services.brokers import celery_app, celery_watch
from services.brokers.celery_follower import CeleryFollower
from services.brokers.model import BrokerError
from tests.celery_workers import CeleryWorker, client
from tests.conftest import Valkey, free_port
from tests.services.brokers.followed_celery import FollowedCelery
from tests.serving import ROOT, bare_environment


def refused(site: Site, url: str, **options: str) -> str:
    """Why a broker can't be followed."""
    follower: CeleryFollower | None = None
    end = time.monotonic() + 30
    try:
        follower = CeleryFollower(site, Broker(kind="celery", url=url, **options))  # type: ignore[arg-type]
        while time.monotonic() < end:
            follower.tick()
            time.sleep(0.05)
    except BrokerError as fault:
        return str(fault)
    finally:
        if follower is not None:
            follower.close()
    pytest.fail("nothing was wrong with it")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://who:hunter2@127.0.0.1:{port}/0", "its Redis can't be reached"),
        ("unix:///tmp/hunter2/none.sock", "its Redis can't be reached"),
        ("amqp://who:hunter2@127.0.0.1:{port}//", "its broker can't be reached"),
        ("sqs://who:hunter2@", "name a redis://, rediss://, unix://, sentinel:// or amqp:// address"),
        ("redis://who:hunter2@127.0.0.1:notaport/0", "its address"),
    ],
)
def test_an_address_that_leads_nowhere_says_so_without_its_password(site: Site, url: str, why: str) -> None:
    said = refused(site, url.format(port=free_port()))
    assert why in said
    assert "hunter2" not in said


def test_results_that_are_in_no_redis_say_so(site: Site, theirs: Valkey) -> None:
    assert "a Redis alone" in refused(site, theirs.url, results="amqp://localhost//")


def test_a_password_that_is_refused_says_so(site: Site, own_valkey: Callable[..., Valkey]) -> None:
    server = own_valkey()
    redis.Redis.from_url(server.url).config_set("requirepass", "right")
    said = refused(site, f"unix://:hunter2@{server.socket}")
    assert "refused" in said
    assert "hunter2" not in said


def test_addresses_are_written_as_each_library_wants_them() -> None:
    assert celery_app.celery_url("unix:///run/v.sock?db=2") == "redis+socket:///run/v.sock?virtual_host=2"
    assert celery_app.redis_url("redis+socket:///run/v.sock?virtual_host=2") == "unix:///run/v.sock?db=2"
    assert celery_app.celery_url("rediss://h:1/0") == "rediss://h:1/0?ssl_cert_reqs=required"
    assert celery_app.redis_url("rediss://h/0?ssl_cert_reqs=CERT_NONE") == "rediss://h/0?ssl_cert_reqs=none"


def test_a_broker_that_went_away_says_so_and_is_followed_again_when_it_is_back(
    site: Site, own_valkey: Callable[..., Valkey]
) -> None:
    server = own_valkey()
    followed = FollowedCelery(site, server.url)
    try:
        followed.hears()
        server.stop()
        with pytest.raises(BrokerError, match="can't be reached"):
            followed.until(lambda: False, "the error")
    finally:
        followed.close()
    server.start()
    app = client(server.url)
    again = FollowedCelery(site, server.url)
    try:
        again.hears()
        again.comes_to(app.send_task("shop.add", (1, 2)).id, "queued")
    finally:
        again.close()
        app.close()


@pytest.fixture(scope="module")
def silent(theirs: Valkey) -> Iterator[CeleryWorker]:
    """A worker that sends no events of its tasks."""
    worker = CeleryWorker(theirs.url, options=("--heartbeat-interval", "1")).start()
    yield worker
    worker.close()


def test_without_events_of_many_quick_tasks_none_ends_without_its_result_or_its_error(
    silent: CeleryWorker, theirs: Valkey, follow_celery: Callable[..., FollowedCelery]
) -> None:
    followed = follow_celery(theirs.url)
    their_redis = redis.Redis.from_url(theirs.url)
    followed.until(lambda: any("B" in one["flags"] for one in their_redis.client_list()), "the tracking")
    app = client(theirs.url)
    app.conf.update(task_send_sent_event=False)
    try:
        well = [app.send_task("shop.add", (number, 1)).id for number in range(200)]
        badly = [app.send_task("shop.fail", (f"no. {number}",)).id for number in range(200)]
        for number, id in enumerate(well):
            assert followed.comes_to(id, "finished").result == str(number + 1)
        for number, id in enumerate(badly):
            job = followed.comes_to(id, "failed")
            assert job.error is not None and job.error.strip().endswith(f"OrderError: no. {number}")
    finally:
        app.close()


def test_without_events_lists_and_results_tell_and_a_note_says_so(
    silent: CeleryWorker, theirs: Valkey, follow_celery: Callable[..., FollowedCelery]
) -> None:
    followed = follow_celery(theirs.url)
    their_redis = redis.Redis.from_url(theirs.url)
    # Nothing else would tell of a task that came and went before.
    followed.until(lambda: any("B" in one["flags"] for one in their_redis.client_list()), "the tracking")
    app = client(theirs.url)
    app.conf.update(task_send_sent_event=False)
    try:
        well = app.send_task("shop.add", (1, 2)).id
        badly = app.send_task("shop.fail", ("no such box",)).id
        held = app.send_task("shop.hold", ("silent",)).id
        assert followed.comes_to(well, "finished").result == "3"
        failed = followed.comes_to(badly, "failed")
        assert failed.error is not None and failed.error.strip().endswith("OrderError: no such box")
        job = followed.comes_to(held, "started")
        assert (job.function, job.queue) == ("shop.hold", "celery")
        followed.until(lambda: followed.job(held).worker == silent.name, "its worker")  # type: ignore[union-attr]
        followed.until(lambda: followed.snapshot.notes, "the note")
        assert followed.snapshot.notes == (
            f"task events are off: start workers with -E, or press enable events ({silent.name})",
        )
        their_redis.rpush("silent", "go")
        followed.comes_to(held, "finished")
        app.control.enable_events()
        followed.comes_to(app.send_task("shop.add", (1, 2)).id, "finished")
        followed.until(lambda: not followed.snapshot.notes, "the note's end")
    finally:
        app.close()


def test_a_redis_that_may_not_tell_what_changes_is_looked_at_now_and_then(
    site: Site, own_valkey: Callable[..., Valkey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_watch, "PATIENCE_S", 0.1)
    monkeypatch.setattr(celery_watch, "UNTOLD_EVERY_S", 0.1)
    server = own_valkey()
    redis.Redis.from_url(server.url).acl_setuser(
        "shy", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-client|tracking"]
    )
    followed = FollowedCelery(site, f"unix://shy:any@{server.socket}")
    app = client(server.url)
    try:
        followed.comes_to(app.send_task("shop.add", (1, 2)).id, "queued")
        (note,) = followed.until(lambda: followed.snapshot.notes, "the note")
        assert "does not tell what changes" in note
        app.control.purge()
        followed.until(lambda: followed.queue("celery").depth == 0, "the purge")
    finally:
        followed.close()
        app.close()


def test_a_process_that_follows_no_celery_does_not_load_it() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import app, services.brokers.following, sys; print([n for n in ('celery', 'kombu.connection', 'amqp') if n in sys.modules])"],
        cwd=ROOT, env=bare_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "[]"
