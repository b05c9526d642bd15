"""Keys of a Celery that begin with a `global_keyprefix`: its queues, what is reserved, its results, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from celery import Celery

from core.config import Broker
from services.brokers import celery_app
from services.brokers.action_model import JobAction, Target
from services.brokers.celery_actions import CeleryActions
from services.brokers.connections import redis_of
from services.job_rules import State
from tests import celery_workers
from tests.celery_transport import TransportWorker, client
from tests.conftest import Valkey
from tests.services.brokers.followed_celery import FollowedCelery

PREFIX = "shop"
OPTIONS = {"global_keyprefix": PREFIX}
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # Celery's own


@pytest.fixture(scope="module")
def sender(theirs: Valkey) -> Celery:
    """Sends with the prefix."""
    return client(theirs.url, OPTIONS)


@pytest.fixture(scope="module")
def worker(theirs: Valkey, sender: Celery) -> Iterator[TransportWorker]:
    worker = TransportWorker(theirs.url, OPTIONS).start()
    yield worker
    worker.close()


@pytest.fixture
def followed(theirs: Valkey, follow_celery: Callable[..., FollowedCelery]) -> FollowedCelery:
    return follow_celery(theirs.url, prefix=PREFIX)


def act(followed: FollowedCelery, action: JobAction, id: str, state: State, queue: str, to: str | None = None) -> None:
    actions = CeleryActions(followed.site, followed.broker)
    try:
        actions.on_job(action, Target(id=id, state=state, queue=queue, function=None, worker=None, started_ms=None), to)
    finally:
        actions.close()


def test_what_a_worker_does_is_followed_with_its_progress_and_its_workers(
    theirs: Valkey, sender: Celery, worker: TransportWorker, followed: FollowedCelery
) -> None:
    id = sender.send_task("shop.steps", (2, "prefixes:gate")).id
    followed.comes_to(id, "started")
    with redis.Redis.from_url(theirs.url) as gates:
        gates.rpush("prefixes:gate", 1)
        followed.until(lambda: getattr(followed.job(id), "progress", None) == 50, "the progress")
        gates.rpush("prefixes:gate", 1, 1)
    assert followed.comes_to(id, "finished").result == "2"
    followed.until(lambda: followed.queue().workers == 1, "the worker's word")
    sender.send_task("shop.add", (1, 2), countdown=600)
    followed.until(lambda: followed.queue().counts.get("scheduled") == 1, "what the worker holds")
    act(followed, "delete", id, "finished", "celery")
    assert sender.AsyncResult(id).state == "PENDING"


def test_what_waits_is_listed_moved_and_canceled_and_another_apps_is_left_alone(
    theirs: Valkey, sender: Celery, followed: FollowedCelery
) -> None:
    other = celery_workers.client(theirs.url).send_task("shop.add", queue="mail")
    first, second = (sender.send_task("shop.add", queue="mail").id for _ in range(2))
    sender.send_task("shop.add", queue="late")
    followed.comes_to(first, "queued")
    followed.comes_to(second, "queued")
    assert followed.queue("mail").counts == {"queued": 2}
    assert followed.job(other.id) is None
    act(followed, "move", first, "queued", "mail", "late")
    followed.until(lambda: followed.queue("late").counts["queued"] == 2, "its moving")
    act(followed, "front", second, "queued", "mail")
    act(followed, "cancel", second, "queued", "mail")
    followed.comes_to(second, "canceled")
    assert sender.AsyncResult(second).state == "REVOKED"
    actions = CeleryActions(followed.site, followed.broker)
    assert actions.on_queue("empty", "late").startswith("2 messages")
    actions.close()
    assert redis_of(theirs.url).llen("mail") == 1


@pytest.mark.parametrize(
    ("prefixes", "results"),
    [({}, ""), ({"prefix": "a"}, "a_"), ({"prefix": "a:"}, "a:"), ({"prefix": "a", "results_prefix": ""}, ""),
     ({"results_prefix": "b."}, "b.")],
)  # fmt: skip
def test_results_have_the_brokers_prefix_unless_one_of_their_own_is_named(
    prefixes: dict[str, str], results: str
) -> None:
    broker = Broker("celery", "redis://localhost", **prefixes)  # type: ignore[arg-type]
    assert celery_app.results_prefix(broker) == results
    app = celery_app.app_of(broker)
    app.conf.result_backend = "redis://localhost"
    assert app.backend.task_keyprefix.decode() == f"{results}celery-task-meta-"


def test_a_command_whose_keys_are_not_known_is_not_sent(theirs: Valkey) -> None:
    with pytest.raises(ValueError, match="SMOVE"):
        redis_of(theirs.url, PREFIX).smove("a", "b", "c")
