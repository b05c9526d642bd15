"""A websocket with nothing in between, for what no client would send."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

from tests.serving import Server

PATH = "/socket.io/?EIO=4&transport=websocket"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Raw:
    """A connection on which a websocket was asked for; `status` is how that was answered."""

    def __init__(self, site: Server, path: str = PATH, receive_buffer: int | None = None, **headers: str) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", site.port))
        asked = {
            "Host": f"127.0.0.1:{site.port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items()), "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        self._got = b""
        self.head = self._until(b"\r\n\r\n").decode()
        self.status = int(self.head.split()[1])

    def frame(self, data: bytes, opcode: int = TEXT, final: bool = True, length: int | None = None) -> bytes:
        """A frame of a client; `length` says another one than the data has."""
        said = len(data) if length is None else length
        head = bytes([opcode | (0x80 if final else 0)])
        if said < 126:
            head += bytes([0x80 | said])
        elif said < 1 << 16:
            head += bytes([0xFE]) + struct.pack("!H", said)
        else:
            head += bytes([0xFF]) + struct.pack("!Q", said)
        mask = os.urandom(4)
        return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))

    def send(self, *texts: str) -> None:
        self.socket.sendall(b"".join(self.frame(text.encode("utf-8", "surrogatepass")) for text in texts))

    def push(self, data: bytes) -> None:
        """Send as much as the other side takes; that it hangs up meanwhile is no fault."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def receive(self) -> tuple[int, bytes] | None:
        """The next frame; None when the other side has hung up."""
        try:
            opcode, length = self._exactly(2)
            if length == 126:
                [length] = struct.unpack("!H", self._exactly(2))
            elif length == 127:
                [length] = struct.unpack("!Q", self._exactly(8))
            return opcode & 0x0F, self._exactly(length)
        except ConnectionError:
            return None

    def text(self) -> str:
        frame = self.receive()
        assert frame is not None and frame[0] == TEXT, frame
        return frame[1].decode()

    def until(self, beginning: str) -> str:
        """The next text that begins so."""
        while not (text := self.text()).startswith(beginning):
            pass
        return text

    def ended(self) -> int | None:
        """Wait for the end; the code that was told as its reason, None where it came without one."""
        code = None
        while (frame := self.receive()) is not None:
            if frame[0] == CLOSE:
                [code] = struct.unpack("!H", frame[1][:2])
        return code

    def joined(self, *agents: str, **auth: Any) -> Raw:
        """Join, and subscribe to agents."""
        assert self.status == 101, self.head
        assert self.until("0")
        self.send(f"40{json.dumps(auth)}")
        assert self.until("40")
        for agent in agents:
            self.send(f'421["subscribe:agent",{json.dumps(agent)}]')
            assert self.until("431") == f'431[{{"ok":true,"agentId":{json.dumps(agent)}}}]'
        return self

    def close(self) -> None:
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._got:
            self._more()
        at = self._got.index(end) + len(end)
        found, self._got = self._got[:at], self._got[at:]
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._got) < size:
            self._more()
        found, self._got = self._got[:size], self._got[size:]
        return found

    def _more(self) -> None:
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError
        self._got += part
