"""Celery on a real RabbitMQ, as Headway sees it and acts on it: what it tells, what it refuses, and its stop and return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import amqp
import pytest
import redis
from celery import Celery
from flask.testing import FlaskClient

from app import create_app
from core.config import Broker, Config, parse
from core.settings import read
from core.site import Site
from services.brokers import celery_rabbitmq, following
from services.brokers.action_model import ActionRefused, Target
from services.brokers.celery_actions import CeleryActions
from services.brokers.following import Following
from services.job_model import Job
from tests.acted import Followed, followed
from tests.celery_workers import CeleryWorker, client
from tests.conftest import TOKEN, Valkey, wait_until
from tests.rabbitmq import PASSWORD, RabbitMQ
from tests.services.brokers.followed_rq import metadata
from tests.services.brokers.rq_hashes_made import put_many

IDLE = "idle"
"""A queue that nobody takes from."""
FULL = {"x-max-length": 0, "x-overflow": "reject-publish"}


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitMQ]:
    server = RabbitMQ()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def worker(rabbit: RabbitMQ, theirs: Valkey) -> Iterator[CeleryWorker]:
    worker = CeleryWorker(
        rabbit.url, "celery", "other", pool="prefork", concurrency=1, results=theirs.url, options=("-E", "--heartbeat-interval", "1")
    )  # fmt: skip
    try:
        yield worker.start()
    finally:
        worker.close()


@pytest.fixture(scope="module")
def shop(rabbit: RabbitMQ, theirs: Valkey) -> Iterator[Celery]:
    """What sends tasks."""
    app = client(rabbit.url, theirs.url)
    yield app
    app.close()


@pytest.fixture(scope="module")
def wire(theirs: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(theirs.url) as connection:
        yield connection


@pytest.fixture
def channel(rabbit: RabbitMQ) -> Iterator[amqp.Channel]:
    with rabbit.connect() as connection:
        yield connection.channel()


@pytest.fixture(scope="module", autouse=True)
def often() -> Iterator[None]:
    """Lengths are asked for often, so that no test waits for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(celery_rabbitmq, "EVERY_S", 0.2)
        patch.setattr(celery_rabbitmq, "SELDOM_S", 0.2)
        yield


@pytest.fixture(scope="module")
def celery(
    rabbit: RabbitMQ, theirs: Valkey, worker: CeleryWorker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Followed]:
    """Headway's own store is the Redis's database 1."""
    broker = Broker("celery", rabbit.url, results=theirs.url, queues=(IDLE,))
    with followed(f"{theirs.url}?db=1", broker, tmp_path_factory.mktemp("site")) as one:

        def hears() -> bool:
            one.tick()
            return one.follower.events.since_s is not None  # type: ignore[attr-defined]

        wait_until(hears, what="the listening")
        yield one


def shown(celery: Followed, kind: str, name: str) -> dict[str, Any]:
    """A queue or a worker as the API has it; empty where it is not there."""
    celery.tick()
    told = celery.client.get(f"/api/v1/{kind}").get_json()[kind]
    return next((one for one in told if one["name"] == name), {})


def depth(celery: Followed, queue: str) -> int | None:
    return shown(celery, "queues", queue).get("depth")


