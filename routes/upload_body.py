"""The file in a request: the body itself, or the part `file` of a form, byte by byte as it comes and never on a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from core.problems import Problem
from services.upload_limits import LIMITS, CutOff, size_words
from services.uploads_service import name_from_url

READ_BYTES = 16 * 1024
MOST_OF_A_FIELD = 4096
MOST_OF_A_HEAD = 64 * 1024


@dataclass(frozen=True)
class Sent:
    """A file on its way. `chunks` raises CutOff where it ends early."""

    name: str
    chunks: Iterator[bytes]
    expected_bytes: int | None


def no_file() -> Problem:
    return Problem(422, "No file", "Choose a file and send the form again.")


def _bad_form() -> Problem:
    return Problem(400, "Form can't be read", "Send it as multipart/form-data with a part named file.")


def is_form() -> bool:
    """Whether a page's form was sent, by a browser without our script."""
    return request.mimetype == "multipart/form-data"


def sent(check_csrf: Callable[[str | None], None]) -> Sent:
    """The file of the present request. `check_csrf` is called before a byte of the file is looked at. Raises Problem."""
    expected = request.content_length
    if expected is not None and expected > LIMITS.received_bytes:
        raise Problem(
            413, "Too large", f"At most {size_words(LIMITS.received_bytes)} at once: split it into several files."
        )
    request.max_content_length = None  # the limit is above, and what comes is not kept
    token = request.headers.get("X-CSRF-Token")
    if not is_form():
        check_csrf(token)
        name = request.args.get("name") or name_from_url(request.headers.get("X-Upload-Name", ""))
        return Sent(name, _chunks(expected), expected)
    if token is not None:
        check_csrf(token)
    boundary = request.mimetype_params.get("boundary", "")
    if not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise _bad_form()
    try:
        name, chunks = _file_of_form(_events(_chunks(expected), boundary.encode()), check_csrf, token)
    except (CutOff, ValueError, RequestEntityTooLarge) as fault:
        raise _bad_form() from fault
    return Sent(name, chunks, expected)


def _chunks(expected: int | None) -> Iterator[bytes]:
    received = 0
    while True:
        try:
            data = request.stream.read(READ_BYTES)
        except (OSError, ParseException) as fault:
            raise CutOff("the connection was lost") from fault
        except HTTPException as fault:
            raise CutOff("the transfer stood still" if fault.code == 408 else "the connection was lost") from fault
        if not data:
            break
        received += len(data)
        yield data
    if expected is not None and received < expected:
        raise CutOff(f"the transfer ended after {received:,} of {expected:,} bytes")


def _events(chunks: Iterator[bytes], boundary: bytes) -> Iterator[Event]:
    decoder = MultipartDecoder(boundary, MOST_OF_A_HEAD, max_parts=20)
    for chunk in chunks:
        decoder.receive_data(chunk)
        while not isinstance(event := decoder.next_event(), NeedData):
            yield event
            if isinstance(event, Epilogue):
                return
    decoder.receive_data(None)
    while not isinstance(event := decoder.next_event(), Epilogue):  # raises ValueError where a part has no end
        yield event


def _file_of_form(
    events: Iterator[Event], check_csrf: Callable[[str | None], None], token: str | None
) -> tuple[str, Iterator[bytes]]:
    """The file's name and bytes; the field `csrf_token` has to stand before it."""
    field, value = "", b""
    for event in events:
        if isinstance(event, Field):
            field, value = event.name, b""
        elif isinstance(event, File) and event.name == "file":
            if token is None:
                check_csrf(None)
            return event.filename, _file(events)
        elif isinstance(event, Data):
            value += event.data if field else b""
            if len(value) > MOST_OF_A_FIELD:
                raise _bad_form()
            if field == "csrf_token" and not event.more_data:
                token = value.decode("utf-8", "replace")
                check_csrf(token)
        elif isinstance(event, File):
            field = ""
    raise no_file()


def _file(events: Iterator[Event]) -> Iterator[bytes]:
    try:
        for event in events:
            if isinstance(event, Data):
                if event.data:
                    yield event.data
                if not event.more_data:
                    return
    except (ValueError, RequestEntityTooLarge) as fault:
        if isinstance(fault, CutOff):
            raise
        raise CutOff("the form can't be read to its end") from fault
