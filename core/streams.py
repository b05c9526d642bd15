"""How a stream of events begins: what it is greeted with, what it missed, and how it joins what comes from now on.

Nothing is missed and nothing comes twice: who joins takes, under the bus's lock, what came after the position where it
stands, and hears from then on what comes after that.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core import draining, positions, sse
from core.backlog import Frame
from core.bus import Bus, covers
from core.event_log import Entry, Lost, placed
from core.hub import KEEPALIVE, Client, Hub, Transport, goodbye
from core.positions import Position
from core.store import StoreError
from core.times import rfc3339

RETRY_MS = 2000
"""When a client whose connection broke comes back."""
BUS_WAIT_S = 2.0
STORE_PAUSE_S = 0.5
COMMENT_S = 15.0
MOST_WAITING = 2000
"""Frames that a client may leave untaken while it gets what it missed; then we wait for it."""
MOST_SHOWN = 200


@dataclass(frozen=True)
class States:
    """Present states as frames, and the position at which they were read; None where that does not matter."""

    frames: Sequence[Frame]
    position: Position | None = None


@dataclass(frozen=True)
class Source:
    """What a stream carries."""

    channels: tuple[str, ...]
    transport: Transport = "sse"
    limit: int = 64
    """Events that a client may hold which does not keep up."""
    states: States | None = None
    """Present states for who is new: all that came after their position follows. Who comes back gets what it missed."""
    first: Callable[[], Sequence[Frame]] | None = None
    """Reads what else comes at once, when the stream has joined already. May raise StoreError."""
    missed: Callable[[Entry], Frame | None] | None = None
    """An entry as this stream carries it, None for one that it does not; where missing, nothing is replayed."""
    present: Callable[[], States] | None = None
    """Reads the present states, which follow a gap; `states` where missing. May raise StoreError."""


class _NotYet(Exception):
    """The store is away, or the bus did not come as far as the store said it would."""


class Opening:
    """The beginning of one client's stream. `said` is its `Last-Event-ID`, None where it has none."""

    def __init__(self, bus: Bus, hub: Hub, source: Source, said: str | None) -> None:
        self._bus, self._hub, self._source = bus, hub, source
        self._said = said if source.missed is not None else None
        self._since: Position | None = None
        """Where the client stands; None until that is known."""
        self._told_away: tuple[str, float] | None = None

    def run(self, client: Client, head: bytes = b"") -> None:
        """Bring a client in; `head` goes before everything. Takes as long as what it missed, mostly no time at all."""
        self._hub.expect(client)
        if draining.begun():
            _send(client, [Frame(head + goodbye(), keep=True)])
            client.close()
            return
        if self._bus.position is None:
            _send(client, [Frame(head, keep=True)])  # a proxy waits for the first byte
            head = b""
            self._bus.wait_for(None, BUS_WAIT_S)
        if self._said is None and self._source.states is None:
            self._since = self._bus.position
            if self._since is None and self._source.missed is not None:
                self._said = ""  # it stands nowhere, as one that comes back and does not say where it was
        _send(client, [Frame(head + self._hello(self._since), keep=True)])
        next_comment_at = time.monotonic() + COMMENT_S
        while client.open:
            try:
                if self._bus.away is not None:
                    self._tell_away(client, *self._bus.away)
                self._join(client)
                break
            except (StoreError, _NotYet):
                # Without the store nobody knows what was missed: the client waits here, and is told why.
                if draining.begun():
                    _send(client, [Frame(goodbye(), keep=True)])
                    client.close()
                elif time.monotonic() > next_comment_at:
                    _send(client, [KEEPALIVE])
                    next_comment_at = time.monotonic() + COMMENT_S
                time.sleep(STORE_PAUSE_S)

        if client.open and self._told_away is not None and self._bus.away is None:
            # It may have come back before this client heard of such things with the others.
            _send(client, [recovered(*self._told_away)])
        if client.open and self._source.first is not None:
            with suppress(StoreError):  # what is published next tells it all
                _send(client, self._source.first())

    def _hello(self, since: Position | None) -> bytes:
        greeting = {
            "client_id": secrets.token_hex(8),
            "transport": "sse",
            "server_time": rfc3339(self._bus.clock()),
        }
        # With an id a client that is cut off before its first event misses nothing either.
        at = None if since is None or self._source.missed is None else positions.text(since)
        return sse.event(greeting, name="connected", id=at, retry_ms=RETRY_MS)

    def _tell_away(self, client: Client, reason: str, since: float) -> None:
        if self._told_away is None:
            self._told_away = (reason, since)
            _send(client, [degraded(reason, since)])

    def _join(self, client: Client) -> None:
        """Raises StoreError, _NotYet; a further call goes on where this one stopped."""
        if self._since is None:
            self._since = self._start(client)
        if self._since is None or self._source.missed is None:
            with self._bus.lock:
                self._enter(client)
            return
        if not self._bus.wait_for(self._since, BUS_WAIT_S):
            try:
                self._bus.log.check(self._since)
            except Lost:  # the store came back as another: as if it were a client that comes back to that
                self._said, self._since = positions.text(self._since), None
            raise _NotYet
        while client.open:
            self._since = self._give_older(client, self._since)
            with self._bus.lock:
                entries = self._bus.recent(self._since)
                if entries is not None:
                    self._give(client, entries, self._since)
                    self._enter(client)
                    return

    def _enter(self, client: Client) -> None:
        client.after = self._bus.serial
        if client.open:
            self._hub.join(client)

    def _start(self, client: Client) -> Position | None:
        """Send what comes first; the position from which on the client gets everything. Raises StoreError, _NotYet."""
        if self._said is not None:
            since = positions.parse(self._said, self._bus.log.partitions)
            try:
                if since is not None:
                    return self._checked(since)
            except Lost:
                pass
            self._need_store()
            states = self._source.present() if self._source.present else self._source.states or States(())
            until = states.position or self._bus.position
            if until is None:
                raise _NotYet
            _send(client, [gap(self._said[:MOST_SHOWN], positions.text(until))])
        else:
            states = self._source.states or States(())
        _send(client, states.frames)
        return states.position or self._bus.position

    def _checked(self, since: Position) -> Position:
        """Raises Lost, StoreError, _NotYet."""
        if not self._bus.reaches(since):
            self._need_store()
            self._bus.log.check(since)
        return since

    def _need_store(self) -> None:
        """Raises _NotYet while the store is known to be away: however many wait for it, they ask it for nothing."""
        if self._bus.away is not None:
            raise _NotYet

    def _give_older(self, client: Client, since: Position) -> Position:
        """Send what the bus no longer has in memory; where the client stands then. Raises StoreError."""
        floor = self._bus.floor
        if floor is None or covers(since, floor):
            return since
        for part in self._bus.log.between(since, floor):
            _send(client, self._frames(part))
            self._since = positions.parse(part[-1].position, len(since))
            _await(client)
            if not client.open:
                break
        return tuple(map(max, since, floor))

    def _give(self, client: Client, entries: list[Entry], since: Position) -> None:
        # Where the bus stood behind it at some partition its own way counts; from then on the way is the same for all.
        own = next((n for n, entry in enumerate(entries) if covers(entry.at, since)), len(entries))
        copies = [Entry(e.kind, e.value, e.partition, e.id) for e in entries[:own]]
        entries = placed(copies, list(since)) + entries[own:]
        _send(client, self._frames(entries))

    def _frames(self, entries: Sequence[Entry]) -> list[Frame]:
        assert self._source.missed is not None  # noqa: S101
        made = map(self._source.missed, entries)
        return [frame for frame in made if frame is not None]


