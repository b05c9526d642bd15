"""Socket.IO on the site's own port, and the feed that brings the bus to its clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import MethodNotAllowed

from core import access
from core.event_log import Entry
from core.site import Site
from core.sockets.server import Sockets
from services import agent_dialect

bp = Blueprint("socketio", __name__)
EXTENSION = "headway.sockets"


class Feed:
    """Tells the clients of Socket.IO what comes in on the bus. For a lost or absent store its dialect has no word."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    def entries(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind not in agent_dialect.KINDS:
                continue
            agent = entry.value.agent
            if self._sockets.listeners(agent):
                self._sockets.publish(agent, agent_dialect.emissions(entry))

    def gap(self, since: str, until: str) -> None:
        pass

    def degraded(self, reason: str, since: float) -> None:
        pass

    def recovered(self, reason: str, since: float) -> None:
        pass


def install(app: Flask, site: Site) -> None:
    sockets = Sockets(app.extensions["headway.gate"], agent_dialect.check_agent, site.settings.web_concurrency)
    app.extensions[EXTENSION] = sockets
    site.bus.listen(Feed(sockets))
    app.register_blueprint(bp)


@bp.route("/socket.io", methods=["GET", "POST"], strict_slashes=False)
@bp.route("/socket.io", methods=["GET"], strict_slashes=False, websocket=True)
@access.scope("public")
def socketio() -> Response:
    """Public to the gate: a client may show its token in the first packet, and until then nobody knows of it."""
    if request.method == "HEAD":
        raise MethodNotAllowed(["GET", "POST"])
    sockets = cast(Sockets, current_app.extensions[EXTENSION])
    return sockets.respond(request.environ, request.args, access.caller())
