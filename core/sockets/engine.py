"""The sessions of Engine.IO in one process, and their heartbeat: one for all of them, where the library has a greenlet each.

It rests on the insides of python-engineio (`_handle_connect`, `_upgrade_websocket`, the queue of a socket), so that stands
in this file alone, and the library is locked.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import engineio
import gevent
from engineio import packet
from engineio.socket import Socket

from core import draining
from core.backlog import Overflow
from core.handover import BOX
from core.metrics import STREAM_CLIENTS
from core.sessions import Caller
from core.sockets.outbox import TRANSPORT, Outbox
from core.sockets.websocket import CLOSE_S, MOST_BYTES, Allowance, WebSocket, handshake

if TYPE_CHECKING:
    import _socket

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PING_EVERY_S = 25
PONG_WITHIN_S = 20
JOIN_WITHIN_S = 5.0
"""How long a session may take to say who it is."""
UPGRADE_WITHIN_S = 10.0
"""How long one that polls may take to go over to a websocket; its polls are answered with nothing meanwhile."""
BEAT_S = 0.25
ASK_EVERY_S = 5.0
"""How often it is asked whether a session may still listen."""
CALLER, ADDRESS = "headway.sockets.caller", "headway.sockets.address"
CLIENTS = STREAM_CLIENTS.labels(transport=TRANSPORT)

log = logging.getLogger("headway.sockets")
QUIET = logging.getLogger("headway.sockets.library")
QUIET.setLevel(logging.CRITICAL)  # it would log what strangers send, with tracebacks


class Session(Socket):  # type: ignore[misc]
    """One client: a session of Engine.IO, and what became of it in Socket.IO."""

    last_ping: float | None  # when the present one was sent, None between a pong and the next
    upgrading: bool

    def __init__(self, server: Engine, sid: str, caller: Caller | None, address: str) -> None:
        super().__init__(server, sid)
        self.caller = caller
        """Who it is, as far as the request that began it told."""
        self.address = address
        self.joined = False
        self.rooms: set[str] = set()
        self.allowance = Allowance()
        self.began_at = time.monotonic()
        self._ping_at = 0.0
        self._websocket: WebSocket | None = None

    def send(self, pkt: Any) -> None:
        """Hand a packet, or the frame of an event, to the client. Lets it go when it is too far behind."""
        if self.closed:
            return
        try:
            self.queue.put(pkt)
        except Overflow:
            self.drop("too far behind")

    def join(self, caller: Caller) -> None:
        """It said who it is, and may listen."""
        self.caller, self.joined = caller, True
        CLIENTS.inc()

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """End it once it has got what waits for it. Never waits for that."""
        super().close(wait=False, abort=abort, reason=reason)
        self.server.sockets.pop(self.sid, None)
        if self._websocket is not None:
            gevent.spawn_later(CLOSE_S, self._websocket.abort)  # should it not take what waits for it
        if self.joined:
            self.joined = False
            CLIENTS.dec()

    def drop(self, why: str) -> None:
        """End it now."""
        if not self.closed:
            log.info("a client of Socket.IO at %s was let go: %s", self.address, why)
        self.close(abort=True)
        if self._websocket is not None:
            self._websocket.abort()

    def schedule_ping(self) -> None:
        if self.last_ping:  # a pong that was asked for, or the beginning
            self.last_ping = None
            self._ping_at = time.monotonic() + PING_EVERY_S

    def check_ping_timeout(self) -> bool:
        return True  # `beat` does that

    def beat(self, now: float) -> None:
        """Once a second."""
        if not self.joined and now - self.began_at > JOIN_WITHIN_S:
            self.drop("it did not say who it is")
        elif self.last_ping is None and now >= self._ping_at:
            self.last_ping = now
            self.send(packet.Packet(packet.PING))
        elif self.last_ping is not None and now - self.last_ping > PONG_WITHIN_S:
            self.drop("it does not answer")

    def _upgrade_websocket(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        box = environ.get(BOX)
        if box is None or self._websocket is not None or self.upgrading:
            return self.server._bad_request("No websocket can begin here.")
        self.upgrading = self.connected  # only a session that polls already goes over
        box.make = self._serve
        start_response("101 Switching Protocols", handshake(environ))
        return ()  # and not a list, which would be packets

    def _serve(self, sock: _socket.socket, head: bytes) -> None:
        gevent.spawn(self._live, WebSocket(sock), head)

    def _live(self, websocket: WebSocket, head: bytes) -> None:
        self._websocket = websocket
        if self.closed:
            websocket.abort()
        gevent.spawn_later(UPGRADE_WITHIN_S, self._give_up, websocket)
        try:
            websocket.begin(head)
            self._websocket_handler(websocket)
        except (OSError, ValueError, RecursionError):
            self.drop("what it sent is no packet")
        if not self.upgraded:
            self._websocket = None  # it tried to go over, and goes on polling
        websocket.finish()

    def _give_up(self, websocket: WebSocket) -> None:
        if not self.upgraded:
            websocket.abort()


class Engine(engineio.Server):  # type: ignore[misc]
    """Engine.IO's server. `alive` tells whether a caller may still listen."""

    def __init__(self, alive: Callable[[Caller], bool], transports: list[str], **options: Any) -> None:
        super().__init__(
            async_mode="gevent",
            ping_interval=PING_EVERY_S,
            ping_timeout=PONG_WITHIN_S,
            max_http_buffer_size=MOST_BYTES,
            http_compression=False,
            cors_allowed_origins=[],  # `core.headers` gives leave to other origins
            logger=QUIET,
            monitor_clients=False,
            transports=transports,
            **options,
        )
        self.sockets: dict[str, Session] = {}
        self._alive = alive
        self._beating = False

    def create_queue(self, *_args: Any, **_kwargs: Any) -> Outbox:
        return Outbox()

    def _handle_connect(
        self, environ: WSGIEnvironment, start_response: StartResponse, transport: str, jsonp_index: int | None = None
    ) -> Any:
        session = Session(self, self.generate_id(), environ[CALLER], environ[ADDRESS])
        self.sockets[session.sid] = session
        self._begin_to_beat()
        opening = {
            "sid": session.sid,
            "upgrades": self._upgrades(session.sid, transport),
            "pingTimeout": PONG_WITHIN_S * 1000,
            "pingInterval": PING_EVERY_S * 1000,
            "maxPayload": MOST_BYTES,
        }
        session.send(packet.Packet(packet.OPEN, opening))
        session.schedule_ping()
        if transport == "websocket":
            return session.handle_get_request(environ, start_response)
        session.connected = True
        return self._ok(session.poll())

    def _begin_to_beat(self) -> None:
        if not self._beating:
            self._beating = True
            threading.Thread(target=self._beat, name="headway-sockets", daemon=True).start()
            threading.Thread(target=self._ask, name="headway-sockets-ask", daemon=True).start()

    def _beat(self) -> None:
        beaten_at = time.monotonic()
        try:
            while self.sockets:
                time.sleep(BEAT_S)
                now = time.monotonic()
                if draining.begun():
                    self.close_all()
                elif now - beaten_at >= 1:
                    beaten_at = now
                    for session in list(self.sockets.values()):
                        session.beat(now)
        finally:
            self._beating = False

    def _ask(self) -> None:
        while self._beating:
            for session in list(self.sockets.values()):
                if session.caller is not None and not self._alive(session.caller):
                    session.drop("who it belongs to has signed out")
            time.sleep(ASK_EVERY_S)

    def close_all(self) -> None:
        """Send every client away. They come back by themselves: what ends is the connection, not what they asked for."""
        for session in list(self.sockets.values()):
            session.close()