class Announcer:
    """Tells every open stream how the store is."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def entries(self, entries: Sequence[Entry]) -> None:
        """What came in is for who knows what it means."""

    def gap(self, since: str, until: str) -> None:
        """As with entries."""

    def degraded(self, reason: str, since: float) -> None:
        self._hub.broadcast(degraded(reason, since))

    def recovered(self, reason: str, since: float) -> None:
        self._hub.broadcast(recovered(reason, since))


class Relay:
    """Passes on to one channel what the bus tells: `frame_of` makes an event of an entry, None where it is none of its."""

    def __init__(self, hub: Hub, channel: str, frame_of: Callable[[Entry], Frame | None]) -> None:
        self._hub, self._channel, self._frame_of = hub, channel, frame_of

    def entries(self, entries: Sequence[Entry]) -> None:
        """What the bus tells, in order."""
        if not self._hub.listeners(self._channel):
            return
        frames = [frame for frame in map(self._frame_of, entries) if frame is not None]
        if frames:
            self._hub.publish({self._channel: frames}, entries[-1].serial)

    def gap(self, since: str, until: str) -> None:
        """Whoever listens finds out from elsewhere how things stand."""
        self._hub.publish({self._channel: [gap(since, until)]})

    def degraded(self, reason: str, since: float) -> None:
        """As `Announcer` says to all."""

    def recovered(self, reason: str, since: float) -> None:
        """As with degraded."""


def degraded(reason: str, since: float) -> Frame:
    """That the store is away, and since when, in seconds since the epoch."""
    return Frame(sse.event({"reason": reason, "since": rfc3339(since)}, name="degraded"), keep=True)


def recovered(reason: str, since: float) -> Frame:
    """That the store, which was away since then, answers again."""
    return Frame(sse.event({"reason": reason, "since": rfc3339(since)}, name="recovered"), keep=True)


def gap(since: str, until: str) -> Frame:
    """That what came between two positions is not known. A client that comes back begins at the second."""
    return Frame(sse.event({"from": since, "to": until}, name="gap", id=until), keep=True)


def _send(client: Client, frames: Sequence[Frame]) -> None:
    """Frames that count for no limit: they are what the client asked for by coming."""
    if frames:
        client.allow(len(frames))
        data = b"".join(frame.data for frame in frames)
        if client.deliver(data, frames):
            client.allow(-len(frames))
            client.count(len(frames), 0)


def _await(client: Client) -> None:
    """Wait for a client that takes what it missed slower than we read it."""
    while client.open and client.waiting > MOST_WAITING:
        if client.stalled(time.monotonic()):
            client.close()
        time.sleep(0.02)