def test_a_task_is_told_of_as_it_is_sent_at_work_and_ended(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    held = shop.send_task("shop.hold", ("gate",)).id
    celery.job(held, "started")
    said = shop.send_task("shop.say", kwargs={"to": "Łucja", "password": "hunter2"}).id
    assert celery.job(said, "queued", "reserved").function == "shop.say"
    wire.rpush("gate", "go")
    assert celery.job(held, "finished").result == '"let go"'
    job = celery.job(said, "finished")
    assert (job.status, job.queue, job.worker) == ("completed", "celery", shown_worker(celery)["name"])
    assert job.created_at <= job.started_at <= job.finished_at  # type: ignore[operator]
    assert metadata(job)["kwargs"] == {"to": "Łucja", "password": "***"}
    assert job.result == '{"to":"Łucja","password":"***"}'


def shown_worker(celery: Followed) -> dict[str, Any]:
    """The worker, once it told of its queues."""

    def told() -> dict[str, Any] | None:
        celery.tick()
        (one,) = celery.client.get("/api/v1/workers").get_json()["workers"] or [{}]
        return one if one.get("queues") else None

    found: dict[str, Any] = wait_until(told, what="the worker's answer")
    return found


def test_progress_and_a_failure_tell_what_they_say(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    steps = shop.send_task("shop.steps", (4, "steps")).id
    celery.job(steps, "started")
    wire.rpush("steps", "go")
    wait_until(lambda: celery.job(steps, "started").progress == 25, what="a quarter")
    wire.rpush("steps", *["go"] * 4)
    celery.job(steps, "finished")
    failed = celery.job(shop.send_task("shop.fail", ("no such box",)).id, "failed")
    assert failed.error_type == "tests.workloads.celery_tasks.OrderError"
    assert failed.error is not None and failed.error.strip().endswith("OrderError: no such box")


def test_attempts_are_told_and_when_the_next_one_is_due(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    job = celery.job(shop.send_task("shop.retry", (1, 0)).id, "finished", attempt=2)
    assert job.result == '"went well at attempt 2"'
    assert [one.error is not None and "attempt 1 failed" in one.error for one in job.attempts] == [True]
    later = celery.job(shop.send_task("shop.retry", (1, 3600)).id, "retrying")
    assert later.due_at is not None and later.created_at is not None and later.due_at > later.created_at
    wait_until(lambda: b'"RETRY"' in (wire.get(f"celery-task-meta-{later.id}") or b""), what="its result's word")  # type: ignore[operator]
    assert celery.act(later, "cancel")["said"] == "Its workers were told to pass it over."
    celery.job(later.id, "canceled")


def test_a_task_for_later_is_held_by_its_worker_until_it_is_canceled(celery: Followed, shop: Celery) -> None:
    sent = shop.send_task("shop.add", (1, 2), countdown=3600)
    held = celery.job(sent.id, "scheduled")
    assert held.due_at is not None
    assert "holds it until its time" in celery.act(held, "run", status=409)["detail"]
    assert celery.act(held, "cancel")["said"] == "Its workers were told to pass it over."
    assert celery.job(sent.id, "canceled").status == "failed"


def test_queues_tell_their_lengths_and_who_listens(celery: Followed, shop: Celery) -> None:
    sent = [shop.send_task("shop.add", (1, n), queue=IDLE).id for n in range(3)]
    with shop.connection() as connection, shop.amqp.Producer(connection) as producer:
        producer.publish("no task", routing_key=IDLE)  # it counts as well, and is no job
    assert [celery.job(id, "queued").queue for id in sent] == [IDLE] * 3
    wait_until(lambda: depth(celery, IDLE) == 4, what="the length")
    listening = {"celery": 1, "other": 1, IDLE: 0}
    wait_until(
        lambda: {name: shown(celery, "queues", name).get("workers") for name in listening} == listening,
        what="who listens",
    )
    worker = shown_worker(celery)
    assert (worker["pool"], worker["concurrency"], worker["queues"]) == ("prefork", 1, ["celery", "other"])
    page = celery.client.get("/dashboard/queues").text
    assert "RabbitMQ tells how many messages wait, not which" in page
    assert PASSWORD not in page


def test_what_waits_can_not_be_picked_out_of_a_queue(celery: Followed, shop: Celery) -> None:
    waits = celery.job(shop.send_task("shop.add", (1, 2), queue=IDLE).id, "queued")
    why = "Its broker keeps messages in an order of its own, and lets nobody pick one out."
    for action, more in (("front", {}), ("move", {"to": "celery"})):
        assert celery.act(waits, action, status=409, **more)["detail"].endswith(why)
    asked = {"action": "move", "jobs": [waits.number], "to": "celery", "preview": True}
    assert [one["why"] for one in celery.post("/api/v1/jobs/actions", asked)["others"]] == [why]


def test_a_queue_is_emptied_and_one_that_is_none_is_told(celery: Followed, shop: Celery) -> None:
    shop.send_task("shop.add", (1, 2), queue="unwatched")
    told = celery.post("/api/v1/queues/celery/unwatched/actions", {"action": "empty"})
    assert told["said"] == "1 message that waited was thrown away."
    for action in ("empty", "pause", "resume"):
        told = celery.post("/api/v1/queues/celery/unwatchet/actions", {"action": action}, 404)
        assert told["detail"] == "There is no queue 'unwatchet': nothing was ever sent to it."


def test_a_paused_queue_keeps_its_tasks_until_it_goes_on(celery: Followed, shop: Celery) -> None:
    path = "/api/v1/queues/celery/other/actions"
    assert celery.post(path, {"action": "pause"})["said"].startswith("1 worker takes from it no longer")
    waits, canceled = (shop.send_task("shop.add", (1, n), queue="other").id for n in (2, 3))
    wait_until(lambda: (one := shown(celery, "queues", "other")).get("paused") and one["depth"] == 2, what="the pause")
    celery.job(shop.send_task("shop.add", (1, 2)).id, "finished")
    assert "No worker" in celery.post(path, {"action": "pause"}, 409)["detail"]
    celery.act(celery.job(canceled, "queued"), "cancel")
    assert celery.post(path, {"action": "resume"})["said"] == "1 worker takes from it again."
    celery.job(waits, "finished")
    celery.job(canceled, "canceled")
    wait_until(lambda: shown(celery, "queues", "other").get("paused") is False, what="the pause's end")
    assert "not paused here" in celery.post(path, {"action": "resume"}, 409)["detail"]


def test_a_task_at_work_is_ended(celery: Followed, shop: Celery) -> None:
    sent = shop.send_task("shop.hold", ("never",))
    assert celery.act(celery.job(sent.id, "started"), "stop")["said"] == "Its worker was told to end it."
    assert celery.job(sent.id, "stopped").status == "failed"


def resent(celery: Followed, told: dict[str, Any]) -> str:
    assert told["said"].startswith("It was sent again as the new task ")
    return str(told["said"]).rpartition(" ")[2].rstrip(".")


def test_a_failed_task_is_sent_again_and_its_result_forgotten(
    celery: Followed, shop: Celery, wire: redis.Redis
) -> None:
    failed = celery.job(shop.send_task("shop.fail", ("out of stock",)).id, "failed")
    again = celery.job(resent(celery, celery.act(failed, "retry")), "failed")
    assert (again.queue, metadata(again)["args"]) == ("celery", ["out of stock"])
    celery.act(again, "delete")
    assert not wire.exists(f"celery-task-meta-{again.id}")


@pytest.mark.parametrize("arguments", [{"x-max-priority": 9}, {"x-queue-type": "quorum"}, {"x-message-ttl": 60_000}])
def test_a_task_is_sent_again_to_a_queue_of_any_kind(
    celery: Followed, shop: Celery, wire: redis.Redis, channel: amqp.Channel, arguments: dict[str, Any]
) -> None:
    queue = "-".join(arguments)
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
    failed = failed_in(queue, celery, shop, wire)
    resent(celery, celery.act(failed, "retry"))
    assert channel.queue_declare(queue, passive=True).message_count == 1


def failed_in(queue: str, celery: Followed, shop: Celery, wire: redis.Redis) -> Job:
    """A task that failed, which came from that queue by what its result says."""
    failed = celery.job(shop.send_task("shop.fail").id, "failed")
    key = f"celery-task-meta-{failed.id}"
    held = wire.get(key)
    assert isinstance(held, bytes)
    wire.set(key, held.replace(b'"queue": "celery"', f'"queue": "{queue}"'.encode()))
    return failed


def test_a_task_that_a_full_queue_refuses_was_not_sent_again(
    celery: Followed, shop: Celery, wire: redis.Redis, channel: amqp.Channel
) -> None:
    channel.queue_declare("full", durable=True, auto_delete=False, arguments=FULL)
    failed = failed_in("full", celery, shop, wire)
    for _ in range(2):  # and it may be tried once more
        told = celery.act(failed, "retry", status=409)
        assert told["detail"] == "RabbitMQ took no more into the queue: it is full."


def test_without_a_redis_of_results_an_action_that_needs_it_says_so(
    celery: Followed, rabbit: RabbitMQ, worker: CeleryWorker
) -> None:
    engine = CeleryActions(celery.site, Broker("celery", rabbit.url))
    job = Target(id="some", state="failed", queue="celery", function="shop.add", worker=worker.name, started_ms=None)
    for action in ("retry", "delete"):
        with pytest.raises(ActionRefused, match=r"name (their|its) Redis as results of this broker"):
            engine.on_job(action, job, None)  # type: ignore[arg-type]
    engine.close()


def test_a_workers_pool_and_rates_are_changed(celery: Followed, worker: CeleryWorker) -> None:
    path = f"/api/v1/workers/celery/{worker.name}/actions"
    assert "one at least" in celery.post(path, {"action": "shrink"}, 409)["detail"]
    assert celery.post(path, {"action": "grow"})["said"] == "Its pool was told to grow by 1."
    said = celery.post(path, {"action": "limit", "task": "shop.say", "rate": "10/m"})["said"]
    assert said == "It does shop.say at 10/m at most now."


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ((PASSWORD, "hunter2"), "its broker refused the user of its url: its password is wrong, or it may not do that"),
        (("//", "//nowhere"), "its broker has no such virtual host, or its user may not use it"),
    ],
    ids=["password", "host"],
)
def test_who_is_refused_is_told_why(
    rabbit: RabbitMQ, theirs: Valkey, tmp_path: Path, spoil: tuple[str, str], why: str
) -> None:
    url = rabbit.url.replace(*spoil) if spoil[0] == PASSWORD else f"{rabbit.url}nowhere"
    with followed(f"{theirs.url}?db=2", Broker("celery", url), tmp_path) as locked:
        told = locked.post("/api/v1/queues/celery/x/actions", {"action": "empty"}, 503)
        assert (told["result"], told["detail"]) == ("unreached", f"Nothing was done, because {why}.")


def test_as_many_queues_are_asked_for_as_are_shown(
    celery: Followed, rabbit: RabbitMQ, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_rabbitmq, "MOST_QUEUES", 3)
    side = celery_rabbitmq.RabbitSide(
        site, Broker("celery", rabbit.url, queues=("none", IDLE)), None, threading.Event()
    )  # type: ignore[arg-type]
    side.add((("other", "other"), ("celery", "celery")))
    side.tick(0)
    assert [queue.name for queue in side.now(None, set())] == [IDLE, "celery"]
    side.close()


def test_a_name_that_no_queue_has_is_asked_for_seldom_until_a_worker_listens(
    rabbit: RabbitMQ, site: Site, channel: amqp.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_rabbitmq, "EVERY_S", 0)
    monkeypatch.setattr(celery_rabbitmq, "SELDOM_S", 300)
    site = replace(
        site, config=parse('[[alerts]]\nid = "a"\nwhen = { kind = "queue_age", queue = "rules", above = "1m" }', {})
    )
    side = celery_rabbitmq.RabbitSide(site, Broker("celery", rabbit.url), None, threading.Event())  # type: ignore[arg-type]
    side.tick(0)
    channel.queue_declare("rules")
    side.tick(0)
    assert "rules" not in [queue.name for queue in side.now(None, set())], "asked for again at once"
    side.add((("rules", "rules"),))
    side.tick(0)
    assert "rules" in [queue.name for queue in side.now(None, set())]
    channel.queue_delete("rules")
    side.close()


@contextmanager
def followed_beside_an_rq(theirs: Valkey, rabbit: RabbitMQ, folder: Path) -> Iterator[FlaskClient]:
    """A client of a site that follows both as the duty does."""
    settings = read({"REDIS_URL": f"{theirs.url}?db=3", "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": str(folder)})
    brokers = (
        Broker("celery", rabbit.url, "mails", results=theirs.url, queues=(IDLE,)),
        Broker("rq", theirs.url, "shop"),
    )
    app = create_app(settings, Config(queues=brokers))
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    site: Site = app.extensions["headway"]
    duty, ending = Following(), threading.Event()

    def lead() -> None:
        while not ending.wait(0.1):
            duty.run(site)

    leader = threading.Thread(target=lead, daemon=True)
    leader.start()
    try:
        yield client
    finally:
        ending.set()
        leader.join()
        duty.end(5)
        site.store.close()


def test_one_that_is_stopped_says_so_while_all_else_goes_on_and_is_followed_again_when_it_is_back(
    rabbit: RabbitMQ,
    theirs: Valkey,
    wire: redis.Redis,
    worker: CeleryWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(following, "PAUSES_S", (0.2,))
    caplog.set_level(logging.INFO)
    with followed_beside_an_rq(theirs, rabbit, tmp_path) as headway:

        def why() -> str | None:
            told = headway.get("/api/v1/queues").get_json()["brokers"]
            return str(next(one["why"] for one in told if one["agent"] == "mails"))

        def queue(name: str) -> dict[str, Any]:
            told = headway.get("/api/v1/queues").get_json()["queues"]
            return next((one for one in told if one["name"] == name), {})

        def state(agent: str, id: str) -> str | None:
            answer = headway.get(f"/api/v1/queue?agent={agent}").get_json()
            return next((one["state"] for one in answer["items"] if one["id"] == id), None)

        with rabbit.connect() as connection:
            channel = connection.channel()
            channel.queue_declare(IDLE, durable=True, auto_delete=False)
            channel.queue_purge(IDLE)
        with client(rabbit.url, theirs.url) as shop:
            kept = [shop.send_task("shop.add", (1, 2), queue=IDLE).id for _ in range(2)]
        wait_until(lambda: queue(IDLE).get("depth") == len(kept), what="the length")
        rabbit.stop()
        wait_until(lambda: why() == "its broker can't be reached", what="the word")
        assert (queue(IDLE)["depth"], queue(IDLE)["stale"]) == (2, True)
        put_many(wire, ["beside"])
        wait_until(lambda: queue("default").get("depth") == 1, what="what comes beside")
        page = headway.get("/dashboard/queues")
        assert page.status_code == 200 and "its broker can&#39;t be reached" in page.text
        told = headway.post(f"/api/v1/queues/mails/{IDLE}/actions", json={"action": "empty"})
        assert told.get_json()["detail"] == "Nothing was done, because its broker can't be reached."
        rabbit.start()
        wait_until(lambda: why() == "None", what="its return")
        assert (queue(IDLE)["depth"], queue(IDLE)["stale"]) == (2, False)
        with client(rabbit.url, theirs.url) as shop:
            sent = shop.send_task("shop.add", (1, 2)).id
        wait_until(lambda: state("mails", sent) == "finished", what="the end of a task that came since")
        assert "The broker mails is unavailable, because its broker" in caplog.text
        for text in (caplog.text, page.text, headway.get("/dashboard/queues").text):
            assert PASSWORD not in text and rabbit.address not in text
