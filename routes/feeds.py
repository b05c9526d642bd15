"""Lists of open pages that grow. The page's stream brings their rows, as events `rows` of the channel `feed:NAME`; here is
what a page missed of them, and all of it for a page without a stream.

    @feed("logs", ready=following)
    def missed(after: str, query: Mapping[str, str]) -> Rows: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, request

from core import access, metrics
from core.problems import Problem

bp = Blueprint("feeds", __name__, url_prefix="/dashboard/feeds")

PREFIX = "feed:"
"""Before a feed's name, among the parts of an open page and among the channels."""


@dataclass(frozen=True)
class Rows:
    """What came to a list after one of its rows, oldest first: in the shape of the stream's events."""

    rows: tuple[str, ...]
    """HTML, an element each, with its `data-id`."""
    after: str
    """What is asked behind next: the id of the last of them, or of a later one that the page does not show."""
    skipped: int | None = 0
    """How many came before these and are not among them; None where some did and nobody counted them."""


Missed = Callable[[str, Mapping[str, str]], Rows]
"""Of an id and a request's query."""

Ready = Callable[[], Callable[[], None]]
"""Answers within a request what waits, outside of it, until who has joined the channel hears each row that comes."""


@dataclass(frozen=True)
class Feed:
    missed: Missed
    ready: Ready


FEEDS: dict[str, Feed] = {}


def feed(name: str, ready: Ready) -> Callable[[Missed], Missed]:
    """Declares the decorated function as what a page missed of a list behind the row of an id, which is empty where the page
    has none. It raises Problem for what is no id, redis.RedisError."""

    def declare(missed: Missed) -> Missed:
        if name in FEEDS:
            raise ValueError(f"two feeds are called {name!r}")
        FEEDS[name] = Feed(missed, ready)
        return missed

    return declare


def find(part: str) -> Feed | None:
    """The feed that a part of an open page is, whose name is its channel's too; None for another part. Raises Problem 404 for
    a feed that is none."""
    return _known(part.removeprefix(PREFIX)) if part.startswith(PREFIX) else None


@bp.get("/<name>")
@access.scope("read")
def missed(name: str) -> Response:
    came = _known(name).missed(request.args.get("after", ""), request.args)
    metrics.DASHBOARD_REFRESH.labels(panel=f"{PREFIX}{name}").inc()
    response = jsonify({"feed": name, "rows": came.rows, "skipped": came.skipped, "after": came.after})
    response.headers["Cache-Control"] = "no-store"
    return response


def _known(name: str) -> Feed:
    if name not in FEEDS:
        raise Problem(404, "No such feed", f"part: no list that grows is called {name[:80]!r}.")
    return FEEDS[name]
