"""A TCP proxy that stands before a store and does to its connections what networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path


class Proxy:
    """Listens on `port` of the loopback. `target` is a unix socket or a (host, port).

    `delay_s` holds back each piece that comes from the target; `silent` swallows everything both ways, as a network
    does that drops packets; `cut` closes what is open and refuses what comes, until `mend`.
    """

    def __init__(self, target: Path | tuple[str, int]) -> None:
        self.target = target
        self.delay_s = 0.0
        self.silent = False
        self.port = 0
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.mend()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._open) // 2

    def mend(self) -> None:
        self.delay_s, self.silent = 0.0, False
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        self.drop()

    def drop(self) -> None:
        """Close every connection, and take new ones."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    close = cut

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                target = self._reach()
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, target}
            pair = _Pair(self, client, target)
            threading.Thread(target=pair.pump, args=(client, target, False), daemon=True).start()
            threading.Thread(target=pair.pump, args=(target, client, True), daemon=True).start()

    def _reach(self) -> socket.socket:
        if isinstance(self.target, tuple):
            return socket.create_connection(self.target)
        target = socket.socket(socket.AF_UNIX)
        try:
            target.connect(str(self.target))
        except OSError:
            target.close()
            raise
        return target

    def forget(self, *connections: socket.socket) -> None:
        with self._lock:
            self._open -= set(connections)
        for connection in connections:
            connection.close()


class _Pair:
    def __init__(self, proxy: Proxy, client: socket.socket, target: socket.socket) -> None:
        self.proxy, self.ends = proxy, (client, target)
        self.pumping = 2
        self.lock = threading.Lock()

    def pump(self, source: socket.socket, sink: socket.socket, is_reply: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if is_reply and self.proxy.delay_s:
                    time.sleep(self.proxy.delay_s)
                if not self.proxy.silent:
                    sink.sendall(piece)
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self.lock:
            self.pumping -= 1
        if not self.pumping:
            self.proxy.forget(*self.ends)
