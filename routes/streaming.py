"""How a view answers with a stream: `respond(source)`, after it has decided who may listen to what."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import Response, request

from core import access
from core.handover import BOX, SocketClient
from core.hub import Client
from core.problems import Problem
from core.queued import QueuedClient
from core.streams import Opening, Source
from routes import site

if TYPE_CHECKING:
    from _socket import socket

log = logging.getLogger("headway.streams")

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
TYPE = "text/event-stream; charset=utf-8"


def respond(source: Source) -> Response:
    """The open stream. Raises Problem 503 when this process has as many as it can take."""
    hub = site().hub
    response = Response(content_type=TYPE, headers=HEADERS)
    if request.method == "HEAD":
        return response
    if hub.is_full():
        raise Problem(
            503,
            "Too many streams",
            "This process has as many open streams as it can take. Try again in a few seconds.",
            headers={"Retry-After": "5"},
        )
    opening = Opening(site().bus, hub, source, _said())
    allowed = access.lasting()
    box = request.environ.get(BOX)
    if box is None:
        queued = QueuedClient(hub, source.transport, source.channels, source.limit)
        queued.allowed = allowed
        _begin(opening, queued)
        response.response = queued.stream()
        return response

    def begin(sock: socket, head: bytes) -> None:
        client = SocketClient(hub, source.transport, source.channels, source.limit, sock)
        client.allowed = allowed
        _begin(opening, client, head)

    box.make = begin
    return response


def _begin(opening: Opening, client: Client, head: bytes = b"") -> None:
    try:
        opening.run(client, head)
    except Exception:
        # The answer has begun, so nobody can be told but the log.
        log.exception("A stream could not begin")
        client.close()


def _said() -> str | None:
    """What the client had last. A query says it where a browser can set no header."""
    return request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or None
