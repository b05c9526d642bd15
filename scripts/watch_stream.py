"""Shows in the terminal what jobs do, as it happens, with Python alone; or the tiles, and what is notified and logged.

    python scripts/watch_stream.py                    every job
    python scripts/watch_stream.py --agent studio     those of one agent
    python scripts/watch_stream.py 17                 one job, by its number or its id, until it ends
    python scripts/watch_stream.py --stats            tiles, notifications, log lines

HEADWAY_URL is the site (http://127.0.0.1:8000 where unset), HEADWAY_READ_TOKEN or HEADWAY_TOKEN a token that may read;
with HEADWAY_AUTH=off none is needed. Ends with 1 when the one job failed, 2 when the site refuses.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

SILENCE_S = 75.0
"""The site sends at least a comment every 30 s; a connection silent for so long is dead."""
LONGEST_WAIT_S = 30.0
MARKS = {"queued": "·", "processing": "▸", "completed": "✓", "failed": "✗", "notified": "!", "logged": "│"}


@dataclass
class Event:
    name: str
    data: Any


class Refused(Exception):
    """The site will answer no other way however often it is asked."""


class Stream:
    """A stream of events that is opened again, behind the last event, whenever it is lost."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._headers = {"Accept": "text/event-stream"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._last_id = ""
        self._retry_s = 1.0

    def events(self) -> Iterator[Event]:
        """Everything that comes, for ever; `lost` and its reason among it. Raises Refused."""
        failures = 0
        while True:
            try:
                for event in self._connection():
                    failures = 0
                    yield event
                why = "the site ended the stream"
            except urllib.error.HTTPError as error:
                if error.code in (400, 401, 403, 404):
                    raise Refused(_problem(error)) from None
                why = _problem(error)
            except (OSError, http.client.HTTPException) as error:
                why = str(getattr(error, "reason", error)) or type(error).__name__
            yield Event("lost", why)
            time.sleep(min(LONGEST_WAIT_S, self._retry_s * 2**failures) * random.uniform(0.5, 1.5))  # noqa: S311
            failures += 1

    def _connection(self) -> Iterator[Event]:
        headers = self._headers | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        with urllib.request.urlopen(urllib.request.Request(self._url, headers=headers), timeout=SILENCE_S) as answer:
            name, data, id_ = "message", list[str](), self._last_id
            for line in answer:
                field, _, value = line.decode().rstrip("\r\n").partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    id_ = value
                elif field == "retry" and name != "reconnect":
                    self._retry_s = int(value) / 1000
                elif not field and not value:
                    self._last_id = id_
                    if data:
                        yield Event(name, json.loads("\n".join(data)))
                    name, data = "message", []


def _problem(error: urllib.error.HTTPError) -> str:
    """What the site says of why, else its status."""
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"the site answered {error.code}"


def plain(text: str) -> str:
    """What came from outside moves no cursor and changes no colour."""
    return "".join(c if c.isprintable() else " " for c in text)


def line(update: dict[str, Any]) -> str:
    """One update for people."""
    said = [
        f"#{update['queue_id']:<6} {MARKS.get(update['status'], '?')} {update['status']:<10} {update['progress']:>5.4g} %"
    ]
    said += [update[name] for name in ("current_step", "message") if name in update]
    return "  ".join(plain(part) for part in said)


def figures(value: dict[str, Any], path: str = "") -> Iterator[str]:
    """Each tile with its value, `requests.total 12`, of those that have one."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from figures(inner, f"{path}{name}.")
        elif inner is not None and name != "timestamp":
            yield f"{path}{name} {inner:,}" if isinstance(inner, int) else f"{path}{name} {inner:,.6g}"


def words(event: Event, *, stats: bool) -> str | None:
    """What an event says, on a line or more; None where it says nothing that was asked for."""
    if event.name == "message":
        return "  ".join(figures(event.data)) if stats else line(event.data)
    if event.name == "notification":
        body = plain(event.data["body"])
        return f"{MARKS['notified']} {event.data['level']:<8} {plain(event.data['title'])}{f': {body}' if body else ''}"
    if event.name == "skipped":
        return f"{MARKS['logged']} {event.data['lines']:,} lines are left out here"
    if event.name == "log":
        job = f" [{event.data['job']}]" if event.data["job"] is not None else ""
        said = "\n".join(plain(part) for part in event.data["message"].split("\n"))
        return f"{MARKS['logged']} {event.data['level']:<8} {plain(event.data['source'])}{plain(job)}: {said}"
    return None


def show(event: Event, *, stats: bool = False) -> None:
    now = time.strftime("%H:%M:%S")
    if said := words(event, stats=stats):
        print(f"{now}  {said}", flush=True)
    elif event.name in ("degraded", "recovered"):
        away = event.name == "degraded"
        print(f"{now}  {event.data['reason']}" if away else f"{now}  the store is back", file=sys.stderr, flush=True)
    elif event.name == "connected":
        print(f"{now}  connected", file=sys.stderr, flush=True)
    elif event.name == "gap":
        print(f"{now}  some updates are no longer kept; the present states follow", file=sys.stderr, flush=True)
    elif event.name == "lost":
        print(f"{now}  {event.data}; trying again", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    assert __doc__  # noqa: S101
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", nargs="?", help="a job's number, or its id (of the agent, `default` if not said)")
    parser.add_argument("--agent", help="whose jobs, or whose job")
    parser.add_argument("--stats", action="store_true", help="tiles, notifications and log lines instead of jobs")
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON")
    asked = parser.parse_args(arguments)
    if asked.stats and (asked.job or asked.agent):
        parser.error("--stats goes with no job and no --agent")
    site = os.environ.get("HEADWAY_URL", "http://127.0.0.1:8000").rstrip("/")
    path = f"/{quote(asked.job, safe='')}" if asked.job else ""
    query = f"?agent={quote(asked.agent, safe='')}" if asked.agent else ""
    stream = "/sse/stats" if asked.stats else f"/api/v1/progress/stream{path}{query}"
    token = os.environ.get("HEADWAY_READ_TOKEN") or os.environ.get("HEADWAY_TOKEN")
    try:
        for event in Stream(f"{site}{stream}", token).events():
            if asked.json and event.name in ("message", "notification", "log"):
                value = event.data if event.name == "message" else {event.name: event.data}
                print(json.dumps(value, ensure_ascii=False), flush=True)
            else:
                show(event, stats=asked.stats)
            if asked.job and event.name == "message" and event.data["status"] in ("completed", "failed"):
                return int(event.data["status"] == "failed")
    except Refused as refused:
        print(f"{site}: {refused}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read it has enough; Python would complain once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
