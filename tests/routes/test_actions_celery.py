"""Acting on Celery's tasks, queues and workers by API: real workers on a Redis broker."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from core.config import Broker
from services.brokers import paused_queues
from services.brokers.action_model import Changed
from tests.acted import Followed, followed
from tests.celery_workers import CeleryWorker, broker_url
from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.proxy import Proxy

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # Celery's own
IDLE = "idle"
"""A queue that nobody takes from."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Headway's own store is the same server's database 1."""
    valkey = Valkey().start()
    yield valkey.url
    valkey.close()


@pytest.fixture(scope="module")
def shop(url: str) -> Iterator[Celery]:
    """What sends tasks, and holds on to no result of them."""
    app = Celery("sender", broker=broker_url(url))
    yield app
    app.close()


@pytest.fixture(scope="module")
def prefork(url: str) -> Iterator[CeleryWorker]:
    worker = CeleryWorker(url, "celery", "other", pool="prefork", concurrency=2).start()
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def celery(url: str, prefork: CeleryWorker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    broker = Broker("celery", url)
    with followed(f"{url}?db=1", broker, tmp_path_factory.mktemp("site")) as one:
        one.tick()
        yield one


@pytest.fixture(scope="module")
def wire(url: str) -> Iterator[redis.Redis]:
    connection = redis.Redis.from_url(url)
    yield connection
    connection.close()


def ended(wire: redis.Redis, id: str) -> dict[str, Any]:
    """The task's result, once there is one."""

    def there() -> dict[str, Any] | None:
        raw: Any = wire.get(f"celery-task-meta-{id}")
        told: dict[str, Any] = json.loads(raw or "{}")
        return told if told.get("status") in ("SUCCESS", "FAILURE", "REVOKED") else None

    found: dict[str, Any] = wait_until(there, what="the task's result")
    return found


def waiting(wire: redis.Redis, queue: str = IDLE) -> list[str]:
    """The ids of what waits, the next one first."""
    messages: Any = wire.lrange(queue, 0, -1)
    return [json.loads(one)["headers"]["id"] for one in reversed(messages)]


def pools(celery: Followed, *workers: CeleryWorker) -> list[str] | None:
    """What kind of pool each has, once all have told."""
    celery.tick()
    told = {one["name"]: one["pool"] for one in celery.client.get("/api/v1/workers").get_json()["workers"]}
    kinds = [told.get(worker.name) for worker in workers]
    return [kind for kind in kinds if kind] if all(kinds) else None


def test_a_failed_task_is_sent_again_as_a_new_one(celery: Followed, shop: Celery) -> None:
    id = shop.send_task("shop.fail", ("out of {stock}",)).id
    told = celery.act(celery.job(id, "failed"), "retry")
    assert told["said"].startswith("It was sent again as the new task ")
    again = celery.job(told["said"].rpartition(" ")[2].rstrip("."), "failed")
    assert again.error is not None and "out of {stock}" in again.error


def test_many_who_retry_a_task_at_once_send_it_once(celery: Followed, shop: Celery) -> None:
    failed = celery.job(shop.send_task("shop.fail").id, "failed")

    def retry() -> tuple[int, str]:
        answer = celery.app.test_client().post(
            f"/api/v1/jobs/{failed.number}/actions",
            json={"action": "retry"},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        told = answer.get_json()
        return answer.status_code, (told.get("said") or told["detail"]).rpartition(" ")[2]

    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda _: retry(), range(5)))
    assert sorted(code for code, _ in answers) == [200, 409, 409, 409, 409]
    (again,) = {task for _, task in answers}
    celery.job(again.rstrip("."), "failed")


