"""Shows in the terminal what jobs do, as it happens, with Python alone.

    python scripts/watch_stream.py                    every job
    python scripts/watch_stream.py --agent studio     those of one agent
    python scripts/watch_stream.py 17                 one job, by its number or its id, until it ends

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
MARKS = {"queued": "·", "processing": "▸", "completed": "✓", "failed": "✗"}


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


def line(update: dict[str, Any]) -> str:
    """One update for people. What came from outside moves no cursor and changes no colour."""
    said = [
        f"#{update['queue_id']:<6} {MARKS.get(update['status'], '?')} {update['status']:<10} {update['progress']:>5.4g} %"
    ]
    said += [update[name] for name in ("current_step", "message") if name in update]
    return "  ".join("".join(c if c.isprintable() else " " for c in part) for part in said)


def show(event: Event) -> None:
    now = time.strftime("%H:%M:%S")
    if event.name == "message":
        print(f"{now}  {line(event.data)}", flush=True)
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
    parser.add_argument("--json", action="store_true", help="print each update as a line of JSON")
    asked = parser.parse_args(arguments)
    site = os.environ.get("HEADWAY_URL", "http://127.0.0.1:8000").rstrip("/")
    path = f"/{quote(asked.job, safe='')}" if asked.job else ""
    query = f"?agent={quote(asked.agent, safe='')}" if asked.agent else ""
    token = os.environ.get("HEADWAY_READ_TOKEN") or os.environ.get("HEADWAY_TOKEN")
    try:
        for event in Stream(f"{site}/api/v1/progress/stream{path}{query}", token).events():
            if asked.json and event.name == "message":
                print(json.dumps(event.data, ensure_ascii=False), flush=True)
            else:
                show(event)
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
