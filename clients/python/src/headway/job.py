"""A job: what a piece of work says about itself while it runs."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from headway import text
from headway.backlog import KEPT, PROGRESS, STAGE, Line
from headway.notices import warn
from headway.reporter import Reporter

_current: ContextVar[Job | None] = ContextVar("headway.job", default=None)


def current_job() -> Job | None:
    """The innermost job whose `with` block this thread or task is in; None outside of any."""
    return _current.get()


class Job:
    """One job of a site. `with` begins it, makes it the current one, and ends it: completed, or failed by what was raised.

    Nothing here raises or waits for the site. After its end a job takes nothing more, until `retry`.
    """

    def __init__(
        self,
        name: str,
        *,
        reporter: Reporter,
        agent: str | None = None,
        title: str | None = None,
        id: str | None = None,
        attempt: int | None = None,
        metadata: dict[str, Any] | None = None,
        queue: str | None = None,
        function: str | None = None,
        worker: str | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.agent = agent or reporter.settings.agent
        self.id = id or str(uuid.uuid4())
        self.title = text.clip(title or name, text.TITLE)
        self.attempt = attempt
        self._reporter = reporter
        self.key = (self.agent, self.id)
        self._metadata = {**({"name": name} if title and title != name else {}), **(metadata or {})}
        self._names = _names(queue=queue, function=function, worker=worker) | (
            {"tags": text.tags(tags)} if tags else {}
        )
        self._result: Any = None
        self._stage: str | None = None
        self._ended = False
        self._opened = -1
        self._owner = 0
        self._token: Token[Job | None] | None = None

    def announce(self, message: str | None = None) -> None:
        """Say that the job waits to be worked on, here or by whoever names its agent and id."""
        self._put(KEPT, {"status": "queued", **_message(message)})

    def start(self, message: str | None = None) -> None:
        """Begin without `with`; `complete` or `fail` ends it then."""
        self._put(KEPT, {"status": "processing", **_message(message)})

    def progress(self, percent: float | None = None, *, stage: str | None = None, message: str | None = None) -> None:
        """How far the job is, from 0 to 100, and with it its stage or message. Cheap enough for a tight loop."""
        fields: dict[str, Any] = {}
        if percent is not None and (number := text.percent(percent)) is not None:
            fields["progress"] = number
        size = 0
        if message is not None:
            fields["message"] = message = text.clip(message, text.MESSAGE)
            size = len(message)
        if stage is not None and stage != self._stage:
            self._stage = stage
            fields["current_step"] = text.one_line(stage, text.STAGE) or "-"
            self._put(STAGE, fields, size)
        elif fields:
            self._put(PROGRESS, fields, size)

    def stage(self, name: str, message: str | None = None) -> None:
        """Enter a stage; the site keeps when each began and ended."""
        self.progress(stage=name, message=message)

    def message(self, words: str) -> None:
        """What happens now; the site shows the last one."""
        self.progress(message=words)

    def result(self, value: Any) -> None:
        """What came of the work, as JSON of at most 16 KiB; it is told with the end."""
        self._result = self._plain("result", value)

    def metadata(self, **facts: Any) -> None:
        """Add facts about the job to those it has; at most 16 KiB of JSON in all."""
        self._metadata.update(facts)
        if self._opened == self._reporter.generation:
            self._put(STAGE, self._facts())

    def log(self, message: object, level: str = "info", source: str | None = None) -> None:
        """Add a line to the site's logs, linked to the job; `level` is debug, info, warning, error or critical.

        A job takes lines after its end too.
        """
        self._reporter.log(message, level, source, job=self.key)

    def complete(self, result: Any = None, message: str | None = None) -> None:
        if result is not None:
            self.result(result)
        self._end({"status": "completed", **_message(message)})

    def fail(self, error: str | BaseException, message: str | None = None, *, error_type: str | None = None) -> None:
        """End as failed, because of an exception (reported with its last frames) or in words. Errors are counted by their type, which is
        the name before the colon of their line unless said."""
        if isinstance(error, BaseException):
            message, error = message or text.summary(error), text.report(error)
        failed = {"status": "failed", "error": text.clip(error, text.ERROR)}
        self._end({**failed, **_names(error_type=error_type), **_message(message)})

    def retry(self, message: str | None = None) -> None:
        """The job waits for its next attempt; the site keeps what the one before did."""
        self.attempt = (self.attempt or 1) + 1
        self._ended, self._stage, self._result = False, None, None
        self._put(KEPT, {"status": "queued", **_message(message)})

    @contextlib.contextmanager
    def current(self) -> Iterator[Job]:
        """Make it the current job of this thread or task, and neither begin nor end it."""
        token = _current.set(self)
        try:
            yield self
        finally:
            with contextlib.suppress(ValueError):
                _current.reset(token)

    def __enter__(self) -> Job:
        self.start()
        self._owner = os.getpid()
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            with contextlib.suppress(ValueError):  # a generator may be closed in another context than it began in
                _current.reset(token)
        if self._owner != os.getpid():
            return  # a fork of the process whose job it is: that one goes on with it
        if error is None or _orderly(error):
            self.complete()
        elif isinstance(error, SystemExit):
            self.fail(f"Exit code {error.code}" if isinstance(error.code, int) else str(error.code))
        else:
            self.fail(error)

    def _end(self, fields: dict[str, Any]) -> None:
        with self._reporter.lock:
            if self._ended:
                return
            self._ended = True
        if self._result is not None:
            fields["result"] = self._result
        self._tell(KEPT, fields)
        self._reporter.job_ended()

    def _put(self, kind: int, fields: dict[str, Any], size: int = 0) -> None:
        if not self._ended:
            self._tell(kind, fields, size)

    def _tell(self, kind: int, fields: dict[str, Any], size: int = 0) -> None:
        if self.attempt is not None:
            fields["attempt"] = self.attempt
        # Told once in each process: the parent's word may come after that of its fork.
        if self._opened != self._reporter.generation:
            self._opened = self._reporter.generation
            fields = {"title": self.title, **self._names, **self._facts(), **fields}
            kind = KEPT
        fields["timestamp"] = time.time()
        line = Line(self.key, kind, fields, size if kind == PROGRESS else text.size(fields))
        self._reporter.put(self._reporter.jobs, line)

    def _facts(self) -> dict[str, Any]:
        found = self._plain("metadata", self._metadata) if self._metadata else None
        return {"metadata": found} if found else {}

    def _plain(self, what: str, value: Any) -> Any:
        try:
            return text.plain(value)
        except ValueError as fault:
            warn(f"the {what} of job {self.title!r} is left out: {fault}")
            return None


def _message(words: str | None) -> dict[str, Any]:
    return {} if words is None else {"message": text.clip(words, text.MESSAGE)}


def _names(**said: str | None) -> dict[str, Any]:
    """What a site finds jobs by, without what is empty."""
    named = {field: text.one_line(name, text.NAME).strip() for field, name in said.items() if name is not None}
    return {field: name for field, name in named.items() if name}


def _orderly(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)
