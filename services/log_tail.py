"""The newest lines of all processes, for who watches them: followed while somebody listens, shown a few times a second.

Where more come than anybody can read, the newest win, and how many were passed over is told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis

from core import keys, positions, sse
from core.backlog import Frame
from core.positions import START, Id
from core.site import Site
from core.store import StoreError, reader
from services import log_chunks
from services.log_chunks import Found, Reference
from services.log_model import MOST_PLACE, LineId, LogLine, as_json

log = logging.getLogger("headway.logs")

LINES, ROWS = "t", "feed:logs"
"""The channels: events `log` for programs, rows for pages."""
GATHER_S = 0.25
BLOCK_MS = 1000
PAUSE_S = 0.5
AT_ONCE = 1000
MOST_READS = 20
"""Of AT_ONCE chunks in one turn."""
MOST_SHOWN = 200

Render = Callable[[Sequence[LogLine]], list[str]]


class LogTail:
    """One a process: a thread and a connection of its own, while somebody listens. `render` makes rows of HTML of lines."""

    def __init__(self, site: Site, render: Render) -> None:
        self._site, self._render = site, render
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._at: Id | None = None
        self._follows = threading.Event()
        for channel in (LINES, ROWS):
            site.hub.when_joined(channel, self.listen)

    def listen(self) -> None:
        """Somebody has come who wants lines from now on."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="headway-log-tail", daemon=True)
                self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Until it follows: who listens gets what comes from then on. Not for longer than this, such as while the store is away."""
        self._follows.wait(timeout_s)

    def _run(self) -> None:
        store = reader(self._site.store.url, timeout_s=BLOCK_MS / 1000 + 2)
        self._at, knows_place, failing = None, False, False
        while self._is_wanted():
            try:
                if not knows_place:
                    self._begin(store)
                    self._follows.set()
                self._step(store)
                knows_place, failing = True, False
            except Exception as fault:
                # The border of a background thread: whatever fails, the next turn may go well.
                if not failing and not isinstance(fault, StoreError):
                    log.exception("New log lines can't be passed on")
                knows_place, failing = False, True
                time.sleep(PAUSE_S)
        store.close()

    def _is_wanted(self) -> bool:
        with self._lock:
            if self._site.hub.listeners(LINES) or self._site.hub.listeners(ROWS):
                return True
            self._thread = None
            self._follows.clear()
            return False

    def _begin(self, store: redis.Redis) -> None:
        """Stand where the newest line is; after a while in which the store was away where we stood, if it still knows that."""
        newest: Any = store.xrevrange(keys.LOG_INDEX.at(), count=1)
        last = positions.id_of(newest[0][0]) if newest else START
        self._at = last if self._at is None else min(self._at, last)

    def _step(self, store: redis.Redis) -> None:
        """Wait for lines, gather what comes soon after them, and pass the newest on."""
        since = self._at
        came, references = self._read(store, BLOCK_MS)
        if not came:
            return
        try:
            time.sleep(GATHER_S)
            for _ in range(MOST_READS):
                more, further = self._read(store, None)
                references += further
                if more < AT_ONCE:
                    break
            lines = self._newest(references)
        except StoreError:
            self._at = since  # what was not read goes out once it can be
            raise
        skipped = sum(one.head.count for one in references) - len(lines)
        if lines:
            self._publish(lines, skipped, since)

    def _read(self, store: redis.Redis, block_ms: int | None) -> tuple[int, list[Reference]]:
        """How many entries came to the index, and what they refer to."""
        assert self._at is not None  # noqa: S101
        at = positions.id_text(self._at)
        answer: Any = store.xread({keys.LOG_INDEX.at(): at}, count=AT_ONCE, block=block_ms)
        if not answer:
            return 0, []
        found = answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]
        self._at = positions.id_of(found[-1][0])
        return len(found), [one for entry in found if (one := log_chunks.reference(*entry)) is not None]

    def _newest(self, references: Sequence[Reference]) -> list[LogLine]:
        """The last MOST_SHOWN lines, oldest first."""
        wanted, lines = list[Reference](), 0
        for one in reversed(references):
            if lines >= MOST_SHOWN:
                break
            wanted.append(one)
            lines += one.head.count
        fetched = log_chunks.fetch(self._site.store, wanted)
        found = list[LogLine]()
        for one in reversed(wanted):
            found += Found(one.ms, one.seq, one.head, fetched.get(one.id)).lines()
        return found[-MOST_SHOWN:]

    def _publish(self, lines: Sequence[LogLine], skipped: int, since: Id | None) -> None:
        """`since` is the chunk behind which they come: a page that has not come so far asks for what it missed."""
        hub = self._site.hub
        if hub.listeners(LINES):
            frames = [Frame(sse.event(as_json(line), name="log")) for line in lines]
            hub.publish({LINES: [*_left_out(skipped, since, lines[0]), *frames]})
        if hub.listeners(ROWS):
            rows = self._render(lines)
            data = {
                "feed": ROWS.partition(":")[2],
                "rows": rows,
                "skipped": skipped,
                "since": f"{positions.id_text(since or START)}-0",
                "after": str(lines[-1].id),
            }
            hub.publish({ROWS: [Frame(sse.event(data, name="rows"))]})


def _left_out(skipped: int, since: Id | None, first: LogLine) -> list[Frame]:
    """What tells programs of lines that do not come to them, and between which two ids to ask for those; nothing where all come."""
    if not skipped:
        return []
    between = {"after": str(LineId(*(since or START), MOST_PLACE)), "cursor": str(first.id)}
    return [Frame(sse.event({"lines": skipped, **between}, name="skipped"))]
