"""Acting on RQ's jobs, queues and workers by API: real workers of both its major versions."""

from __future__ import annotations

import html
import pickle
import re
import uuid
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.job import Job as RqJob

from core.config import Broker
from services.brokers.action_model import ActionRefused, Changed, Target
from services.brokers.rq_actions import RqActions
from tests.acted import Followed, followed
from tests.conftest import Valkey, wait_until
from tests.panels.boards import Parts
from tests.rq_workers import TASKS, RqWorker, Version, queue

IDLE = "idle"
"""A queue that nobody works for."""


class Evil:
    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return open, (self.trap, "w")


@pytest.fixture(scope="module")
def rq_url() -> Iterator[str]:
    """Headway's own store is the same server's database 0."""
    valkey = Valkey().start()
    yield f"{valkey.url}?db=1"
    valkey.close()


@pytest.fixture(scope="module")
def rq(rq_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    with followed(rq_url.partition("?")[0], Broker("rq", rq_url), tmp_path_factory.mktemp("site")) as one:
        yield one


@pytest.fixture(scope="module")
def workers(rq_url: str) -> Iterator[dict[Version, RqWorker]]:
    both: dict[Version, RqWorker] = {version: RqWorker(rq_url, f"v{version}", version=version) for version in (2, 3)}
    for worker in both.values():
        worker.start()
    yield both
    for worker in both.values():
        worker.close()


@pytest.fixture
def idle(rq_url: str) -> Queue:
    return queue(rq_url, IDLE)


@pytest.mark.parametrize("version", [3, 2])
def test_a_failed_job_is_retried_once_by_its_own_worker(
    rq: Followed, workers: dict[Version, RqWorker], rq_url: str, version: Version
) -> None:
    id = queue(rq_url, f"v{version}").enqueue(f"{TASKS}.fail_times", 1, meta={"order": 7}).id
    failed = rq.job(id, "failed")
    told = rq.act(failed, "retry")
    assert told["done"] and told["said"] == "It was put into its queue again."
    finished = rq.job(id, "finished", attempt=2)
    assert finished.attempts[0].status == "failed"
    assert queue(rq_url).connection.hget(f"rq:job:{id}", "meta") == pickle.dumps({"order": 7}, protocol=5)
    assert "changed" in rq.act(failed, "retry", status=409)["result"]


@pytest.mark.parametrize("version", [3, 2])
def test_a_job_at_work_is_stopped(
    rq: Followed, workers: dict[Version, RqWorker], rq_url: str, version: Version
) -> None:
    id = queue(rq_url, f"v{version}").enqueue(f"{TASKS}.hold", f"gate-{version}").id
    started = rq.job(id, "started")
    assert "at work" in rq.act(started, "delete", status=409)["detail"]
    assert rq.act(started, "stop")["said"] == "Its worker was told to stop it."
    stopped = rq.job(id, "stopped")
    queue(rq_url).connection.rpush(f"gate-{version}", "go")
    rq.act(stopped, "retry")
    rq.job(id, "finished", attempt=2)


def test_what_waits_is_canceled_and_may_be_retried(rq: Followed, idle: Queue) -> None:
    first = idle.enqueue(f"{TASKS}.add", 1, 2)
    after = idle.enqueue(f"{TASKS}.add", 1, 2, depends_on=first)
    later = idle.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 2)
    for one, state in ((after, "deferred"), (later, "scheduled"), (first, "queued")):
        assert rq.act(rq.job(one.id, state), "cancel")["said"] == "It was canceled."
        assert rq.job(one.id, "canceled").status == "failed"
    assert idle.job_ids == []
    assert "depends on other jobs" in rq.act(rq.job(after.id, "canceled"), "retry", status=409)["detail"]
    rq.act(rq.job(first.id, "canceled"), "retry")
    assert idle.job_ids == [first.id]


