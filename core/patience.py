"""How long a request's body may take to come: a sender that stalls or trickles is cut off.

Only the time spent waiting for the sender counts, and it grows with what was received, so an honest upload over a slow
line may take hours while a body of a byte a second ends soon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gevent import Timeout
from werkzeug.exceptions import RequestTimeout

STALL_S = 10.0
"""What every body gets."""
SLOWEST_BYTES_S = 1024
"""What it must bring in a second, on the whole, beyond that."""
SLICE_BYTES = 16 * 1024


class SlowBody(RequestTimeout):
    description = "The request's body did not come in time. Send it again, faster or in smaller parts."


class PatientBody:
    """`wsgi.input` with a limit on the time that its sender may take. Raises SlowBody, which answers 408."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._left_s = STALL_S

    def read(self, size: int | None = -1) -> bytes:
        wanted = -1 if size is None or size < 0 else size
        parts: list[bytes] = []
        while wanted:
            step = SLICE_BYTES if wanted < 0 else min(wanted, SLICE_BYTES)
            part = self._timed(self._body.read, step)
            parts.append(part)
            if not part:
                break
            wanted -= len(part) if wanted > 0 else 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readline(self, size: int | None = -1) -> bytes:
        return self._timed(self._body.readline, -1 if size is None else size)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _timed(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self._left_s <= 0:
            raise SlowBody
        began = time.monotonic()
        # gunicorn closes a connection whose body raised an Exception; a bare Timeout is none.
        with Timeout(self._left_s, SlowBody()):
            part = read(size)
        self._left_s = min(STALL_S, self._left_s - (time.monotonic() - began) + len(part) / SLOWEST_BYTES_S)
        return part


def patient(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """`application` with a PatientBody where a request has one."""

    def timed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = PatientBody(environ["wsgi.input"])
        return application(environ, start_response)

    return timed
