"""Who listens to what in this process: channels by name, each with its clients, and the bytes that go to them.

A frame is made once and handed to every client of a channel. How a client takes it is the client's own affair
(`core.handover` writes to a socket, `core.queued` fills a queue), but for one thing: none of them may wait.
"""

from __future__ import annotations

import logging
import random
import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from core import draining, sse
from core.backlog import Frame
from core.metrics import STREAM_CLIENTS, STREAM_CONNECTIONS, STREAM_DROPPED, STREAM_SENT

log = logging.getLogger("headway.hub")

Transport = Literal["sse", "page"]

HEARTBEAT_S = 30
"""How often a client gets a comment."""
ASK_EVERY_S = 5
"""How often it is asked whether a client may still listen: who signs out sees that soon, on every open page."""
STALL_S = 30
"""How long a client may take nothing of what waits for it."""
BEAT_S = 0.25
YIELD_EVERY = 250
"""After so many clients whoever else has something to do gets a turn."""
RESERVE_FILES = 300
"""Open files that are not for streams: the store, the log, requests."""
MOST_CLIENTS = 20_000
RETRY_MS = (500, 5000)
"""When a client comes back after this process ended: spread, so that they don't all come at once."""

KEEPALIVE = Frame(sse.comment("keepalive"), key="keepalive")


