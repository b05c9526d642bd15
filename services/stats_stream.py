"""Dialect T on the wire: the values of all tiles every five seconds, and each new notification, for all who listen.

Lines of logs come onto the same channel from who follows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core import sse
from core.backlog import Frame
from core.event_log import Entry
from core.site import Site
from core.streams import Relay, Source
from core.ticks import Ticks
from core.times import rfc3339
from services import notifications_service, tiles_service
from services.notification_events import NotificationEvent
from services.tile_model import Number

CHANNEL = "t"
EVERY_S = 5.0
LIMIT = 256
"""Unread events that a client may hold which does not keep up: a burst of log lines makes no gap at once."""


class StatsStream(Relay):
    """One a process. Values are read once for all who listen, and while nobody does, not at all."""

    def __init__(self, site: Site, await_lines: Callable[[], None] = lambda: None) -> None:
        """`await_lines` waits until who has joined hears each new line of a log, for a second or so at most."""
        super().__init__(site.hub, CHANNEL, notification)
        self._site = site
        self._await_lines = await_lines
        self._ticks = Ticks(site.hub, CHANNEL, "stats", EVERY_S, lambda: snapshot(site))

    def stream(self) -> Source:
        return Source((CHANNEL,), limit=LIMIT, first=self._first, missed=notification)

    def _first(self) -> list[Frame]:
        """The values. From then on every line comes, and each notification did before."""
        self._await_lines()
        return self._ticks.first()


def snapshot(site: Site) -> dict[str, Any]:
    """Each tile's value at the path that its id spells, and what is always there. Raises StoreError."""
    counts = notifications_service.counts(site)
    return {
        **nested(tiles_service.values(site)),
        "notifications": {"sent": counts.sent, "pending": counts.pending},
        "timestamp": rfc3339(site.clock()),
    }


def nested(values: Mapping[str, Number | None]) -> dict[str, Any]:
    """`{"requests.total": 3}` as `{"requests": {"total": 3}}`. No id is the beginning of another's path."""
    whole: dict[str, Any] = {}
    for id, value in values.items():
        *path, last = id.split(".")
        within = whole
        for name in path:
            within = within.setdefault(name, {})
        within[last] = value
    return whole


def notification(entry: Entry) -> Frame | None:
    """An entry of the bus as an event `notification`; None where no notification was created."""
    made: Frame | None = entry.memo.get("t")
    if made is None and entry.kind == "n" and entry.value.kind == "created":
        made = entry.memo["t"] = _frame(entry.value, entry.position)
    return made


def _frame(event: NotificationEvent, position: str) -> Frame:
    data = {
        "id": event.id,
        "title": event.title,
        "body": event.body,
        "level": event.level,
        "channel": event.channel or None,
        "state": event.state,
        "created_at": rfc3339(event.created_ms / 1000),
    }
    return Frame(sse.event(data, name="notification", id=position), key=event.id, keep=True)
