"""What may be said in a log line, and how it becomes one: its level by any usual name, its time, its job."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from core.fields import FieldError, check
from services import job_rules, log_text
from services.job_model import to_ms
from services.job_rules import DEFAULT_AGENT, Agent
from services.log_model import LEVELS, JobLink, NewLine
from services.log_redaction import Redactor

DEBUG, INFO, WARNING, ERROR, CRITICAL = range(len(LEVELS))
DEFAULT_SOURCE = "default"

MOST_SOURCE = 128
Source = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MOST_SOURCE,
        pattern=r"\A(?! )[^\x00-\x1f\x7f-\x9f]*(?<! )\Z",
        description="1 to 128 characters, no control character, no space at an end",
    ),
]

NAMES = {
    **dict.fromkeys(("debug", "trace", "verbose", "silly", "fine", "finer", "finest"), DEBUG),
    **dict.fromkeys(("info", "information", "informational", "notice", "success", "log", "notset"), INFO),
    **dict.fromkeys(("warning", "warn"), WARNING),
    **dict.fromkeys(("error", "err", "severe", "exception"), ERROR),
    **dict.fromkeys(("critical", "crit", "fatal", "alert", "emergency", "emerg", "panic"), CRITICAL),
}
SYSLOG = (CRITICAL, CRITICAL, CRITICAL, ERROR, WARNING, INFO, INFO, DEBUG)
"""By severity."""
MOST_NUMBER = 1000


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A log line as it is sent."""

    message: str
    level: int | str | None = None
    source: Source | None = None
    job: int | str | None = None
    agent: Agent | None = None
    timestamp: job_rules.Time | None = None


class _ById(Struct):
    job: job_rules.JobId
    agent: Agent


class _ByNumber(Struct):
    job: job_rules.Number
    agent: Agent


def line(fields: Any, now_ms: int, redactor: Redactor) -> NewLine:
    """A line of decoded JSON. A job that is given by its number has yet to be looked up. Raises FieldError."""
    sent = check(Line, fields, whole="the line")
    return made(
        sent.message,
        INFO if sent.level is None else level(sent.level),
        sent.source or DEFAULT_SOURCE,
        sent.timestamp,
        now_ms,
        redactor,
        None if sent.job is None else job(sent.job, sent.agent or DEFAULT_AGENT),
    )


def made(
    message: str,
    level: int,
    source: str,
    at: datetime | int | None,
    now_ms: int,
    redactor: Redactor,
    link: JobLink | None = None,
) -> NewLine:
    """A line out of its parts; `at` may be in ms since the epoch. One that is ahead of our clock came now."""
    at_ms = now_ms if at is None else at if isinstance(at, int) else to_ms(at)
    return NewLine(log_text.kept(message, redactor.redact), level, source, max(0, min(at_ms, now_ms)), link)


def source(name: str) -> str:
    """A name that somebody gave who knows nothing of our rules, as a source's name."""
    return "".join(character for character in name if character.isprintable())[:MOST_SOURCE].strip() or DEFAULT_SOURCE


def level(said: int | str) -> int:
    """A level's place in LEVELS, by its name or its number with syslog (0 to 7) or Python (10 to 50). Raises FieldError."""
    if isinstance(said, str):
        found = NAMES.get(said.strip().lower())
        if found is not None:
            return found
        if not (said.isascii() and said.isdigit() and len(said) < 5):
            raise FieldError("level", f"should be one of {', '.join(LEVELS)}, or a number of syslog or Python")
        said = int(said)
    if not 0 <= said <= MOST_NUMBER:
        raise FieldError("level", "should be a number of syslog (0 to 7) or Python (10 to 50)")
    return SYSLOG[said] if said < len(SYSLOG) else max(DEBUG, min(said // 10 - 1, CRITICAL))


def job(given: Any, agent: str) -> JobLink:
    """The job of a number, or of an agent and an id. Raises FieldError."""
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 16:
        given = int(given)
    check(_ByNumber if isinstance(given, int) else _ById, {"job": given, "agent": agent})
    return JobLink(given, agent, given if isinstance(given, str) else "")
