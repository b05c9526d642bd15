"""The way of tiles, notifications and deployments: a request each; of what a tile was told meanwhile only what it comes to."""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any
from urllib.parse import quote

from headway.lane import Lane
from headway.told import Told
from headway.transport import Refused, Transport

MOST = 1_000
"""Tiles that wait, notifications, and deployments."""
BATCH = 100

SET, ADD, NOTIFY, DEPLOY = range(4)
_PLACES = {NOTIFY: ("/api/v1/notifications", "a notification"), DEPLOY: ("/api/v1/deployments", "a deployment")}
"""Where those go that are no tiles, and what they are called."""


class Figure:
    """A tile's value, what to add to it, a notification, or a deployment. `key` is the tile's id, or that of the other.

    `once` is the name under which an increment was sent: it may have counted, though no answer came.
    """

    __slots__ = ("fields", "key", "kind", "once", "value")

    def __init__(self, kind: int, key: str, value: float = 0, fields: dict[str, Any] | None = None) -> None:
        self.kind = kind
        self.key = key
        self.value = value
        self.fields = fields
        self.once: str | None = None

    def then(self, later: Figure) -> None:
        """Become what this and a later word about the same tile come to."""
        self.value = later.value if later.kind == SET else self.value + later.value
        self.kind = SET if later.kind == SET else self.kind


class FigureBacklog:
    def __init__(self, name: str, most: int = MOST) -> None:
        self._name = name
        self._most = most
        self._waiting: deque[Figure] = deque()
        self._open: dict[str, Figure] = {}
        """Of each tile the one that takes in what follows."""
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= BATCH

    def add(self, one: Figure) -> None:
        last = self._open.get(one.key)
        if last is not None:
            last.then(one)
            return
        self._waiting.append(one)
        if one.kind not in _PLACES:
            self._open[one.key] = one
        self._make_room()

    def take(self) -> list[Figure]:
        return [self._remove() for _ in range(min(BATCH, len(self._waiting)))]

    def restore(self, taken: list[Figure]) -> None:
        for figure in reversed(taken):
            # What may have counted is said again as it was, so that the site knows it.
            closed = figure.kind in _PLACES or figure.once is not None
            later = self._open.get(figure.key)
            if later is not None and later.kind == SET:
                continue
            if later is not None and not closed:
                figure.then(later)
                later.kind, later.value = figure.kind, figure.value
                continue
            self._waiting.appendleft(figure)
            if not closed:
                self._open[figure.key] = figure
        self._make_room()

    def lost(self) -> str:
        return f"{self.dropped:,} {self._name}" if self.dropped else ""

    def _remove(self) -> Figure:
        figure = self._waiting.popleft()
        if self._open.get(figure.key) is figure:
            del self._open[figure.key]
        return figure

    def _make_room(self) -> None:
        while len(self._waiting) > self._most:
            self._remove()
            self.dropped += 1


class FigureLane(Lane[Figure]):
    """Tiles have one, notifications and deployments others, so that a site which takes no more of these still takes those."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    def send(self, transport: Transport, told: Told) -> None:
        while self.under_way:
            figure = self.under_way[0]
            if figure.kind == ADD and figure.once is None:
                figure.once = uuid.uuid4().hex
            try:
                transport.send(*_request(figure), figure.once)
            except Refused as refused:
                told.refusal(
                    _PLACES[figure.kind][1] if figure.kind in _PLACES else f"the tile {figure.key}", str(refused)
                )
            del self.under_way[0]

    def _empty(self) -> FigureBacklog:
        return FigureBacklog(self.name)


def _request(figure: Figure) -> tuple[str, str, dict[str, Any]]:
    if figure.kind in _PLACES:
        return "POST", _PLACES[figure.kind][0], {**(figure.fields or {}), "id": figure.key}
    tile = f"/api/v1/tiles/{quote(figure.key, safe='')}"
    if figure.kind == SET:
        return "PUT", tile, {"value": figure.value}
    return "POST", f"{tile}/increment", {"by": figure.value}
