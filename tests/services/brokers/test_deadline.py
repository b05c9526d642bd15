"""What an action waits for has an end."""

from __future__ import annotations

import gevent
import pytest

from services.brokers.deadline import in_time
from services.brokers.model import BrokerError


def test_what_is_done_in_time_answers_or_raises_as_it_does() -> None:
    assert in_time(lambda: "done") == "done"
    assert in_time(lambda: None) is None
    with pytest.raises(BrokerError, match="it is away"):
        in_time(_refuse)


def test_what_takes_too_long_is_broken_off_where_it_waits() -> None:
    done = list[str]()

    def slow() -> None:
        gevent.sleep(0.2)
        done.append("after all")

    with pytest.raises(BrokerError, match=r"longer than 0\.05 s, because its broker answers slowly"):
        in_time(slow, 0.05)
    gevent.sleep(0.3)
    assert done == []


def _refuse() -> None:
    raise BrokerError("it is away")
