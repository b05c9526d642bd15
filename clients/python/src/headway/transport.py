"""One connection to a site, over which it takes batches of lines, and single requests."""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 (else imported at the first connection, which a fork may cut in two)
import http.client
import json
import socket
import ssl
import sys
from typing import Any

from headway import text
from headway.settings import Settings

REQUEST_S = 10.0
"""How long the site may stay silent while it answers; nobody but the sending thread waits for it."""
MOST_ANSWER = 4 * 1024 * 1024
LATER = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
"""Answers after which the same request may succeed."""
OF_WHAT_WAS_SENT = frozenset({400, 409, 413, 422})
"""Answers that concern what was sent: one line of it may be to blame."""
NDJSON, JSON = "application/x-ndjson", "application/json"


class Away(Exception):
    """The site did not take what was sent; it may be sent again.

    `wait_s` is what it asked for, 0 where it said nothing. `lasting`: somebody has to change something first.
    `unreachable`: there was no answer at all.
    """

    def __init__(self, why: str, wait_s: float = 0.0, *, lasting: bool = False, unreachable: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.lasting = lasting
        self.unreachable = unreachable


class Refused(Exception):
    """The site can't take what was sent, as it stands. The text is its own detail."""


class Transport:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._connection: http.client.HTTPConnection | None = None
        self._headers = {"User-Agent": f"headway-python/{sys.version_info[0]}"}
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token}"

    def post_lines(self, path: str, lines: list[bytes], once: str | None = None) -> dict[int, str]:
        """Send lines; those that were rejected by their place, with the site's detail. Raises Away, Refused.

        `once` names what is sent, for a site that keeps it no second time.
        """
        return _rejected(self._send("POST", path, b"\n".join(lines), NDJSON, once))

    def send(self, method: str, path: str, fields: dict[str, Any], once: str | None = None) -> None:
        """Send one thing. Raises Away, Refused."""
        self._send(method, path, json.dumps(fields, ensure_ascii=False).encode(errors="replace"), JSON, once)

    def _send(self, method: str, path: str, body: bytes, kind: str, once: str | None) -> bytes:
        more = {"Content-Type": kind, **({"Idempotency-Key": once} if once else {})}
        try:
            status, headers, data = self._ask(method, path, body, more)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            lasting = isinstance(error, ssl.SSLCertVerificationError)
            raise Away(_why(error), lasting=lasting, unreachable=True) from error
        if 200 <= status < 300:
            return data
        if status in OF_WHAT_WAS_SENT:
            raise Refused(_detail(data) or f"the site answered {status}")
        raise _away(status, headers, data)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, *request: Any) -> tuple[int, http.client.HTTPMessage, bytes]:
        if self._connection is not None:
            # A site may close a connection that rested just when we use it again. Sending twice does no harm.
            with contextlib.suppress(ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError):
                return self._ask_on(self._connection, *request)
            self.close()
        self._connection = self._connect()
        return self._ask_on(self._connection, *request)

    def _ask_on(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection.request(method, f"{self.settings.path}{path}", body, {**self._headers, **headers})
        response = connection.getresponse()
        data = response.read(MOST_ANSWER)
        if response.will_close or not response.isclosed():
            self.close()
        return response.status, response.headers, data

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self.settings.host, self.settings.port
        if self.settings.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=REQUEST_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=REQUEST_S)


def _rejected(data: bytes) -> dict[int, str]:
    try:
        return {int(one["line"]) - 1: text.one_line(one["detail"], 500) for one in json.loads(data)["rejected"]}
    except (ValueError, LookupError, TypeError) as error:
        raise Away("what answers there is no Headway", lasting=True) from error


def _away(status: int, headers: http.client.HTTPMessage, data: bytes) -> Away:
    asked = headers.get("Retry-After", "")
    wait_s = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0.0
    detail = _detail(data)
    if 300 <= status < 400:
        return Away(f"it answers {status} and leads elsewhere: name the address that it leads to", lasting=True)
    if status in (401, 403):
        detail = detail or "the token may not write"
    return Away(f"it answers {status}{f': {detail}' if detail else ''}", wait_s, lasting=status not in LATER)


def _detail(data: bytes) -> str:
    """What a problem says, where the answer is one."""
    try:
        problem: Any = json.loads(data)
        return text.one_line(problem["detail"], 500)
    except (ValueError, LookupError, TypeError):
        return ""


def _why(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "it does not answer in time"
    return text.one_line(getattr(error, "strerror", None) or error, 200) or type(error).__name__
