"""The sessions of Engine.IO in one process, and their heartbeat: one for all of them, where the library has a greenlet each."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import engineio
from engineio import packet

from core import draining
from core.sessions import Caller
from core.sockets.outbox import Outbox
from core.sockets.session import PING_EVERY_S, PONG_WITHIN_S, Session
from core.sockets.websocket import MOST_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BEAT_S = 0.25
ASK_EVERY_S = 3.0
"""How often it is asked whether a session may still listen."""
CALLER, ADDRESS = "headway.sockets.caller", "headway.sockets.address"
"""Where `environ` tells who begins a session, and from where."""

QUIET = logging.getLogger("headway.sockets.library")
QUIET.setLevel(logging.CRITICAL)  # it would log what strangers send, with tracebacks


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