def test_a_scheduled_job_is_run_now_or_waits_elsewhere(rq: Followed, idle: Queue, rq_url: str) -> None:
    hours = timedelta(hours=1)
    one, other = (idle.enqueue_in(hours, f"{TASKS}.add", 1, n) for n in (1, 2))
    rq.act(rq.job(one.id, "scheduled"), "run")
    assert one.id in idle.job_ids
    assert "not scheduled" in rq.act(rq.job(one.id, "queued"), "run", status=409)["detail"]
    queue(rq_url, "elsewhere").enqueue(f"{TASKS}.add", 1, 2)
    due = idle.scheduled_job_registry.get_scheduled_time(other.id)
    rq.act(rq.job(other.id, "scheduled"), "move", to="elsewhere")
    assert queue(rq_url, "elsewhere").scheduled_job_registry.get_scheduled_time(other.id) == due
    assert idle.scheduled_job_registry.count == 0


def test_a_waiting_job_is_put_first_or_into_another_queue(rq: Followed, rq_url: str) -> None:
    waiting = queue(rq_url, f"line-{uuid.uuid4().hex[:6]}")
    first, second, third = (waiting.enqueue(f"{TASKS}.add", 1, n).id for n in range(3))
    rq.act(rq.job(third, "queued"), "front")
    assert waiting.job_ids == [third, first, second]
    page = rq.client.get(f"/dashboard/queues/rq/{waiting.name}").text
    told = re.findall(r'class="what"><a class="name" href="/dashboard/jobs/(\d+)"', page)
    assert told == [str(rq.job(id, "queued").number) for id in (third, first, second)]
    assert "no queue 'nowhere'" in rq.act(rq.job(second, "queued"), "move", to="nowhere", status=409)["detail"]
    target = queue(rq_url, "elsewhere")
    target.enqueue(f"{TASKS}.add", 1, 2)
    rq.act(rq.job(second, "queued"), "move", to="elsewhere")
    assert (waiting.job_ids, target.job_ids[-1]) == ([third, first], second)
    assert RqJob.fetch(second, connection=target.connection).origin == "elsewhere"
    assert "already" in rq.act(rq.job(second, "queued"), "move", to="elsewhere", status=409)["detail"]


def test_a_job_that_changed_in_rq_before_headway_saw_it_is_left_alone(rq: Followed, idle: Queue) -> None:
    one = idle.enqueue(f"{TASKS}.add", 1, 2)
    seen = rq.job(one.id, "queued")
    one.cancel()
    told = rq.act(seen, "cancel", status=409)
    assert (told["result"], told["detail"]) == (
        "changed",
        "It has changed meanwhile: it is canceled now. Nothing was done.",
    )
    rq.job(one.id, "canceled")
    one.delete()
    assert "it is deleted now" in rq.act(rq.known(one.id), "retry", status=409)["detail"]  # type: ignore[arg-type]
    taken = idle.enqueue(f"{TASKS}.add", 1, 2)
    seen = rq.job(taken.id, "queued")
    idle.remove(taken.id)  # as a worker does before it says so
    for action in ("cancel", "front", "delete"):
        assert "on its way to a worker" in rq.act(seen, action, status=409)["detail"]
    assert taken.get_status() == "queued"


def test_a_job_that_changes_while_rq_acts_on_it_is_left_alone(
    rq_url: str, idle: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = idle.enqueue(f"{TASKS}.add", 1, 2)
    looked_at = RqActions._check_place

    def canceled(self: RqActions, *place: Any) -> None:
        looked_at(self, *place)
        one.cancel()  # as somebody else does

    monkeypatch.setattr(RqActions, "_check_place", canceled)
    actions = RqActions(Broker("rq", rq_url))
    target = Target(id=one.id, state="queued", queue=IDLE, function=None, worker=None, started_ms=None)
    with pytest.raises(Changed, match="it is canceled now"):
        actions.on_job("cancel", target, None)
    actions.close()


def test_a_payload_that_would_run_code_is_acted_on_and_never_read(rq: Followed, idle: Queue, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    one = idle.enqueue(f"{TASKS}.add", 1, 2)
    evil = pickle.dumps(Evil(trap))
    idle.connection.hset(one.key, mapping={"data": zlib.compress(evil), "meta": evil})
    rq.act(rq.job(one.id, "queued"), "front")
    rq.act(rq.job(one.id, "queued"), "cancel")
    rq.act(rq.job(one.id, "canceled"), "retry")
    assert idle.connection.hmget(one.key, "data", "meta") == [zlib.compress(evil), evil]
    rq.act(rq.job(one.id, "queued", attempt=2), "delete")
    assert not idle.connection.exists(one.key)
    assert not trap.exists()
    pickle.loads(evil).close()  # noqa: S301  it would indeed
    assert trap.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "resting"),
        ("timeout", "x"),
        ("created_at", "yesterday"),
        ("result_ttl", "x"),
        ("retries_left", "x"),
        ("dependency_ids", "5"),  # at which RQ fails once it is to write the job
        ("group_id", "gone"),
    ],
)
def test_a_job_that_rq_cant_read_is_refused(rq_url: str, idle: Queue, field: str, value: str) -> None:
    job = idle.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 2)
    idle.connection.hset(job.key, field, value)
    seen = Target(id=job.id, state="scheduled", queue=IDLE, function=None, worker=None, started_ms=None)
    actions = RqActions(Broker("rq", rq_url))
    with pytest.raises(ActionRefused, match="RQ can't read this job: a field of it is damaged"):
        actions.on_job("delete" if field == "group_id" else "run", seen, None)
    actions.close()
    assert job.id in idle.scheduled_job_registry.get_job_ids()


