"""How the demo tells a site what its jobs do: over the public API, with the standard library alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
LATER = (429, 502, 503, 504, 507)
"""Answers after which the same request may succeed."""
TIMEOUT_S = 10.0
PROGRESS_EVERY_S = 0.4
BATCH_LINES = 200
BATCH = ("POST", "/api/v1/queue/batch")
NDJSON = "application/x-ndjson"


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
                answer = self._send(method, path, body, kind, TIMEOUT_S)
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

    def call_once(self, method: str, path: str, body: bytes, kind: str) -> None:
        """A last word on the way out: sent once, lost when the site is away."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._send(method, path, body, kind, 2.0)

    def _send(self, method: str, path: str, body: bytes, kind: str, timeout_s: float) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, body, {**self._headers, "Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            try:
                found: dict[str, Any] = json.load(answer)
            except ValueError as error:
                raise Refused(answer.status, "the answer is no JSON; is this a Headway site?") from error
            return found

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            say(f"The site does not take reports ({why}); trying again until it does.")


class LiveReport:
    """One job, each of its updates a request of its own."""

    def __init__(self, site: Site, agent: str, title: str, metadata: Mapping[str, Any]) -> None:
        self._site = site
        self._seq = 0
        self._attempt = 1
        self._told_at = 0.0
        # The id is ours, so that a creation whose answer got lost makes no second job when it is sent again.
        job = {"id": str(uuid.uuid4()), "agent": agent, "title": title, "metadata": metadata}
        self._number = int(site.call("POST", "/api/v1/queue", _json(job))["queue_id"])
        self._path = f"/api/v1/queue/{self._number}"

    def stage(self, name: str, percent: float, message: str = "") -> None:
        self._update(current_step=name, progress=round(percent, 1), message=message)

    def progress(self, percent: float, message: str = "") -> None:
        if time.monotonic() - self._told_at >= PROGRESS_EVERY_S:
            self._update(progress=round(percent, 1), message=message)

    def pause(self, seconds: float) -> None:
        if self._site.stopping.wait(seconds):
            raise Stopped

    def retry(self, why: str) -> None:
        """The job waits for its next attempt."""
        self._attempt += 1
        self._update(status="queued", message=why)

    def completed(self, result: Mapping[str, Any], message: str) -> None:
        self._update(status="completed", result=result, message=message)

    def failed(self, error: str) -> None:
        self._update(status="failed", error=error)

    def last_word(self, why: str) -> dict[str, Any]:
        """A line of a batch that says that nothing more will come."""
        order = {"seq": self._seq + 1, "attempt": self._attempt}
        return {"queue_id": self._number, "status": "failed", "error": why, **order}

    def _update(self, **fields: Any) -> None:
        self._seq += 1
        self._told_at = time.monotonic()
        self._site.call("PUT", self._path, _json({**_said(fields), "seq": self._seq, "attempt": self._attempt}))


class Outbox:
    """Lines of many jobs, sent together as NDJSON."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._lines: list[bytes] = []
        self._lock = threading.Lock()

    def put(self, line: Mapping[str, Any]) -> None:
        with self._lock:
            self._lines.append(_json(line))

    def flush(self) -> None:
        """Send what has gathered. A refused line is shown; the others count."""
        if lines := self._take(BATCH_LINES):
            answer = self.site.call(*BATCH, b"\n".join(lines), NDJSON)
            for line in answer["rejected"]:
                say(f"The site refused a line of a batch: {line['detail']}")

    def flush_once(self) -> None:
        """Send all that is left, without waiting for a site that is away."""
        if lines := self._take(10_000):
            self.site.call_once(*BATCH, b"\n".join(lines), NDJSON)

    def _take(self, most: int) -> list[bytes]:
        with self._lock:
            lines, self._lines = self._lines[:most], self._lines[most:]
        return lines


class BatchedReport:
    """One job whose updates travel in batches with those of others, told apart by their time."""

    def __init__(self, outbox: Outbox, agent: str, title: str, metadata: Mapping[str, Any]) -> None:
        self._outbox = outbox
        self._job = {"id": str(uuid.uuid4()), "agent": agent}
        outbox.put({**self._job, "title": title, "metadata": metadata, "timestamp": now()})

    def stage(self, name: str, percent: float, message: str = "") -> None:
        self._update(current_step=name, progress=round(percent, 1), message=message)

    def progress(self, percent: float, message: str = "") -> None:
        self._update(progress=round(percent, 1), message=message)

    def pause(self, seconds: float) -> None:
        if self._outbox.site.stopping.wait(seconds):
            raise Stopped

    def completed(self, result: Mapping[str, Any], message: str) -> None:
        self._update(status="completed", result=result, message=message)

    def failed(self, error: str) -> None:
        self._update(status="failed", error=error)

    def last_word(self, why: str) -> dict[str, Any]:
        return {**self._job, "status": "failed", "error": why, "timestamp": now()}

    def _update(self, **fields: Any) -> None:
        self._outbox.put({**self._job, **_said(fields), "timestamp": now()})


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


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value != ""}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
