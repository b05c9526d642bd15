"""A page of another origin, as somebody's own frontend: it has the client's files, and a backend that asks for tickets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests import docs
from tests.serving import ROOT, Server

CLIENT = ROOT / "clients" / "js"
PAGE = docs.files(ROOT / "docs" / "clients-js.md")["jobs.html"]
"""As it is documented."""
SITE = "https://headway.example.com"


@contextmanager
def frontend(port: int, site: Server) -> Iterator[str]:
    """Its origin, which `site` has to name in FRONTEND_URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                assert SITE in PAGE
                self._send(PAGE.replace(SITE, site.url).encode(), "text/html")
            else:
                self._send((CLIENT / self.path.removeprefix("/client/")).read_bytes(), "text/javascript")

        def do_POST(self) -> None:
            self._send(site.post("/api/v1/tickets").json()["ticket"].encode(), "text/plain")

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
