"""A bound on the whole time of what a user's broker is asked in a request, however many answers it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gevent

from services.brokers.model import BrokerError

T = TypeVar("T")
ACTION_S = 5.0


def in_time(do: Callable[[], T], seconds: float = ACTION_S) -> T:
    """What `do` answers or raises. Raises BrokerError where that takes longer: it is broken off where it waits, and
    begins nothing more, while what it holds is let go of without its caller."""
    running = gevent.spawn(_outcome, do)
    running.join(seconds)
    if not running.ready():
        running.kill(block=False)
        raise BrokerError(f"it took longer than {seconds:g} s, because its broker answers slowly")
    outcome: Any = running.value
    if isinstance(outcome, BaseException):
        raise outcome
    answer: T = outcome
    return answer


def _outcome(do: Callable[[], T]) -> T | BaseException:
    """Returned, since gevent writes what is raised into the log."""
    try:
        return do()
    except BaseException as fault:  # noqa: BLE001  raised by who waits for it
        return fault
