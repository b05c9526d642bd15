"""The log: one short line an event, and nothing in it that a stranger could forge or should not read."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

ACCESS = '%(h)s "%(m)s %(U)s" %(s)s %(B)s B %(M)s ms %({headway.request_id}e)s'
"""Who, what without its query (a query may hold a ticket), how it went, how long it took, which request."""

MOST_SHOWN = 200


def printable(text: str) -> str:
    """`text` on one line: control characters, other lines' beginnings and what has no glyph are written as escapes."""
    shown = text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"


class Log(Logger):  # type: ignore[misc]
    """gunicorn's own log with shorter lines."""

    error_fmt = "%(asctime)s %(levelname)s %(message)s"
    access_fmt = "%(asctime)s %(message)s"
    datefmt = "%Y-%m-%dT%H:%M:%S%z"

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        ours = logging.getLogger("headway")
        ours.handlers, ours.propagate = self.error_log.handlers, False
        ours.setLevel(self.loglevel)
        for handler in self.access_log.handlers:
            if handler.formatter is not None:
                handler.formatter.datefmt = self.datefmt

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> dict[str, Any]:
        """Only what `ACCESS` names; the whole set costs as much as a small request."""
        status = resp.status
        return {
            "h": environ.get("REMOTE_ADDR") or "-",
            "m": printable(str(environ.get("REQUEST_METHOD"))),
            "U": printable(_path(environ)),
            "s": status.split(None, 1)[0] if isinstance(status, str) else status,
            "B": getattr(resp, "sent", None) or 0,
            "M": round(request_time.total_seconds() * 1000),
            "{headway.request_id}e": environ.get("headway.request_id", "-"),
        }


def _path(environ: dict[str, Any]) -> str:
    # WSGI carries a path's bytes as Latin-1.
    return str(environ.get("PATH_INFO", "")).encode("latin-1", "replace").decode("utf-8", "replace").replace('"', "%22")
