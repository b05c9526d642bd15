"""When a difference between RQ's counts and Headway's is believed."""

from __future__ import annotations

from services.brokers.model import State
from services.brokers.rq_drift import LASTS, MOST_REST_S, REST_S, Drift


def looks(drift: Drift, theirs: int, ours: int, *, at: float, times: int = 1) -> list[State]:
    """What is to be compared after so many looks at a queue with that many waiting jobs."""
    found = list[State]()
    for _ in range(times):
        found = drift.found("mail", {"queued": theirs, "failed": 9}, {"queued": ours}, at)
    return found


def test_a_difference_is_compared_when_it_lasts() -> None:
    drift = Drift()
    assert looks(drift, 7, 5, at=0, times=LASTS - 1) == []
    assert looks(drift, 7, 5, at=0) == ["queued"]


def test_counts_that_change_all_the_time_are_not_believed() -> None:
    drift = Drift()
    assert not any(looks(drift, 7 + look % 2, 5, at=look) for look in range(20))


def test_what_remains_after_a_comparison_is_explained() -> None:
    drift = Drift()
    looks(drift, 7, 5, at=0, times=LASTS)
    assert looks(drift, 6, 5, at=1e6, times=9) == []
    assert looks(drift, 5, 5, at=1e6, times=LASTS) == ["queued"], "what was explained is there no more"


def test_a_state_rests_longer_each_time_it_was_compared() -> None:
    drift = Drift()
    assert looks(drift, 7, 5, at=0, times=LASTS) == ["queued"]
    looks(drift, 5, 5, at=1)
    assert looks(drift, 8, 5, at=REST_S - 1, times=LASTS) == []
    assert looks(drift, 8, 5, at=REST_S) == ["queued"]
    looks(drift, 5, 5, at=REST_S)
    assert looks(drift, 9, 5, at=3 * REST_S - 1, times=LASTS) == []
    assert looks(drift, 9, 5, at=REST_S + MOST_REST_S) == ["queued"]
