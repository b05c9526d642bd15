"""Errors as people and programs can use them: problem+json (RFC 9457), a fragment for htmx, or a page.

Each has a status, a title, a detail that says what to change, and the request's id. What came from outside is
escaped, and nothing of our insides is shown: an unexpected error stands in the log under its request id.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import redis
from flask import Flask, Response, render_template, request
from markupsafe import escape
from werkzeug.exceptions import HTTPException

from core import store
from core.fields import FieldError

log = logging.getLogger("headway.problems")

REQUEST_ID = "headway.request_id"
JSON_PLACES = frozenset({"/agents", "/events", "/metrics", "/healthz", "/readyz"})
JSON_BELOW = ("/api/", "/dashboard/api/", "/agents/", "/sse/", "/socket.io")
ONE_LINE_EVERY_S = 1.0

WORDS = {
    400: ("Bad request", "The request can't be read. Check its address, headers and body."),
    404: ("Not found", "Nothing is at this address. Check the link, or go to the first page."),
    405: ("Method not allowed", "This address does not take that method. The Allow header names those it takes."),
    408: ("Too slow", "The request did not arrive in time. Send it again."),
    411: ("Length required", "Send a Content-Length header with the body."),
    413: ("Too large", "The body is larger than this address takes. Send it in smaller parts."),
    414: ("Address too long", "Shorten the address."),
    415: ("Wrong type", "This address does not take a body of that Content-Type."),
    429: ("Too many requests", "Wait as long as Retry-After says, then send it again."),
    431: ("Headers too large", "Send fewer or shorter headers."),
    500: ("Something went wrong", "This is a fault of the site. Its log says more under the request id."),
    503: ("Unavailable", "The site can't serve this now. Try again in a few seconds."),
}


class Problem(Exception):
    """An answer other than the one hoped for. `extra` are further members of the JSON; `headers` go with it."""

    def __init__(
        self, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.extra = status, title, detail, extra
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Shown:
    """What `error.html` and `error_fragment.html` get as `problem`."""

    status: int
    title: str
    detail: str
    request_id: str
    extra: dict[str, Any] = field(default_factory=dict)


def install(app: Flask) -> None:
    app.register_error_handler(Problem, answer)
    app.register_error_handler(FieldError, _of_field)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(redis.RedisError, StoreProblems())
    app.log_exception = _log_once  # type: ignore[method-assign]


def speaks_json(path: str) -> bool:
    """Whether programs rather than people ask for `path`."""
    return path in JSON_PLACES or (path.startswith(JSON_BELOW) and not path.endswith("-html"))


def shape() -> Literal["json", "fragment", "page"]:
    """How the present request wants to be told of an error."""
    if "HTTP_HX_REQUEST" in request.environ:
        return "fragment"
    if speaks_json(request.path):
        return "json"
    if request.method in ("POST", "PUT", "PATCH", "DELETE") and "text/html" not in request.headers.get("Accept", ""):
        return "json"  # a browser that sends a form names HTML; a program or a page's script does not
    offered = ["text/html", "application/json", "application/problem+json"]
    return "page" if request.accept_mimetypes.best_match(offered, "text/html") == "text/html" else "json"


def answer(problem: Problem) -> Response:
    """The response that tells of a problem in the shape that suits the request."""
    shown = Shown(
        problem.status, problem.title, problem.detail, request.environ.get(REQUEST_ID, ""), dict(problem.extra)
    )
    form = shape()
    if form == "json":
        response = Response(_json(shown), shown.status, mimetype="application/problem+json")
    else:
        response = Response(_html(shown, form).encode("utf-8", "replace"), shown.status)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(problem.headers)
    return response


def _json(shown: Shown) -> str:
    members = {"type": "about:blank", "title": shown.title, "status": shown.status, "detail": shown.detail}
    # The standard library's writer: it escapes a lone surrogate, where a faster one raises.
    return json.dumps({**shown.extra, **members, "request_id": shown.request_id}, default=str)


def _html(shown: Shown, form: str) -> str:
    try:
        return render_template("error.html" if form == "page" else "error_fragment.html", problem=shown)
    except Exception:
        log.exception("the error page failed, request %s", shown.request_id)
        words = f"{shown.status} {shown.title}. {shown.detail} Request {shown.request_id}."
        return f"<!doctype html><title>{shown.status}</title><p>{escape(words)}</p>"


def _of_field(fault: FieldError) -> Response:
    return answer(Problem(422, "Unprocessable field", f"{fault}.", field=fault.field))


def _of_http(error: HTTPException) -> Any:
    if error.response is not None or error.code is None or error.code < 400:
        return error  # a redirect, or an answer that somebody made by hand
    title, detail = WORDS.get(error.code, (error.name, "The request can't be served as it is."))
    kept = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return answer(Problem(error.code, title, detail, headers=kept))


class StoreProblems:
    """The store's failures: 503, or 507 when it is full, and at most a line a second in the log."""

    def __init__(self) -> None:
        self._next_line_at = 0.0

    def __call__(self, error: redis.RedisError) -> Response:
        cause = store.explain(error)
        if time.monotonic() >= self._next_line_at:
            self._next_line_at = time.monotonic() + ONE_LINE_EVERY_S
            log.warning("%s, request %s", cause, request.environ.get(REQUEST_ID, ""))
        words = cause[:1].upper() + cause[1:]
        if store.full(error):
            room = "Nothing was stored. Give it more room, or keep fewer jobs (HEADWAY_KEEP_JOBS, HEADWAY_KEEP_DAYS)."
            return answer(Problem(507, "Store full", f"{words}. {room}", headers={"Retry-After": "30"}))
        again = "Try again in a few seconds."
        # An open page tells by the second header that it is the store that is away, and not the site.
        told = {"Retry-After": "5", "Headway-Unavailable": cause}
        return answer(Problem(503, "Store unavailable", f"{words}. {again}", headers=told))


def _log_once(exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None]) -> None:
    # A path may hold line ends and terminal codes: written as Python writes them, they stay within their line.
    where = f"{request.method!a} {request.path!a}"
    log.error("unexpected error in %s, request %s", where, request.environ.get(REQUEST_ID, ""), exc_info=exc_info)
