"""Sessions that are over before their time: signed out one by one, or all at once.

A cookie can't be taken back, so what ends it is kept in the store, where every process sees it within `FRESH_S`. With
the store away a session that was good stays good, and what ended here is told to the store when it is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from redis.exceptions import ResponseError

from core import keys
from core.store import Store, StoreError

FRESH_S = 1.0
"""For so long a process goes by what the store said last."""
REST_S = 3.0
"""For so long it leaves a store alone that did not answer."""
MOST_KEPT = 4096


class Endings:
    def __init__(self, store: Store, clock: Callable[[], float], lifetime_s: int) -> None:
        self._store = store
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._answers: dict[str, tuple[float, bool]] = {}
        self._ended: set[str] = set()
        self._all_ended_at = 0.0
        self._all_untold = 0.0
        self._rest_until = 0.0

    def alive(self, sid: str, begun: float) -> bool:
        """Whether nobody ended the session `sid`, which began at `begun` (seconds since the epoch)."""
        now = time.monotonic()
        kept = self._answers.get(sid)
        if kept is not None and kept[0] > now:
            return kept[1]
        if kept is not None:  # while one request asks, the others go by the last answer
            self._answers[sid] = (now + FRESH_S, kept[1])
        elif len(self._answers) >= MOST_KEPT:
            self._answers.clear()
        alive = self._ask(sid, begun)
        self._answers[sid] = (time.monotonic() + FRESH_S, alive)
        return alive

    def end(self, sid: str) -> None:
        """End one session, everywhere."""
        self._ended.add(sid)
        self._answers[sid] = (time.monotonic() + FRESH_S, False)
        self._save()

    def end_all(self) -> None:
        """End every session that began until now."""
        self._all_ended_at = self._all_untold = self._clock()
        self._answers.clear()
        self._save()

    def _ask(self, sid: str, begun: float) -> bool:
        if sid in self._ended or begun <= self._all_ended_at:
            return False
        self._save()
        if time.monotonic() < self._rest_until:
            return True
        try:
            revoked, ended_at = self._store.redis.mget(keys.REVOKED.at(0, sid), keys.SESSIONS_ENDED.at())
        except StoreError:
            self._rest_until = time.monotonic() + REST_S
            return True
        self._all_ended_at = max(self._all_ended_at, _seconds(ended_at))
        return revoked is None and begun > self._all_ended_at

    def _save(self) -> None:
        """Tell the store what ended here and it does not know yet."""
        ended, all_ended_at = frozenset(self._ended), self._all_untold
        if not (ended or all_ended_at) or time.monotonic() < self._rest_until:
            return
        try:
            with self._store.redis.pipeline(transaction=False) as pipeline:
                for sid in ended:
                    pipeline.set(keys.REVOKED.at(0, sid), 1, ex=self._lifetime_s)
                if all_ended_at:
                    pipeline.set(keys.SESSIONS_ENDED.at(), repr(all_ended_at))
                pipeline.execute()
        except ResponseError:
            return  # Full or a replica: it takes nothing now, and still tells what others ended.
        except StoreError:
            self._rest_until = time.monotonic() + REST_S
            return
        # More may have ended while the store answered.
        self._ended -= ended
        if self._all_untold == all_ended_at:
            self._all_untold = 0.0


def _seconds(text: object) -> float:
    try:
        return float(str(text)) if text is not None else 0.0
    except ValueError:
        return 0.0
