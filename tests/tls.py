"""A TLS front of a server on a unix socket, with a certificate that nobody vouches for."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
import threading
from pathlib import Path


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that it signed itself, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


class TlsFront:
    """Takes TLS connections on a free port of loopback and hands their bytes to `behind`, and back."""

    def __init__(self, behind: Path, cert: Path, key: Path) -> None:
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> TlsFront:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as front, socket.socket(socket.AF_UNIX) as back:
                back.connect(str(self._behind))
                _exchange(front, back)
        except OSError:
            return


def _exchange(front: ssl.SSLSocket, back: socket.socket) -> None:
    """Carry bytes both ways, in one thread: a TLS connection does not bear two."""
    while True:
        ready = [front] if front.pending() else select.select([front, back], [], [])[0]
        for source in ready:
            data = source.recv(65_536)
            if not data:
                return
            (back if source is front else front).sendall(data)
