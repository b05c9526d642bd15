"""How lists of messages are read while others take from them, and how much of them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import redis

from core.config import Logs, Masking
from core.settings import read
from services.brokers import celery_waiting
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
    monkeypatch.setattr(celery_waiting, "MOST_MESSAGES", 10)
    monkeypatch.setattr(celery_waiting, "MOST_BYTES", 10 * SIZE + 100)


class Way(NamedTuple):
    """Whether a list is read from its oldest on, as at the first look, or from its newest, as later."""

    is_first: bool

    def place(self, nth: int) -> int:
        """Where the message stands that is read so late, from 0 on."""
        return -1 - nth if self.is_first else nth


@pytest.fixture(params=[True, False], ids=["at first", "later"])
def way(request: pytest.FixtureRequest, lists: Lists) -> Way:
    if not request.param:
        lists.look((), 1)  # nothing is there yet
    return Way(request.param)


def read_all(lists: Lists, looks: int, between: Callable[[], object]) -> None:
    """Look until nothing is left to be read, with something between every two looks."""
    for _ in range(looks):
        lists.look(("celery",), 1)
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
    lists: Lists, tasks: Tasks, broker: redis.Redis, way: Way
) -> None:
    fill(broker, 300)
    read_all(lists, 40, lambda: take_out(broker, way.place(5)))
    assert known(tasks, 300) == set(range(300))


@pytest.mark.usefixtures("slowly")
def test_as_many_as_are_left_to_be_read_may_be_taken_out_before_them(
    lists: Lists, tasks: Tasks, broker: redis.Redis, way: Way
) -> None:
    fill(broker, 26)
    lists.look(("celery",), 1)
    assert 6 < len(known(tasks, 26)) < 26
    for _ in range(len(known(tasks, 26)) - 6):
        take_out(broker, way.place(5))
    read_all(lists, 5, lambda: None)
    assert known(tasks, 26) == set(range(26))


@pytest.mark.usefixtures("slowly")
def test_a_list_is_read_anew_where_the_last_that_was_read_was_taken_out_itself(
    lists: Lists, tasks: Tasks, broker: redis.Redis, way: Way
) -> None:
    fill(broker, 100)
    lists.look(("celery",), 1)
    take_out(broker, way.place(len(known(tasks, 100)) - 1))
    read_all(lists, 20, lambda: None)
    assert known(tasks, 100) == set(range(100))


@pytest.mark.usefixtures("slowly")
def test_a_list_that_workers_empty_faster_than_it_is_read_counts_as_read(
    lists: Lists, tasks: Tasks, broker: redis.Redis, way: Way
) -> None:
    fill(broker, 100)
    lists.look(("celery",), 1)
    broker.rpop("celery", 90)
    read_all(lists, 2 if way.is_first else 1, lambda: None)
    assert known(tasks, 100) >= set(range(90, 100))
    assert lists.length("celery") == 10


@pytest.mark.usefixtures("slowly")
def test_what_waits_at_the_first_look_is_told_oldest_first_while_some_comes_and_goes(
    lists: Lists, tasks: Tasks, broker: redis.Redis
) -> None:
    fill(broker, 200)
    came = iter(range(200, 300))

    def change() -> None:
        fill(broker, 2, first=next(came))
        next(came)
        broker.rpop("celery", 3)

    read_all(lists, 40, change)
    told = [int(job.id.removeprefix("task-")) for job in tasks.changed()]
    assert told == sorted(told)
    assert len(told) == next(came) and lists.length("celery") < len(told)
    fill(broker, 1, first=300)
    lists.look(("celery",), 5)
    assert [(job.id, job.enqueued_ms) for job in tasks.changed()] == [("task-300", 5)], (
        "and only what is new after that"
    )


def test_of_several_lists_the_newest_come_last(lists: Lists, tasks: Tasks, broker: redis.Redis) -> None:
    lists.add("letters")
    fill(broker, 5)
    fill(broker, 3, "letters", first=10)
    lists.look((), 1)
    told = [int(job.id.removeprefix("task-")) for job in tasks.changed()]
    assert told == [0, 1, 2, 10, 3, 11, 4, 12]


def test_what_comes_is_told_oldest_first(lists: Lists, tasks: Tasks, broker: redis.Redis) -> None:
    lists.look((), 1)
    fill(broker, 5)
    lists.look(("celery",), 1)
    assert [job.id for job in tasks.changed()] == [f"task-{number}" for number in range(5)]


@pytest.mark.usefixtures("slowly")
def test_what_can_not_be_read_is_counted_until_it_leaves_whatever_left_while_it_was_read(
    lists: Lists, broker: redis.Redis
) -> None:
    for turn in range(3):
        fill(broker, 20, first=20 * turn)
        broker.lpush("celery", "no message")
    read_all(lists, 40, lambda: broker.rpop("celery", 2))
    left = [raw for raw in broker.lrange("celery", 0, -1) if raw == b"no message"]
    assert lists.unread().get("celery", 0) == len(left)
    broker.rpop("celery", int(broker.llen("celery")) - 1)
    lists.look(("celery",), 1)
    assert lists.unread() == {"celery": 1}
    broker.rpop("celery")
    lists.look(("celery",), 1)
    assert lists.unread() == {}


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
    monkeypatch.setattr(celery_waiting, "MOST_BYTES", SIZE // 2)
    monkeypatch.setattr(celery_waiting, "MOST_MESSAGES", 2)
    fill(broker, 20)
    read_all(lists, 30, lambda: None)
    assert known(tasks, 20) == set(range(20))


def test_a_look_reads_a_bounded_number_of_bytes_whatever_the_messages_are(lists: Lists, broker: redis.Redis) -> None:
    for number in range(4):
        broker.lpush("celery", *(message(f"task-{number}-{one}", b"x" * 150_000) for one in range(50)))
    for _ in range(3):
        before = int(broker.info("stats")["total_net_output_bytes"])
        lists.look((), 1)
        assert int(broker.info("stats")["total_net_output_bytes"]) - before < 3 * celery_waiting.MOST_BYTES


def test_of_many_small_messages_as_many_are_read_at_once_as_may_be(
    lists: Lists, tasks: Tasks, broker: redis.Redis
) -> None:
    fill(broker, 3_000)
    broker.config_resetstat()
    lists.look((), 1)
    assert len(known(tasks, 3_000)) > celery_waiting.MOST_MESSAGES
    assert int(broker.info("commandstats")["cmdstat_lrange"]["calls"]) < 10
