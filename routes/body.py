"""Request bodies, read within limits of size and time before anything is made of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from core.fields import check
from core.problems import Problem
from services import job_json

MOST_JSON = 256 * 1024
"""Bytes of a single JSON body."""
MOST_SECONDS = 60.0
"""A body that has not come by then is given up, however steadily it drips."""
_READ = 64 * 1024

T = TypeVar("T")


def of(kind: type[T]) -> T:
    """The JSON body as a `kind`. Raises Problem as `json_object` does, and FieldError."""
    return check(kind, json_object())


def json_object(most: int = MOST_JSON) -> Any:
    """The decoded JSON body, of at most so many bytes. Raises Problem: 400 malformed, 413 too large, 415 not JSON, 422 text that can't be kept."""
    _expect("application/json")
    data = b"".join(chunks(most))
    if not data.strip():
        raise Problem(400, "Empty body", "Send a JSON object.")
    try:
        return job_json.decode(data)
    except job_json.JsonError as fault:
        raise Problem(400, "Malformed JSON", _sentence(fault)) from fault
    except job_json.TextError as fault:
        raise Problem(422, "Unprocessable text", _sentence(fault), field=fault.field) from fault


def chunks(most: int) -> Iterator[bytes]:
    """The body as it comes. Raises Problem: 413 past `most` bytes, 408 past the time, 400 where it is cut off."""
    too_large = Problem(413, "Body too large", f"At most {most:,} bytes are taken here: send less at once.")
    if (request.content_length or 0) > most:
        raise too_large
    request.max_content_length = most
    until, come = time.monotonic() + MOST_SECONDS, 0
    try:
        while data := request.stream.read(_READ):
            if time.monotonic() > until:
                raise Problem(408, "Body too slow", f"The whole body has to come within {MOST_SECONDS:.0f} s.")
            come += len(data)
            yield data
    except RequestEntityTooLarge as fault:
        raise too_large from fault
    # A sender who goes away in mid-body looks to gunicorn's reader like the body's end.
    if come < (request.content_length or 0):
        raise Problem(400, "Body cut off", f"{come:,} of {request.content_length:,} bytes came: send it again.")


@dataclass
class Lines:
    """The body's lines with their numbers, from 1. Stops at the first limit, and then says so in `stopped`."""

    most_bytes: int
    most_lines: int
    stopped: str | None = None
    last: int = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        _expect("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json", "text/plain")
        rest = b""
        try:
            for data in chunks(self.most_bytes):
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    yield from self._line(line)
                    if self.stopped:
                        return
        except Problem as problem:
            if problem.status != 413 or not self.last:
                raise
            self.stopped = problem.detail
            return
        yield from self._line(rest)

    def _line(self, line: bytes) -> Iterator[tuple[int, bytes]]:
        self.last += 1
        if not line.strip():
            return
        if self.last > self.most_lines:
            self.stopped = f"At most {self.most_lines:,} lines are taken at once: send the others in another batch."
            return
        yield self.last, line


def _expect(*kinds: str) -> None:
    kind = request.mimetype
    if kind not in kinds and not (kinds == ("application/json",) and kind.endswith("+json")):
        raise Problem(
            415,
            "Wrong content type",
            f"The body is sent as {kind or 'nothing in particular'}: send Content-Type: {kinds[0]}.",
        )
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "Encoded body", "The body is taken as it is: send it without Content-Encoding.")


def _sentence(fault: Exception) -> str:
    text = str(fault)
    return f"{text[:1].upper()}{text[1:]}."
