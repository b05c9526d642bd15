"""Who may join by Socket.IO, which agents' events they hear, and what they may say: to subscribe, and no more."""

from __future__ import annotations

import json
import resource
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import socketio
from flask import Response
from socketio import packet

from core import draining, limits
from core.gate import Gate, bearer
from core.handover import BOX
from core.problems import Problem
from core.scopes import MAY
from core.sessions import Caller
from core.sockets.emission import Emission, encode
from core.sockets.engine import ADDRESS, CALLER, QUIET, Engine
from core.sockets.session import JOIN_WITHIN_S, Session
from core.sockets.websocket import handshake

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import MultiDict

MOST_CLIENTS = 4000
"""Or a quarter of the files that this process may have open, where that is less."""
MOST_STRANGERS = 500
"""Sessions that have not said yet who they are."""
MOST_STRANGERS_OF_ONE = 50
"""Of those, from one address."""
MOST_ROOMS = 100
"""Agents that one client may listen to."""
LONGEST_NAMESPACE = 128
YIELD_EVERY = 64
"""After so many events whoever writes them to their clients gets a turn."""
SIGN_IN = "Sign in: pass auth: {token} with the read or the admin token."


class Sockets(socketio.Server):  # type: ignore[misc]
    """`check_agent` answers an agent's name, or raises ValueError with what it should be."""

    def __init__(self, gate: Gate, check_agent: Callable[[Any], str], processes: int) -> None:
        self._gate = gate
        self._check_agent = check_agent
        self._transports = ["websocket"] if processes > 1 else ["polling", "websocket"]
        self._emitted = 0
        super().__init__(logger=QUIET, async_handlers=False, alive=gate.sessions.alive, transports=self._transports)
        self.on("subscribe:agent", self._subscribe)
        self.on("unsubscribe:agent", self._unsubscribe)

    # HTTP

    def respond(self, environ: WSGIEnvironment, query: MultiDict[str, str], caller: Caller | None) -> Response:
        """Answer a request to /socket.io. Raises Problem before a session is begun that may not be."""
        if self._gate.origins.foreign(environ):
            raise Problem(
                403,
                "Unknown origin",
                "This request was sent by a page of another site. Name that site's origin in FRONTEND_URL to allow it.",
            )
        self._check_transport(environ, query)
        if not query.get("sid"):
            self._check_newcomer(environ, caller)
            environ[CALLER], environ[ADDRESS] = caller, environ.get("REMOTE_ADDR", "")
        return self._ask_engine(environ)

    def _check_transport(self, environ: WSGIEnvironment, query: MultiDict[str, str]) -> None:
        transport = query.get("transport", "polling")
        if transport not in self._transports:
            raise Problem(
                400,
                "Transport not possible",
                'Use transports: ["websocket"]. Long polling needs one web process, and this site runs several, which '
                "share no sessions."
                if transport == "polling"
                else 'Use transports: ["websocket"].',
            )
        if not query.get("sid") and query.get("EIO") != "4":
            raise Problem(400, "Another protocol", "Use protocol 5 of Socket.IO: socket.io-client 3 or 4.")
        if "j" in query:
            raise Problem(400, "No JSONP", "Use the transport websocket or polling without JSONP.")
        if transport == "websocket":
            handshake(environ)
            if BOX not in environ:
                raise Problem(
                    501, "No websocket", "A web process that ends TLS itself has none. Put a proxy before it that does."
                )

    def _check_newcomer(self, environ: WSGIEnvironment, caller: Caller | None) -> None:
        if draining.begun():
            raise Problem(503, "Restarting", "Try again in a few seconds.", headers={"Retry-After": "2"})
        if caller is None and bearer(environ) is not None:
            self._gate.count_wrong(environ.get("REMOTE_ADDR"))
            raise Problem(401, "Sign in", "This token is none of this site's.")
        if caller is not None and caller.scope not in MAY["read"]:
            raise Problem(403, "Not allowed", _narrow(caller))
        sessions = list(self.eio.sockets.values())
        strangers = Counter(limits.address(s.address) for s in sessions if not s.joined and s.caller is None)
        here = limits.address(environ.get("REMOTE_ADDR"))
        if len(sessions) >= _most_clients() or (
            caller is None and (strangers.total() >= MOST_STRANGERS or strangers[here] >= MOST_STRANGERS_OF_ONE)
        ):
            raise Problem(
                503, "Too many clients", "Try again in a few seconds.", headers={"Retry-After": f"{JOIN_WITHIN_S:.0f}"}
            )

    def _ask_engine(self, environ: WSGIEnvironment) -> Response:
        head: list[Any] = []
        body = self.handle_request(environ, lambda *given: head.extend(given))
        status, headers = head
        if int(status[:3]) >= 400:
            words = json.loads(b"".join(body)) if body else "The request can't be served as it is."
            raise Problem(int(status[:3]), "Not possible", f"{words}. Connect anew.")
        response = Response(body, status, headers)
        if "Content-Type" not in dict(headers):
            del response.headers["Content-Type"]
        return response

    # What clients say

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        session = self.eio.sockets.get(eio_sid)
        if session is None:
            return
        try:
            if not session.allowance.take():
                raise ValueError("too many messages")
            self._take(session, self.packet_class(encoded_packet=data))
        except (ValueError, TypeError, LookupError, RecursionError) as fault:
            session.drop(f"it sent what a client should not ({type(fault).__name__})")

    def _take(self, session: Session, said: packet.Packet) -> None:
        if said.packet_type == packet.CONNECT:
            self._connect(session, said)
        elif said.packet_type == packet.DISCONNECT:
            self._handle_disconnect(session.sid, "/")
            session.leave()
        elif said.packet_type == packet.EVENT and session.joined and isinstance(said.data[0], str):
            self._handle_event(session.sid, said.namespace, said.id, said.data)
        elif said.packet_type != packet.ACK or not session.joined:
            raise ValueError("not a packet for us")  # attachments are among them: nothing here takes bytes

    def _connect(self, session: Session, said: packet.Packet) -> None:
        if said.namespace not in (None, "/"):
            if len(said.namespace) > LONGEST_NAMESPACE:
                raise ValueError("no namespace")
            self._refuse(session, said.namespace, 404, "There is no such namespace. Connect without one.")
            return
        if session.joined:
            raise ValueError("joined already")
        try:
            caller = self._identify(session, said.data if isinstance(said.data, dict) else {})
        except Problem as problem:
            self._refuse(session, "/", problem.status, problem.detail)
            session.close()
            return
        session.join(caller)
        sid = self.manager.connect(session.sid, "/")
        self._send_packet(session.sid, packet.Packet(packet.CONNECT, {"sid": sid}, namespace="/"))

    def _identify(self, session: Session, auth: dict[str, Any]) -> Caller:
        """Who joins: whoever the token says, else who sent the request that began the session. Raises Problem."""
        caller, token = session.caller, auth.get("token")
        if token and not self._gate.open:
            scope = self._gate.tokens.match(token) if isinstance(token, str) else None
            if scope is None:
                self._gate.count_wrong(session.address)
                raise Problem(401, "Sign in", f"This token is none of this site's. {SIGN_IN}")
            caller = Caller("token", scope, self._gate.tokens.marks[scope])
        if caller is None:
            raise Problem(401, "Sign in", SIGN_IN)
        if caller.scope not in MAY["read"]:
            raise Problem(403, "Not allowed", _narrow(caller))
        return caller

    def _refuse(self, session: Session, namespace: str, status: int, why: str) -> None:
        told = {"message": why, "data": {"status": status}}
        self._send_packet(session.sid, packet.Packet(packet.CONNECT_ERROR, told, namespace=namespace))

    def _subscribe(self, sid: str, *said: Any) -> dict[str, Any]:
        session = self._session(sid)
        try:
            agent = self._check_agent(said[0] if said else None)
        except ValueError as fault:
            return {"ok": False, "error": str(fault)}
        if agent not in session.rooms and len(session.rooms) >= MOST_ROOMS:
            return {"ok": False, "error": f"{MOST_ROOMS} agents is the most; unsubscribe from one first"}
        session.rooms.add(agent)
        self.enter_room(sid, room(agent))
        return {"ok": True, "agentId": agent}

    def _unsubscribe(self, sid: str, *said: Any) -> dict[str, Any]:
        session = self._session(sid)
        agent = said[0] if said and isinstance(said[0], str) else ""
        if agent in session.rooms:
            session.rooms.remove(agent)
            self.leave_room(sid, room(agent))
        return {"ok": True, "agentId": agent}

    def _session(self, sid: str) -> Session:
        session: Session = self.eio.sockets[self.manager.eio_sid_from_sid(sid, "/")]
        return session

    # What clients hear

    def listeners(self, agent: str) -> int:
        """How many listen to an agent."""
        return len(self.manager.rooms.get("/", {}).get(room(agent), ()))

    def publish(self, agent: str, emissions: Iterable[Emission]) -> None:
        """Tell all who listen to an agent, each event encoded once."""
        for emission in emissions:
            frame = encode(emission)
            for _, eio_sid in self.manager.get_participants("/", room(agent)):
                session = self.eio.sockets.get(eio_sid)
                if session is not None:
                    session.send(frame)
            self._emitted += 1
            if self._emitted % YIELD_EVERY == 0:
                self.sleep(0)


def room(agent: str) -> str:
    return f"agent:{agent}"


def _most_clients() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CLIENTS if files == resource.RLIM_INFINITY else min(MOST_CLIENTS, files // 4)


def _narrow(caller: Caller) -> str:
    return f"This token is for {caller.scope}. Use the read or the admin token."
