"""RQ's counts against Headway's: a difference that lasts has that state of the queue compared, and what remains of it counts as
explained, as ids that RQ keeps of jobs that are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.brokers.model import State

LASTS = 3
"""Looks at which a difference shows before it is believed: while much happens, the two are counted at different moments."""
REST_S = 30.0
"""How long a state is left alone after it was compared, and twice as long each time."""
MOST_REST_S = 600.0


@dataclass
class _Difference:
    explained: int = 0
    last: int = 0
    looks: int = 0
    rest_s: float = REST_S
    not_before: float = 0.0
    is_compared: bool = False


class Drift:
    """What is known of the differences of one broker."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, State], _Difference] = {}

    def found(self, queue: str, theirs: Mapping[State, int], ours: Mapping[State, int], now: float) -> list[State]:
        """The states of a queue that are to be compared; `now` as of `time.monotonic`."""
        wanted = list[State]()
        for state, count in ours.items():
            if state not in theirs:  # nobody can count it
                continue
            difference = theirs[state] - count
            known = self._known.setdefault((queue, state), _Difference())
            if known.is_compared:
                known.is_compared, known.explained = False, difference
            known.looks = known.looks + 1 if difference == known.last else 1
            known.last = difference
            if difference != known.explained and known.looks >= LASTS and now >= known.not_before:
                wanted.append(state)
                known.is_compared = True
                known.not_before = now + known.rest_s
                known.rest_s = min(2 * known.rest_s, MOST_REST_S)
        return wanted

    def forget(self) -> None:
        """All is compared anew."""
        self._known.clear()
