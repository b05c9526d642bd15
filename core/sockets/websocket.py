"""One client's websocket, without compression: the frames that it gets are the same bytes for everybody.

Everything that it sends is bounded: the size of a message, and how much it may say in a time.
"""

from __future__ import annotations

import base64
import binascii
import struct
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import gevent
import gevent.socket
from gevent.lock import BoundedSemaphore
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, generate_accept_token

from core.problems import Problem

if TYPE_CHECKING:
    import _socket

    from _typeshed.wsgi import WSGIEnvironment

MOST_BYTES = 16 * 1024
"""Of a message from a client; what they have to say is short."""
BURST = 250
A_SECOND = 20
"""What a client may say: a burst, and so much a second after it. Enough to take up 100 agents at once."""
CLOSE_S = 5.0
"""How long a client may take to hear that it is closed."""
READ_BYTES = 4096
TEXT = 0x81


class Allowance:
    """How much a client may still say."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at = time.monotonic()

    def take(self) -> bool:
        """Whether it may say one thing more."""
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * A_SECOND) - 1
        self._at = now
        return self._left >= 0


def handshake(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """The headers of the answer 101 to who asks for a websocket. Raises Problem."""
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or "upgrade" not in _listed(environ, "HTTP_CONNECTION"):
        raise Problem(
            400,
            "No websocket",
            "A websocket begins with the headers Upgrade: websocket and Connection: upgrade. A proxy before this site has "
            "to pass them on; docs/live-socketio.md shows how.",
        )
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise Problem(426, "Another version", "Use version 13 of websockets.", headers={"Sec-WebSocket-Version": "13"})
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    if not _is_key(key):
        raise Problem(400, "No websocket", "Sec-WebSocket-Key has to be 16 bytes in base64.")
    accept = generate_accept_token(key.encode("ascii")).decode("ascii")
    return [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]


def _listed(environ: WSGIEnvironment, header: str) -> list[str]:
    return [word.strip().lower() for word in environ.get(header, "").split(",")]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.encode("ascii"), validate=True)) == 16
    except (UnicodeEncodeError, binascii.Error):
        return False


class WebSocket:
    """A connection that is open. `wait` and `send` are those that Engine.IO calls, each in a greenlet of its own."""

    def __init__(self, sock: _socket.socket) -> None:
        self._connection = gevent.socket.socket(fileno=sock.detach())
        self._protocol = Connection(ConnectionType.SERVER)
        self._messages: deque[str] = deque()
        self._begun = ""
        self._allowance = Allowance()
        self._sending = BoundedSemaphore(1)
        self._ending = False

    def wait(self) -> str | None:
        """The next message; None when the client is gone or was sent away."""
        while not self._messages:
            if self._ending or not (data := self._receive()):
                return None
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if not self._hear(event):
                    return None
        return self._messages.popleft()

    def send(self, text: bytes | str) -> None:
        """A text message; bytes are UTF-8. Waits for a client that does not read. Raises OSError when it is gone."""
        if self._ending:
            raise BrokenPipeError
        data = text if isinstance(text, bytes) else text.encode()
        self._write(_head(len(data)) + data)

    def begin(self, head: bytes) -> None:
        """The head of the answer to the request that began it. Raises OSError."""
        self._write(head)

    def close(self, code: int = CloseReason.GOING_AWAY, reason: str = "") -> None:
        """Say why, and let the client go when it has heard that."""
        if self._ending:
            return
        self._ending = True
        with suppress(OSError, LocalProtocolError):
            self._write(self._protocol.send(CloseConnection(code, reason)))
        with suppress(OSError):
            self._connection.shutdown(gevent.socket.SHUT_WR)

    def abort(self) -> None:
        """End it now, whatever waits in it."""
        self._ending = True
        with suppress(OSError):
            self._connection.shutdown(gevent.socket.SHUT_RDWR)

    def finish(self) -> None:
        """The last thing that is done with it: what the client still says is read, else it might not hear our reason."""
        self.close()
        with suppress(OSError), gevent.Timeout(CLOSE_S, TimeoutError()):
            left = 4 * MOST_BYTES
            while left > 0 and (data := self._connection.recv(READ_BYTES)):
                left -= len(data)
        self._connection.close()

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(READ_BYTES)
        except OSError:
            return b""

    def _write(self, data: bytes) -> None:
        with self._sending:
            self._connection.sendall(data)

    def _hear(self, event: Event) -> bool:
        """Take one frame in, or a part of one; False when there is nothing more to hear."""
        if not self._allowance.take():
            self.close(CloseReason.POLICY_VIOLATION, "Too many messages. Say less at a time.")
            return False
        match event:
            case TextMessage():
                self._begun += event.data
                if len(self._begun) > MOST_BYTES:
                    self.close(CloseReason.MESSAGE_TOO_BIG, f"A message has {MOST_BYTES} bytes at most.")
                elif event.message_finished:
                    self._messages.append(self._begun)
                    self._begun = ""
            case Ping():
                with suppress(OSError):
                    self._write(self._protocol.send(event.response()))
            case CloseConnection():
                self.close(event.code, event.reason or "")
            case BytesMessage():
                self.close(CloseReason.UNSUPPORTED_DATA, "Nothing here takes binary messages.")
        return not self._ending


def _head(length: int) -> bytes:
    """What goes before a whole text message from a server."""
    if length < 126:
        return struct.pack("!BB", TEXT, length)
    if length < 1 << 16:
        return struct.pack("!BBH", TEXT, 126, length)
    return struct.pack("!BBQ", TEXT, 127, length)
