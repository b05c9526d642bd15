"""Lines on their way in: checked one by one, stored together, so that what is said to be accepted is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from core.metrics import LOG_REJECTED
from core.site import Site
from services import job_json, log_jobs, log_redaction, log_rules, logs_service
from services.jobs_service import Rejected
from services.log_model import NewLine
from services.log_redaction import Redactor

Maker = Callable[[int, Redactor], NewLine]
"""Makes a line, of the present time in ms and what is taken out of it. Raises ValueError."""
TURN_S = 0.02
"""After so long whoever else has something to do gets a turn."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a request's lines. `repeated`: they were stored when they came before."""

    accepted: int
    rejected: tuple[Rejected, ...]
    repeated: bool = False


class Intake:
    """The lines of one request."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._redactor = log_redaction.redactor(site.config.logs, site.settings)
        self._now_ms = int(site.clock() * 1000)
        self._turn_at = time.monotonic() + TURN_S
        self._lines: list[tuple[int, NewLine]] = []
        self._rejected: list[Rejected] = []

    def add_text(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """Take numbered lines of NDJSON."""
        self._add(lines, job_json.decode)

    def add_values(self, lines: Iterable[tuple[int, Any]]) -> None:
        """Take numbered values of decoded JSON."""
        self._add(lines, lambda value: value)

    def add(self, number: int, make: Maker) -> None:
        """Take a line, however it is made."""
        if time.monotonic() > self._turn_at:
            time.sleep(0)
            self._turn_at = time.monotonic() + TURN_S
        try:
            self._lines.append((number, make(self._now_ms, self._redactor)))
        except ValueError as fault:
            self._rejected.append(Rejected(number, str(fault)))

    def _add(self, lines: Iterable[tuple[int, Any]], decode: Callable[[Any], Any]) -> None:
        for number, line in lines:
            self.add(number, lambda now, redactor, line=line: log_rules.line(decode(line), now, redactor))  # type: ignore[misc]

    def store(self, frame: str | None = None) -> Report:
        """Store the good ones, all of them or none, and tell of the others. A `frame` that was stored before is not stored
        again. Raises redis.RedisError."""
        lines = self._with_jobs()
        is_new = logs_service.append(self._site, lines, frame)
        if self._rejected:
            LOG_REJECTED.labels(reason="invalid").inc(len(self._rejected))
        rejected = sorted(self._rejected, key=lambda one: one.line)
        return Report(len(lines), tuple(rejected), repeated=not is_new)

    def _with_jobs(self) -> list[NewLine]:
        """The lines with those jobs found that were given by number; a line of a job that is not is rejected."""
        wanted = {line.job.given for _, line in self._lines if line.job is not None and isinstance(line.job.given, int)}
        if not wanted:
            return [line for _, line in self._lines]
        known, found = log_jobs.names(self._site, wanted), list[NewLine]()
        for number, line in self._lines:
            if line.job is None or not isinstance(line.job.given, int):
                found.append(line)
            elif line.job.given in known:
                agent, id = known[line.job.given]
                found.append(replace(line, job=line.job._replace(agent=agent, id=id)))
            else:
                self._rejected.append(Rejected(number, f"job: no job has the number {line.job.given}"))
        return found
