"""The stream of an open page, `GET /dashboard/stream?part=stats&part=job:17`: its parts as they change, as `<hx-partial>`.

`tag=` behind each `part=` tells what the page shows already. A part `feed:NAME` is a list that grows: `rows` bring what
comes to it once `feed` has said that it is heard. Besides, all pages hear a `pulse`, and `failed` of jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import cast

from flask import Blueprint, Flask, Response, current_app, request

from core import access, sse
from core.backlog import Frame
from core.problems import Problem
from core.streams import Source
from panels import PAGE, Look, Part, Pusher
from routes import feeds, pages, regions, streaming
from routes.panels_api import board
from routes.regions import Region

bp = Blueprint("page_stream", __name__)

MOST_PARTS = 64
"""Of one browser's tabs together."""
REGION_EVERY_S = 10
"""How often a region is looked at that tells itself when it changes."""
REGION_GAP_S = 0.25


@bp.get("/dashboard/stream")
@access.scope("read")
def stream() -> Response:
    names = request.args.getlist("part")
    tags = request.args.getlist("tag")
    if not 1 <= len(names) <= MOST_PARTS:
        raise Problem(
            422, "Which parts?", f"part: name one to {MOST_PARTS} parts of pages, as in ?part=stats&part=jobs."
        )
    if tags and len(tags) != len(names):
        raise Problem(422, "Which tags?", "tag: send one behind each part, empty where there is none, or none at all.")
    growing = {name: found.ready() for name in names if (found := feeds.find(name))}
    parts = {name: part_of(name) for name in names if name not in growing}
    pusher = cast(Pusher, current_app.extensions["headway.pusher"])
    shown = dict(zip(names, tags, strict=False))
    return streaming.respond(
        Source(
            channels=(PAGE, *growing, *(part.channel for part in parts.values())),
            transport="page",
            limit=2 * MOST_PARTS,
            first=lambda: [*pusher.watch(parts.values(), shown), *_heard(growing)],
        )
    )


def _heard(growing: Mapping[str, Callable[[], None]]) -> Iterator[Frame]:
    """That feeds are heard from now on: what came before, the page asks for."""
    for name, wait in growing.items():
        wait()
        yield Frame(sse.event({"feed": name.removeprefix(feeds.PREFIX)}, name="feed"), keep=True)


def part_of(name: str) -> Part:
    """The panel or region of a name. Raises Problem 404 or 422 for a name that is none."""
    app = cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
    panel = board().parts.get(name)
    if panel is not None:
        topics = ("jobs",) if panel.live else ()
        return Part(name, f"#panel-{panel.name} > .body", board().interval(name), topics, partial(_panel, app, name))
    region, argument = regions.find(name)
    changed_by = region.topics(argument)
    every = max(region.every, REGION_EVERY_S) if changed_by else region.every
    return Part(name, f"#region-{region.kind} > .part", every, changed_by, partial(_region, app, region, argument))


def _panel(app: Flask, name: str) -> Look:
    board = app.extensions["headway.board"]
    shown = board.poll(name)
    began, until = board.reading(name)
    away = shown.unavailable.reason if shown.unavailable and shown.unavailable.of_store else None
    return Look(shown.html, shown.html_etag, began, until, unavailable=away, took_s=shown.took_s)


def _region(app: Flask, region: Region, argument: str) -> Look:
    began = time.monotonic()
    with app.app_context():
        content = region.content(argument)
    tag = pages.tag_of(content.html)
    return Look(content.html.encode(), tag, began, time.monotonic() + REGION_GAP_S, resting=content.resting)
