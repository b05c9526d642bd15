"""How lists of messages are read while others take from them, and how much of them at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from core.config import Logs, Masking
from core.settings import read
from services.brokers import celery_lists
from services.brokers.celery_lists import Lists
from services.brokers.celery_tasks import Tasks
from services.brokers.masking import Mask
from tests.services.brokers.test_celery_queues import fill, message

SIZE = len(message("task-100"))


@pytest.fixture
def tasks() -> Tasks:
    return Tasks(Mask(Masking(), read({"HEADWAY_AUTH": "off"}), Logs()))


@pytest.fixture
def lists(broker: redis.Redis, tasks: Tasks) -> Lists:
    made = Lists(broker, tasks)
    made.add("celery")
    return made


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some ten messages an answer."""
    monkeypatch.setattr(celery_lists, "MOST_MESSAGES", 10)
    monkeypatch.setattr(celery_lists, "MOST_BYTES", 10 * SIZE + 100)


def read_all(lists: Lists, looks: int, between: Callable[[], object]) -> None:
    """Look until nothing is left to be read, with something between every two looks."""
    for _ in range(looks):
        lists.look((), 1)
        if not lists.is_behind:
            return
        between()
    pytest.fail(f"it is not read after {looks} looks")


def take_out(broker: redis.Redis, place: int) -> None:
    """As Headway's own cancel does."""
    broker.lrem("celery", 1, broker.lindex("celery", place))  # type: ignore[arg-type]


def known(tasks: Tasks, number: int) -> set[int]:
    return {one for one in range(number) if tasks.known(f"task-{one}") is not None}


@pytest.mark.usefixtures("slowly")
def test_a_list_is_read_to_its_end_though_messages_are_taken_out_of_it_all_the_time(
    lists: Lists, tasks: Tasks, broker: redis.Redis
) -> None:
    fill(broker, 300)

    read_all(lists, 40, lambda: take_out(broker, 5))
    assert known(tasks, 300) == set(range(300))


@pytest.mark.usefixtures("slowly")
def test_as_many_as_are_left_to_be_read_may_be_taken_out_before_them(
    lists: Lists, tasks: Tasks, broker: redis.Redis
) -> None:
    fill(broker, 26)
    lists.look((), 1)
    assert len(known(tasks, 26)) < 26
    for _ in range(10):
        take_out(broker, 5)
    read_all(lists, 5, lambda: None)
    assert known(tasks, 26) == set(range(26))


@pytest.mark.usefixtures("slowly")
def test_a_list_is_read_anew_where_the_last_that_was_read_was_taken_out_itself(
    lists: Lists, tasks: Tasks, broker: redis.Redis
) -> None:
    fill(broker, 100)
    lists.look((), 1)
    take_out(broker, len(known(tasks, 100)) - 1)
    read_all(lists, 20, lambda: None)
    assert known(tasks, 100) == set(range(100))


@pytest.mark.usefixtures("slowly")
def test_a_list_that_workers_empty_faster_than_it_is_read_counts_as_read(lists: Lists, broker: redis.Redis) -> None:
    fill(broker, 100)
    lists.look((), 1)
    broker.rpop("celery", 90)
    lists.look((), 1)
    assert not lists.is_behind
    assert lists.length("celery") == 10


@pytest.mark.usefixtures("slowly")
def test_messages_that_were_put_back_at_the_end_are_read(lists: Lists, tasks: Tasks, broker: redis.Redis) -> None:
    fill(broker, 5, first=100)
    lists.look((), 1)
    broker.rpush("celery", *(message(f"task-{one}") for one in range(100)))
    lists.look(("celery",), 1)
    read_all(lists, 20, lambda: None)
    assert known(tasks, 100) == set(range(100))


def test_a_list_of_messages_of_which_none_fits_is_read_one_after_the_other(
    lists: Lists, tasks: Tasks, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery_lists, "MOST_BYTES", SIZE // 2)
    monkeypatch.setattr(celery_lists, "MOST_MESSAGES", 2)
    fill(broker, 20)
    read_all(lists, 30, lambda: None)
    assert known(tasks, 20) == set(range(20))


def test_a_look_reads_a_bounded_number_of_bytes_whatever_the_messages_are(lists: Lists, broker: redis.Redis) -> None:
    for number in range(4):
        broker.lpush("celery", *(message(f"task-{number}-{one}", b"x" * 150_000) for one in range(50)))
    for _ in range(3):
        before = int(broker.info("stats")["total_net_output_bytes"])
        lists.look((), 1)
        assert int(broker.info("stats")["total_net_output_bytes"]) - before < 3 * celery_lists.MOST_BYTES


def test_of_many_small_messages_as_many_are_read_at_once_as_may_be(
    lists: Lists, tasks: Tasks, broker: redis.Redis
) -> None:
    fill(broker, 3_000)
    broker.config_resetstat()
    lists.look((), 1)
    assert len(known(tasks, 3_000)) > celery_lists.MOST_MESSAGES
    assert int(broker.info("commandstats")["cmdstat_lrange"]["calls"]) < 10
