"""The order in which workers take what waits in a queue, as RQ's and kombu's own lists have it."""

from __future__ import annotations

import pytest
import redis

from core.config import Broker
from services.brokers import next_ones
from services.brokers.model import BrokerError
from tests.celery_transport import client
from tests.conftest import Valkey
from tests.rq_workers import TASKS, queue


def test_a_job_that_rq_was_given_at_the_front_is_the_next(theirs: Valkey, broker: redis.Redis) -> None:
    mail = queue(theirs.url, "mail")
    first, second = (mail.enqueue(f"{TASKS}.add", 1, n).id for n in range(2))
    urgent = mail.enqueue(f"{TASKS}.add", 1, 2, at_front=True).id
    assert next_ones.ids(Broker("rq", theirs.url), "mail", 10) == [urgent, first, second]
    assert next_ones.ids(Broker("rq", theirs.url), "mail", 2) == [urgent, first]
    assert next_ones.ids(Broker("rq", theirs.url), "none", 2) == []


@pytest.mark.parametrize("prefix", [None, "shop"])
def test_a_task_of_celerys_is_next_by_its_priority_and_then_by_its_age(
    theirs: Valkey, broker: redis.Redis, prefix: str | None
) -> None:
    shop = client(theirs.url, {"global_keyprefix": prefix} if prefix else {})
    ids = [shop.send_task("shop.add", (1, 2), queue="mail", priority=priority).id for priority in (6, 0, 6, 0)]
    broker.rpush(f"{prefix or ''}mail", "no message")
    asked = Broker("celery", theirs.url, prefix=prefix)
    assert next_ones.ids(asked, "mail", 3) == [ids[1], ids[3], ids[0]]


def test_what_is_no_queue_is_said_to_be_none(theirs: Valkey, broker: redis.Redis) -> None:
    broker.set("rq:queue:mail", "no list")
    with pytest.raises(BrokerError, match="holds another type"):
        next_ones.ids(Broker("rq", theirs.url), "mail", 10)