def test_of_many_who_cancel_a_task_at_once_one_hears_that_it_is_done(celery: Followed, shop: Celery) -> None:
    held = celery.job(shop.send_task("shop.add", (1, 2), countdown=3600).id, "scheduled")

    def cancel() -> tuple[int, str]:
        answer = celery.app.test_client().post(
            f"/api/v1/jobs/{held.number}/actions",
            json={"action": "cancel"},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        told = answer.get_json()
        return answer.status_code, told.get("said") or told["detail"]

    with ThreadPoolExecutor(4) as threads:
        answers = sorted(threads.map(lambda _: cancel(), range(4)))
    (said,) = [said for code, said in answers if code == 200]
    assert said == "Its workers were told to pass it over."
    # As others say who came first, or as its result already does.
    already = "Somebody canceled it a moment ago, so nothing more was done.", Changed("revoked").args[0]
    assert [code for code, said in answers if said in already] == [409, 409, 409]
    celery.job(held.id, "canceled")


def test_without_its_arguments_a_task_is_not_sent_again(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    id = shop.send_task("shop.fail").id
    failed = celery.job(id, "failed")
    key = f"celery-task-meta-{id}"
    for held, why in (
        (b'{"status": "FAILURE", "result": null}', "result_extended = True"),
        (pickle.dumps({"status": "FAILURE"}), "Headway unpickles nothing"),
        (b'{"status": "SUCCESS", "result": 3}', "it is success now"),
    ):
        wire.set(key, held)
        assert why in celery.act(failed, "retry", status=409)["detail"]
    wire.delete(key)
    assert "expired or was forgotten" in celery.act(failed, "retry", status=409)["detail"]


def test_a_waiting_task_is_put_first_or_into_another_queue(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    first, second, third = (shop.send_task("shop.add", (1, n), queue=IDLE).id for n in range(3))
    celery.act(celery.job(third, "queued"), "front")
    assert waiting(wire) == [third, first, second]
    seen = celery.job(second, "queued")
    assert "no queue 'nowhere'" in celery.act(seen, "move", to="nowhere", status=409)["detail"]
    asked = {"action": "move", "jobs": [seen.number], "to": "nowhere", "preview": True}
    (left,) = celery.post("/api/v1/jobs/actions", asked)["others"]
    assert left["why"] == "There is no queue 'nowhere': nothing was ever sent to it."
    assert celery.post("/api/v1/jobs/actions", {**asked, "to": "celery"})["can"] == 1
    celery.act(celery.job(second, "queued"), "move", to="celery")
    assert waiting(wire) == [third, first]
    assert ended(wire, second)["result"] == 2
    wire.delete(IDLE)
    assert (
        "on its way to a worker"
        in celery.act(celery.job(first, "queued", "deleted"), "front", status=409, seen=False)["detail"]
    )


def test_a_waiting_task_is_canceled_where_it_lies(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    sent = shop.send_task("shop.add", (1, 2), queue=IDLE)
    assert celery.act(celery.job(sent.id, "queued"), "cancel")["said"] == "It was taken out of its queue."
    assert sent.id not in waiting(wire)
    assert ended(wire, sent.id)["status"] == "REVOKED"
    celery.job(sent.id, "canceled")


def test_a_task_that_a_worker_holds_is_passed_over(celery: Followed, shop: Celery) -> None:
    sent = shop.send_task("shop.add", (1, 2), countdown=3600)
    held = celery.job(sent.id, "scheduled")
    assert "holds it until its time" in celery.act(held, "run", status=409)["detail"]
    assert celery.act(held, "cancel")["said"] == "Its workers were told to pass it over."
    celery.job(sent.id, "canceled")


def test_a_task_at_work_is_ended_where_its_pool_can(
    celery: Followed, shop: Celery, url: str, wire: redis.Redis, prefork: CeleryWorker
) -> None:
    sent = shop.send_task("shop.hold", ("gate",))
    assert celery.act(celery.job(sent.id, "started"), "stop")["said"] == "Its worker was told to end it."
    assert celery.job(sent.id, "stopped").status == "failed"
    with_threads = CeleryWorker(url, "threaded", pool="threads", concurrency=1).start()
    try:
        sent = shop.send_task("shop.hold", ("threads-gate",), queue="threaded")
        told = celery.act(celery.job(sent.id, "started"), "stop", status=409)
        assert "the kind threads can't end a task" in told["detail"]
        path = f"/api/v1/workers/celery/{with_threads.name}/actions"
        assert "can't change its size" in celery.post(path, {"action": "grow"}, 409)["detail"]
        kinds = wait_until(lambda: pools(celery, with_threads, prefork), what="both kinds of pools")
        assert kinds == ["threads", "prefork"]
        page = celery.client.get("/dashboard/workers").text
        assert f"Grow the pool of {prefork.name}" in page and f"Shrink the pool of {prefork.name}" in page
        assert f"the pool of {with_threads.name}" not in page and f"Limit {with_threads.name}" in page
        wire.rpush("threads-gate", "go")
        finished = celery.job(sent.id, "finished")
        celery.act(finished, "delete")
        assert not wire.exists(f"celery-task-meta-{sent.id}")
        assert "no result of it any more" in celery.act(finished, "delete", status=409)["detail"]
        celery.post(path, {"action": "shutdown"})
        wait_until(lambda: with_threads.process.poll() is not None, what="the worker's end")  # type: ignore[union-attr]
    finally:
        with_threads.close()
    assert "did not answer" in celery.post(path, {"action": "events"}, 409)["detail"]


def test_a_queue_is_paused_for_the_workers_that_took_from_it(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    path = "/api/v1/queues/celery/other/actions"
    assert celery.post(path, {"action": "pause"})["said"].startswith("1 worker takes")
    assert paused_queues.of(
        celery.site, "celery", {}, set(paused_queues.workers_of(celery.site, "celery", "other"))
    ) == {"other"}
    sent = shop.send_task("shop.add", (1, 2), queue="other")
    assert ended(wire, shop.send_task("shop.add", (1, 2)).id)["result"] == 3
    assert "No worker" in celery.post(path, {"action": "pause"}, 409)["detail"]
    assert waiting(wire, "other") == [sent.id]
    celery.post(path, {"action": "resume"})
    assert ended(wire, sent.id)["result"] == 3
    assert "not paused here" in celery.post(path, {"action": "resume"}, 409)["detail"]


def test_a_queue_that_nobody_knows_is_neither_paused_nor_resumed(celery: Followed, shop: Celery) -> None:
    for action in ("pause", "resume"):
        told = celery.post("/api/v1/queues/celery/othre/actions", {"action": action}, 404)
        assert told["detail"] == "There is no queue 'othre': nothing was ever sent to it."
    shop.send_task("shop.add", (1, 2), queue="unheard")
    for action, why in (("pause", "No worker that answered takes from"), ("resume", "not paused here")):
        assert why in celery.post("/api/v1/queues/celery/unheard/actions", {"action": action}, 409)["detail"]


def test_a_paused_queue_of_which_a_restarted_worker_takes_is_paused_no_longer(
    celery: Followed, shop: Celery, url: str, wire: redis.Redis
) -> None:
    def paused() -> list[bool]:
        """Whether it is, once Headway knows the queue."""
        celery.tick()
        queues = celery.client.get("/api/v1/queues").get_json()["queues"]
        return [one["paused"] for one in queues if one["name"] == "again"]

    worker = CeleryWorker(url, "again", pool="threads", concurrency=1).start()
    try:
        sent = shop.send_task("shop.add", (1, 2), queue="again")
        ended(wire, sent.id)
        wait_until(lambda: paused() == [False], what="the queue")
        celery.post("/api/v1/queues/celery/again/actions", {"action": "pause"})
        wait_until(lambda: paused() == [True], what="the pause")
        worker.close()
        wait_until(lambda: paused() == [False], what="the end of the last worker that rested")
        worker = CeleryWorker(url, "again", pool="threads", concurrency=1).start()
        assert ended(wire, shop.send_task("shop.add", (1, 2), queue="again").id)["result"] == 3
        wait_until(lambda: paused() == [False], what="the pause's end")
    finally:
        worker.close()


def test_a_queue_is_emptied(celery: Followed, shop: Celery, wire: redis.Redis) -> None:
    shop.send_task("shop.add", (1, 2), queue="unwatched")
    told = celery.post("/api/v1/queues/celery/unwatched/actions", {"action": "empty"})
    assert told["said"] == "1 message that waited was thrown away."
    assert not wire.llen("unwatched")
    told = celery.post("/api/v1/queues/celery/unwatchet/actions", {"action": "empty"}, 404)
    assert told["detail"] == "There is no queue 'unwatchet': nothing was ever sent to it."


@pytest.mark.parametrize("is_set", [True, False])
def test_a_broker_that_refuses_the_password_says_so(is_set: bool, tmp_path: Path) -> None:
    valkey = Valkey().start()
    proxy = Proxy(valkey.socket)
    try:
        if is_set:
            with redis.Redis.from_url(valkey.url) as wire:
                wire.execute_command("ACL", "SETUSER", "shop", "on", ">right", "~*", "&*", "+@all")
        user = "shop" if is_set else ""
        broker = Broker("celery", proxy.url.replace("//", f"//{user}:wrong@"))
        with followed(f"{valkey.url}?db=3", broker, tmp_path) as locked:
            told = locked.post("/api/v1/queues/celery/x/actions", {"action": "pause"}, 503)
            assert told["detail"].endswith("because its Redis refused the user or the password of its url.")
    finally:
        proxy.close()
        valkey.close()


def test_without_its_broker_an_action_says_why(url: str, tmp_path: Path) -> None:
    with followed(f"{url}?db=3", Broker("celery", f"redis://:hunter2@127.0.0.1:{free_port()}"), tmp_path) as away:
        for path, asked in (("queues/celery/x", {"action": "pause"}), ("workers/celery/x", {"action": "grow"})):
            told = away.post(f"/api/v1/{path}/actions", asked, 503)
            assert told["detail"] == "Nothing was done, because its Redis can't be reached."
            assert told["result"] == "unreached"


def test_a_workers_pool_and_rates_are_changed(celery: Followed, shop: Celery, prefork: CeleryWorker) -> None:
    path = f"/api/v1/workers/celery/{prefork.name}/actions"
    inspected = shop.control.inspect([prefork.name])

    def size() -> int:
        stats: dict[str, Any] = inspected.stats()
        return len(stats[prefork.name]["pool"]["processes"])

    celery.post(path, {"action": "grow"})
    wait_until(lambda: size() == 3, what="three processes")
    assert "one at least" in celery.post(path, {"action": "shrink", "amount": 3}, 409)["detail"]
    celery.post(path, {"action": "shrink"})
    wait_until(lambda: size() == 2, what="two processes")
    assert celery.post(path, {"action": "limit", "task": "shop.say", "rate": "10/m"})["said"].endswith(
        "10/m at most now."
    )
    assert "unknown task" in celery.post(path, {"action": "limit", "task": "shop.no", "rate": "1/s"}, 409)["detail"]
    assert celery.post(path, {"action": "limit", "task": "shop.say", "rate": "often"}, 422)["field"] == "rate"
    assert celery.post(path, {"action": "limit", "task": "shop.say"}, 422)["field"] == "rate"
    assert "tells of its tasks" in celery.post(path, {"action": "events"})["said"]