def test_an_ended_job_is_deleted_from_rq_and_headway_keeps_its_record(
    rq: Followed, workers: dict[Version, RqWorker], rq_url: str
) -> None:
    id = queue(rq_url, "v3").enqueue(f"{TASKS}.add", 1, 2).id
    finished = rq.job(id, "finished")
    assert rq.act(finished, "retry", status=409)["detail"] == "It ended well."
    rq.act(finished, "delete")
    assert not queue(rq_url, "v3").connection.exists(f"rq:job:{id}")
    rq.tick()
    assert rq.known(id).state == "finished"  # type: ignore[union-attr]


def test_a_queue_is_emptied_in_steps(rq: Followed, rq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.brokers.rq_emptying.CHUNK", 2)
    full = queue(rq_url, "full")
    ids = [full.enqueue(f"{TASKS}.add", 1, n).id for n in range(5)]
    told = rq.post("/api/v1/queues/rq/full/actions", {"action": "empty"})
    assert told["said"] == "5 jobs that waited were deleted from RQ."
    assert full.count == 0 and not full.connection.exists(*(f"rq:job:{id}" for id in ids))


def test_what_was_done_to_a_queue_is_told_on_its_page_in_words(rq: Followed, rq_url: str) -> None:
    crowd = queue(rq_url, "crowd")
    crowd.connection.rpush(crowd.key, *range(1_002))
    crowd.connection.sadd("rq:queues", crowd.key)
    rq.tick()
    told = rq.post("/api/v1/queues/rq/crowd/actions", {"action": "empty"})
    page = Parts(rq.client.get(f"/dashboard/queues/rq/crowd?told={told['audit']}").text).text
    assert "1,002 jobs that waited were deleted from RQ. Empty, queue crowd of rq" in page


def test_a_queue_is_acted_on_by_the_name_that_is_shown_of_it(rq: Followed, rq_url: str) -> None:
    odd = queue(rq_url, " mail\nof Ann ")
    rq.job(odd.enqueue(f"{TASKS}.add", 1, 2).id, "queued")
    assert "1 job" in rq.post("/api/v1/queues/rq/mail of Ann/actions", {"action": "empty"})["said"]
    assert odd.count == 0


def test_emptying_a_queue_ends_where_others_have_emptied_it(rq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    full = queue(rq_url, "drained")
    full.connection.rpush(full.key, *range(50))
    whole = redis.Redis.llen

    def drained(self: redis.Redis, key: str) -> object:
        waiting = whole(self, key)
        full.connection.ltrim(key, 0, 19)  # as workers would
        return waiting

    monkeypatch.setattr(redis.Redis, "llen", drained)
    monkeypatch.setattr("services.brokers.rq_emptying.CHUNK", 10)
    full.connection.config_resetstat()
    actions = RqActions(Broker("rq", rq_url))
    assert actions.on_queue("empty", full.name) == "20 jobs that waited were deleted from RQ."
    actions.close()
    assert full.connection.info("commandstats")["cmdstat_evalsha"]["calls"] <= 4


def test_a_pause_concerns_all_workers_and_says_so(rq: Followed, workers: dict[Version, RqWorker], rq_url: str) -> None:
    told = rq.post("/api/v1/queues/rq/v3/actions", {"action": "pause"})
    assert "All workers of this Redis" in told["said"]
    connection: redis.Redis = queue(rq_url).connection
    assert connection.exists("rq:suspended")
    assert "All workers" in rq.post("/api/v1/queues/rq/v3/actions", {"action": "resume"})["said"]
    assert not connection.exists("rq:suspended")


@pytest.mark.parametrize("action", ["pause", "resume", "empty"])
def test_a_queue_that_never_was_is_told_of_and_nothing_is_done(rq: Followed, rq_url: str, action: str) -> None:
    told = rq.post("/api/v1/queues/rq/maill/actions", {"action": action}, 404)
    assert told["detail"] == "There is no queue 'maill': no job was ever in it, and no worker listens to it."
    assert not queue(rq_url).connection.exists("rq:suspended")
    assert rq.client.get("/api/v1/audit").get_json()["items"][0]["result"] == "unknown"


def test_what_no_broker_has_is_told_to_be_unknown_or_its_apps(rq: Followed) -> None:
    told = rq.post("/api/v1/queues/none/v3/actions", {"action": "pause"}, 404)
    assert told["title"] == "No such queue"
    assert told["detail"] == "There is no queue 'v3' of 'none': no broker is called so, and no job named it."
    told = rq.post("/api/v1/workers/none/w/actions", {"action": "shutdown"}, 404)
    assert told["title"] == "No such worker"
    assert told["detail"] == "There is no broker 'none', and workers are known of brokers alone."
    rq.post("/api/v1/queue", {"title": "x", "agent": "app", "queue": "v3"}, 201)
    told = rq.post("/api/v1/queues/app/v3/actions", {"action": "pause"}, 409)
    assert told["detail"].startswith("It was reported by its app")


@pytest.mark.parametrize("name", ["..", "/x", "a//b", "?q=1&name=x", "%2e%2e"])
def test_a_queues_buttons_work_whatever_its_name(rq: Followed, rq_url: str, name: str) -> None:
    named = queue(rq_url, name)
    rq.job(named.enqueue(f"{TASKS}.add", 1, 2).id, "queued")
    page = rq.app.jinja_env.from_string(
        '{% from "components/actions.html" import queue_actions with context %}{{ queue_actions("rq", name, {}) }}'
        '{{ queue_actions("rq", name, {"empty": none}) }}'
    )
    with rq.app.test_request_context():
        place = re.findall(r'formaction="([^"]+)"', page.render(name=name))[-1]
    assert rq.client.post(html.unescape(place), data={"do": "empty"}).status_code == 303
    assert named.count == 0


def test_a_worker_is_told_to_end(rq: Followed, rq_url: str) -> None:
    worker = RqWorker(rq_url, "unused").start()
    path = f"/api/v1/workers/rq/{worker.name}/actions"
    assert "one job at a time" in rq.post(path, {"action": "grow"}, 409)["detail"]
    rq.post(path, {"action": "shutdown"})
    assert worker.process is not None
    wait_until(lambda: worker.process.poll() is not None, what="the worker's end")
    worker.close()
    assert "does not listen" in rq.post(path, {"action": "shutdown"}, 409)["detail"]


def test_without_its_redis_an_action_says_why_and_stands_in_the_audit(tmp_path: Path) -> None:
    store, engine = Valkey().start(), Valkey().start()
    try:
        with followed(store.url, Broker("rq", engine.url), tmp_path) as one:
            job = one.job(queue(engine.url).enqueue(f"{TASKS}.add", 1, 2).id, "queued")
            engine.stop()
            told = one.act(job, "cancel", status=503)
            assert told["detail"] == "Nothing was done, because its Redis can't be reached."
            entry = one.client.get("/api/v1/audit").get_json()["items"][0]
            assert (entry["action"], entry["on"], entry["result"]) == ("cancel", f"job {job.number}", "unreached")
    finally:
        store.close()
        engine.close()