class Client:
    """One open stream. A subclass says how frames get to it."""

    __slots__ = ("__weakref__", "after", "allowed", "channels", "hub", "joined_s", "limit", "open", "transport")

    def __init__(self, hub: Hub, transport: Transport, channels: Sequence[str], limit: int) -> None:
        self.hub = hub
        self.transport: Transport = transport
        self.channels = tuple(channels)
        self.limit = limit
        self.allowed: Callable[[], bool] = _always
        """Whether it may still listen."""
        self.after = 0
        """The last entry of the bus that it had as it joined."""
        self.joined_s = 0
        self.open = True

    def deliver(self, data: bytes, frames: Sequence[Frame]) -> bool:
        """Take frames, whose bytes joined are `data`, now or when it can; whether all went out at once."""
        raise NotImplementedError

    def allow(self, more: int) -> None:
        """Hold so many more than the limit says, for what it asked for by coming."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """Frames that it did not take yet."""
        raise NotImplementedError

    def stalled(self, now: float) -> bool:
        """Whether it took nothing for too long, by the monotonic clock, of what waits for it."""
        raise NotImplementedError

    def close(self) -> None:
        """End it, from this side or because it is gone. May be called more than once."""
        if self.open:
            self.open = False
            self.hub.leave(self)

    def count(self, sent: int, dropped: int) -> None:
        self.hub.count(self.transport, sent, dropped)


class Hub:
    """The streams of one process."""

    def __init__(self, most_clients: int | None = None) -> None:
        self.lock = threading.RLock()
        self._second = 0
        self._most = most_clients
        self._channels: dict[str, dict[Client, None]] = {}
        self._clients: dict[Client, None] = {}
        self._open: dict[Transport, int] = {"sse": 0, "page": 0}
        self._expected: set[Client] = set()
        self._heralds: dict[str, list[Callable[[], None]]] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        for transport in self._open:
            STREAM_CLIENTS.labels(transport=transport).set(0)
            STREAM_CONNECTIONS.labels(transport=transport)
            STREAM_SENT.labels(transport=transport)
            STREAM_DROPPED.labels(transport=transport)

    def start(self) -> None:
        """Beat from now on. What no longer listens is let go, and all are when this process is told to end."""
        self._thread = threading.Thread(target=self._run, name="headway-hub", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None

    def is_full(self) -> bool:
        """Whether another stream would be one too many for this process's open files."""
        if self._most is None:
            self._most = min(MOST_CLIENTS, _files() - RESERVE_FILES)
        return sum(self._open.values()) + len(self._expected) >= self._most

    def listeners(self, name: str) -> int:
        """How many listen to a channel."""
        return len(self._channels.get(name, ()))

    def names(self, prefix: str = "") -> list[str]:
        """The channels that somebody listens to."""
        with self.lock:
            return [name for name in self._channels if name.startswith(prefix)]

    def when_joined(self, name: str, call: Callable[[], None]) -> None:
        """Have `call()` made whenever a client has joined a channel; it may not wait."""
        self._heralds.setdefault(name, []).append(call)

    def expect(self, client: Client) -> None:
        """A client that is about to join: it holds an open file already."""
        if client.open:
            self._expected.add(client)

    def join(self, client: Client) -> None:
        with self.lock:
            self._expected.discard(client)
            for name in client.channels:
                self._channels.setdefault(name, {})[client] = None
            client.joined_s = self._second - 1  # so its turn comes before an interval is over
            self._clients[client] = None
            self._open[client.transport] += 1
            STREAM_CONNECTIONS.labels(transport=client.transport).inc()
            STREAM_CLIENTS.labels(transport=client.transport).set(self._open[client.transport])
        for name in client.channels:
            for call in self._heralds.get(name, ()):
                call()

    def leave(self, client: Client) -> None:
        with self.lock:
            self._expected.discard(client)
            if self._clients.pop(client, client) is client:
                return  # it never joined
            for name in client.channels:
                channel = self._channels.get(name)
                if channel is not None:
                    channel.pop(client, None)
                    if not channel:
                        del self._channels[name]
            self._open[client.transport] -= 1
            STREAM_CLIENTS.labels(transport=client.transport).set(self._open[client.transport])

    def publish(self, frames: Mapping[str, Sequence[Frame]], serial: int | None = None) -> None:
        """Hand frames to all clients of the channels named. `serial`: of the bus's last entry that they tell of; who
        joined after it has them already."""
        with self.lock:
            to = [
                (list(self._channels[name]), b"".join(frame.data for frame in some), some)
                for name, some in frames.items()
                if some and name in self._channels
            ]
        for clients, data, some in to:
            if serial is not None:
                clients = [client for client in clients if client.after < serial]
            self._deliver(clients, data, some)

    def broadcast(self, frame: Frame) -> None:
        """Hand a frame to every client of every channel."""
        with self.lock:
            clients = list(self._clients)
        self._deliver(clients, frame.data, (frame,))

    def _deliver(self, clients: Sequence[Client], data: bytes, frames: Sequence[Frame]) -> None:
        at_once = dict.fromkeys(self._open, 0)
        for turn, client in enumerate(clients, 1):
            if client.open and client.deliver(data, frames):
                at_once[client.transport] += 1
            if turn % YIELD_EVERY == 0:
                time.sleep(0)
        for transport, number in at_once.items():
            if number:
                self.count(transport, number * len(frames), 0)

    def count(self, transport: Transport, sent: int, dropped: int) -> None:
        if sent:
            STREAM_SENT.labels(transport=transport).inc(sent)
        if dropped:
            STREAM_DROPPED.labels(transport=transport).inc(dropped)

    def _run(self) -> None:
        beat_at = time.monotonic() + 1
        while not self._ending.wait(BEAT_S):
            if draining.begun():
                self.end_all()
                continue
            now = time.monotonic()
            if now >= beat_at:
                beat_at = max(beat_at + 1, now)  # a second on the whole, however long each takes
                try:
                    self.beat()
                except Exception:
                    # The border of a background thread: one client that fails must not end the heartbeat of all.
                    log.exception("A beat of the streams failed")

    def beat(self) -> None:
        """Once a second: one of HEARTBEAT_S parts of the clients hears a comment, one of ASK_EVERY_S is asked whether it may
        still listen, and all that stall are let go."""
        with self.lock:
            self._second += 1
            clients = list(self._clients)
        now = time.monotonic()
        for turn, client in enumerate(clients, 1):
            age_s = self._second - client.joined_s
            if client.stalled(now) or (age_s % ASK_EVERY_S == 0 and not client.allowed()):
                client.close()
            elif age_s % HEARTBEAT_S == 0:
                client.deliver(KEEPALIVE.data, (KEEPALIVE,))
            if turn % YIELD_EVERY == 0:
                time.sleep(0)

    def end_all(self) -> None:
        """Send every client away, each with its own time to come back after."""
        with self.lock:
            clients = [*self._expected, *self._clients]
        _send_away(clients)

    def end(self, name: str) -> None:
        """As `end_all`, for one channel: its clients come back and say what they had last."""
        with self.lock:
            clients = list(self._channels.get(name, ()))
        _send_away(clients)


def goodbye() -> bytes:
    """The last event of a stream that this side ends: when to come back."""
    retry_ms = random.randint(*RETRY_MS)  # noqa: S311  it is no secret
    return sse.event({"retry": retry_ms}, name="reconnect", retry_ms=retry_ms)


def _send_away(clients: Sequence[Client]) -> None:
    for client in clients:
        client.deliver(frame := goodbye(), (Frame(frame, keep=True),))
        client.close()


def _always() -> bool:
    return True


def _files() -> int:
    """How many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize
