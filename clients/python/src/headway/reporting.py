"""The one reporter of this process, and what begins with it."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Iterable
from typing import Any

from headway import text
from headway.batches import rfc3339
from headway.figure_lane import ADD, DEPLOY, NOTIFY, SET, Figure
from headway.job import Job
from headway.reporter import Reporter
from headway.settings import read

reporter = Reporter()
_TILE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""More than a site takes; what is beyond it would be another address."""


def configure(
    url: str | None = None, token: str | None = None, *, agent: str | None = None, timeout: float | None = None
) -> None:
    """Say where reports go. What is left out comes from HEADWAY_URL and HEADWAY_INGEST_TOKEN (or HEADWAY_TOKEN).

    `agent` is that of jobs which name none. `timeout`, in seconds (3 unless said), bounds what waits for the site:
    `flush`, and the program's end.
    """
    reporter.configure(read(url, token, agent, timeout))


def job(
    name: str,
    *,
    agent: str | None = None,
    title: str | None = None,
    id: str | None = None,
    attempt: int | None = None,
    metadata: dict[str, Any] | None = None,
    queue: str | None = None,
    function: str | None = None,
    worker: str | None = None,
    tags: Iterable[str] = (),
) -> Job:
    """A job to be used by `with`. `name` says what kind of work it is, and is its title where none is given.

    `id` names it within its agent, so that other processes can report it too; a UUID unless said. A higher `attempt`
    starts a job of that id anew. By `queue`, `function`, `worker` and `tags`, which are words, the site finds and counts it.
    """
    return Job(
        name, reporter=reporter, agent=agent, title=title, id=id, attempt=attempt, metadata=metadata,
        queue=queue, function=function, worker=worker, tags=tags,
    )  # fmt: skip


def tile(id: str, value: float) -> None:
    """Set a figure of the site's page, such as `requests.total`. Of several values within a moment the last counts."""
    _tell_tile(SET, id, value)


def increment(id: str, by: float = 1) -> None:
    """Add to a figure of the site's page; it begins at 0. Cheap enough for a tight loop."""
    _tell_tile(ADD, id, by)


def notify(title: str, body: str | None = None, level: str = "info", channel: str | None = None) -> None:
    """Let the site notify its channels, or one of them; `level` is info, success, warning or error."""
    fields = {"title": text.clip(title, text.TITLE), "body": body and text.clip(body, text.BODY), "level": level,
              "channel": channel}  # fmt: skip
    said = {name: value for name, value in fields.items() if value is not None}
    # Under an id of its own, so that it is one notification however often it has to be sent.
    reporter.put(reporter.notifications, Figure(NOTIFY, str(uuid.uuid4()), fields=said))


def deployed(version: str, title: str | None = None, url: str | None = None) -> None:
    """Say that a version went out, now: a mark on the site's charts. `url` leads to what is in it."""
    name = text.one_line(version, text.VERSION)
    if not name:
        reporter.told.fault("a deployment needs a version, and an empty one was said")
        return
    fields = {"version": name, "title": title and text.clip(title, text.TITLE), "url": url or None,
              "timestamp": rfc3339(time.time())}  # fmt: skip
    said = {name: value for name, value in fields.items() if value is not None}
    reporter.put(reporter.deployments, Figure(DEPLOY, str(uuid.uuid4()), fields=said))


def flush(timeout: float | None = None) -> bool:
    """Wait until all reports are sent, `timeout` seconds at most. False where some are not."""
    return reporter.flush(timeout)


def _tell_tile(kind: int, id: str, value: float) -> None:
    try:
        number = int(value) if isinstance(value, int) else float(value)  # True counts as 1
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not isinstance(id, str) or not _TILE_ID.fullmatch(id):
        shown = text.one_line(id, 100)
        reporter.told.fault(f"a tile's id is letters, digits, - and _, with dots between them, and {shown!r} is not")
    elif isinstance(number, float) and not math.isfinite(number):
        reporter.told.fault(f"the tile {id} stays as it is, because {text.one_line(value, 100)!r} is no number")
    else:
        reporter.put(reporter.tiles, Figure(kind, id, number))
