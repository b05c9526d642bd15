"""How the demo speaks to a site: by the client for its jobs and logs, and over the public API for a file of history."""

from __future__ import annotations

import http.client
import json
import logging
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Protocol

import headway
from demo.tally import Orders, Tally

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
LATER = (429, 502, 503, 504, 507)
"""Answers after which the same request may succeed."""
TIMEOUT_S = 10.0


class Stopped(Exception):
    """The feeder is to end, so whatever was under way is given up."""

    def __str__(self) -> str:
        return "The feeder was stopped"


class Refused(Exception):
    """The site said no, and asking again would not help. `status` is HTTP's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status


class Report(Protocol):
    """What a piece of work may say about itself while it runs, and how it rests."""

    def stage(self, name: str, percent: float, message: str = "") -> None: ...
    def progress(self, percent: float, message: str = "") -> None: ...
    def pause(self, seconds: float) -> None: ...
    def took_in(self, orders: Orders) -> None: ...


class Site:
    """One site's API. A call is repeated until it is answered, however long the site is away."""

    def __init__(self, url: str, token: str | None, stopping: threading.Event) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.stopping = stopping
        self._away = False

    def call(self, method: str, path: str, body: bytes, kind: str = "application/json") -> dict[str, Any]:
        """The answer's JSON. Raises Refused where asking again would not help, and Stopped when the feeder ends first."""
        wait_s = FIRST_WAIT_S
        while True:
            if self.stopping.is_set():
                raise Stopped
            try:
                answer = self._send(method, path, body, kind)
            except urllib.error.HTTPError as error:
                asked = error.headers.get("Retry-After", "")
                if error.code not in LATER:
                    raise Refused(error.code, _why(error)) from error
                wait_s = max(wait_s, float(asked) if asked.isdigit() else 0.0)
                self._say_away(f"it answers {error.code}")
            except (OSError, http.client.HTTPException) as error:
                self._say_away(str(getattr(error, "reason", error)))
            else:
                if self._away:
                    self._away = False
                    say("The site answers again.")
                return answer
            self.stopping.wait(min(wait_s, LONGEST_WAIT_S) * random.uniform(0.7, 1.0))
            wait_s *= 2

    def admit(self) -> None:
        """Wait until the site lets us report. Raises Refused where it never will, and Stopped."""
        self.call("POST", "/api/v1/queue/batch", b"", "application/x-ndjson")

    def _send(self, method: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, body, {**self._headers, "Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            try:
                found: dict[str, Any] = json.load(answer)
            except ValueError as error:
                raise Refused(answer.status, "the answer is no JSON; is this a Headway site?") from error
            return found

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            say(f"The site does not take reports ({why}); trying again until it does.")


class Steps:
    """What a job's work says of itself, told to the site; it rests until the feeder is to end."""

    def __init__(self, job: headway.Job, stopping: threading.Event, tally: Tally, log: logging.Logger) -> None:
        self._job = job
        self._stopping = stopping
        self._tally = tally
        self._log = log

    def stage(self, name: str, percent: float, message: str = "") -> None:
        self._job.progress(percent, stage=name, message=message or None)
        self._log.debug("%s: %s", name, message or "begun")

    def progress(self, percent: float, message: str = "") -> None:
        self._job.progress(percent, message=message or None)

    def pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped

    def took_in(self, orders: Orders) -> None:
        self._tally.add(orders)


class Said(logging.Handler):
    """What the client logs, among the feeder's own words."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def logger(source: str) -> logging.Logger:
    """A log that goes to the site, as lines of this source."""
    found = logging.getLogger(f"demo.{source}")
    if not found.handlers:
        found.addHandler(headway.LogHandler(source=source))
        found.setLevel(logging.DEBUG)
        found.propagate = False
    return found


def now(at: float | None = None) -> str:
    """RFC 3339 in UTC with milliseconds."""
    at = time.time() if at is None else at
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


def say(words: str) -> None:
    sys.stdout.write(f"[feeder] {words}\n")
    sys.stdout.flush()


def _why(error: urllib.error.HTTPError) -> str:
    """What the site says of a refusal, where it says it in a form that is meant for programs."""
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
