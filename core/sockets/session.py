"""One client of Engine.IO: what it may say, when it has to answer, and how it ends.

With `core.sockets.engine` it rests on the insides of python-engineio, which is locked for that.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import gevent
from engineio import packet
from engineio.exceptions import EngineIOError
from engineio.socket import Socket

from core.backlog import Overflow
from core.handover import BOX
from core.metrics import STREAM_CLIENTS
from core.sessions import Caller
from core.sockets.outbox import TRANSPORT
from core.sockets.websocket import CLOSE_S, Allowance, WebSocket, handshake

if TYPE_CHECKING:
    import _socket

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PING_EVERY_S = 25
PONG_WITHIN_S = 20
JOIN_WITHIN_S = 5.0
"""How long a session may take to say who it is."""
UPGRADE_WITHIN_S = 10.0
"""How long one that polls may take to go over to a websocket; its polls are answered with nothing meanwhile."""
CLIENTS = STREAM_CLIENTS.labels(transport=TRANSPORT)

log = logging.getLogger("headway.sockets")


class Session(Socket):  # type: ignore[misc]
    """One client: a session of Engine.IO, and what became of it in Socket.IO."""

    last_ping: float | None  # when the present one was sent, None between a pong and the next
    upgrading: bool

    def __init__(self, server: Any, sid: str, caller: Caller | None, address: str) -> None:
        super().__init__(server, sid)
        self.caller = caller
        """Who it is, as far as the request that began it told."""
        self.address = address
        self.joined = False
        self.rooms: set[str] = set()
        self.allowance = Allowance()
        self.began_at = time.monotonic()
        self._ping_at = 0.0
        self._polling = self._dropped = False
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

    def leave(self) -> None:
        """It hears no more, and has some time to say what it wants instead."""
        if self.joined:
            self.joined = False
            self.rooms.clear()
            self.began_at = time.monotonic()
            CLIENTS.dec()

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """End it once it has got what waits for it. Never waits for that."""
        super().close(wait=False, abort=abort, reason=reason)
        self.server.sockets.pop(self.sid, None)
        self.leave()
        if self._websocket is not None:
            gevent.spawn_later(CLOSE_S, self._websocket.abort)  # should it not take what waits for it

    def drop(self, why: str) -> None:
        """End it now."""
        if not self.closed:
            log.info("a client of Socket.IO at %s was let go: %s", self.address, why)
        self._dropped = True
        self.close(abort=True)
        if self._websocket is not None:
            self._websocket.abort()

    def handle_get_request(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if "HTTP_UPGRADE" in environ:
            return super().handle_get_request(environ, start_response)
        if self._polling:
            self.drop("two polls at a time")
            raise EngineIOError
        self._polling = True
        try:
            return super().handle_get_request(environ, start_response)
        finally:
            self._polling = False

    def handle_post_request(self, environ: WSGIEnvironment) -> None:
        try:
            super().handle_post_request(environ)
        except (ValueError, RecursionError) as fault:
            self.drop("what it sent is no packet")
            raise EngineIOError from fault
        if self._dropped:
            raise EngineIOError

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
        websocket = self._websocket = WebSocket(sock)
        if self.closed:
            websocket.abort()
        gevent.spawn_later(UPGRADE_WITHIN_S, self._give_up, websocket)
        try:
            websocket.begin(head)
            self._websocket_handler(websocket)
        except (OSError, ValueError, RecursionError):
            self.drop("what it sent is no packet")
        finally:
            if not self.upgraded:
                self._websocket = None  # it tried to go over, and goes on polling
            websocket.finish()

    def _give_up(self, websocket: WebSocket) -> None:
        if not self.upgraded:
            websocket.abort()
