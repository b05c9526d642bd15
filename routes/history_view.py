"""What the history page draws of archived jobs: rows with what was found marked, and the filter as links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from panels._words import span
from routes.history_query import Asked
from services import archive_words, error_types
from services.archive_rows import ArchivedJob
from services.job_model import Job

MOST_SHOWN = 220
"""Characters of the line that is shown of an error or a message."""
BEFORE_MATCH = 60
MOST_ALIKE = 6
"""Words that failures of one kind share."""
LABELS = {
    "q": "text",
    "status": "status",
    "agent": "agent",
    "queue": "queue",
    "function": "function",
    "stage": "failed in",
    "from_": "from",
    "to": "to",
    "min_s": "took at least",
    "max_s": "took at most",
    "job": "job",
    "worker": "worker",
    "error_type": "type of error",
    "tag": "tag",
    "state": "state",
    "fingerprint": "failures alike",
}
MORE = ("queue", "function", "worker", "error_type", "tag", "state", "stage", "from_", "to", "min_s", "max_s", "job")
"""What the form folds away."""


@dataclass(frozen=True)
class Piece:
    text: str
    found: bool = False


@dataclass(frozen=True)
class Row:
    """A job, its title and the line of its error or message that tells most, in pieces."""

    archived: ArchivedJob
    title: tuple[Piece, ...]
    line: tuple[Piece, ...]
    whole: str
    """The text that the line is of."""
    took_s: float

    @property
    def job(self) -> Job:
        return self.archived.job


@dataclass(frozen=True)
class Times:
    """What the form's fields of times hold: in `zone`, without naming it; and the same in ms since the epoch."""

    since: str
    until: str
    zone: str
    since_ms: int | None
    until_ms: int | None


@dataclass(frozen=True)
class Chosen:
    """A part of the filter, and the query without it. `at`: a time, in seconds since the epoch."""

    label: str
    value: str
    at: float | None
    without: str


def row(archived: ArchivedJob, pattern: re.Pattern[str] | None) -> Row:
    job = archived.job
    whole = job.error or job.message or ""
    if pattern and not pattern.search(whole) and job.message and pattern.search(job.message):
        whole = job.message
    began, ended = job.started_at or job.created_at, job.finished_at or job.updated_at
    return Row(
        archived,
        marked(job.title or job.id, pattern),
        marked(telling(whole, pattern), pattern),
        whole,
        max((ended - began).total_seconds(), 0.0),
    )


def marked(text: str, pattern: re.Pattern[str] | None) -> tuple[Piece, ...]:
    """The text in pieces: those that were sought, and what is between them."""
    pieces, at = list[Piece](), 0
    for match in pattern.finditer(text) if pattern else ():
        pieces += [Piece(text[at : match.start()]), Piece(match.group(), found=True)]
        at = match.end()
    pieces.append(Piece(text[at:]))
    return tuple(piece for piece in pieces if piece.text)


def telling(text: str, pattern: re.Pattern[str] | None) -> str:
    """The first line with what was sought, else the first; of a traceback the one that says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    usual = error_types.telling_line(text)[0].strip() if lines[0].startswith("Traceback") else lines[0]
    line = next((line for line in (usual, *lines) if pattern and pattern.search(line)), usual)
    match = pattern.search(line) if pattern else None
    begin = max(match.start() - BEFORE_MATCH, 0) if match and match.end() > MOST_SHOWN else 0
    return ("…" if begin else "") + line[begin : begin + MOST_SHOWN] + ("…" if len(line) > begin + MOST_SHOWN else "")


def similar(error: str | None) -> str:
    """The query that finds failures with the words of an error, without those that differ from one to the next; empty for none."""
    words = [word for word in archive_words.words_of(telling(error or "", None)) if word.isalpha()]
    return Asked(q=" ".join(words[:MOST_ALIKE]), status="failed").query() if words else ""


def chosen(asked: Asked) -> tuple[Chosen, ...]:
    """What narrows the page, each with the way out of it."""
    filter_ = asked.filter
    times = {"from_": filter_.since_ms, "to": filter_.until_ms}
    return tuple(
        Chosen(
            label,
            span(float(getattr(asked, name))) if name in ("min_s", "max_s") else getattr(asked, name),
            None if (ms := times.get(name)) is None else ms / 1000,
            asked.query(**{name: ""}),
        )
        for name, label in LABELS.items()
        if getattr(asked, name)
    )


def times(asked: Asked) -> Times:
    chosen, zone = asked.filter, ZoneInfo(asked.zone or "UTC")

    def field(ms: int | None) -> str:
        return "" if ms is None else datetime.fromtimestamp(ms // 1000, zone).replace(tzinfo=None).isoformat()

    return Times(field(chosen.since_ms), field(chosen.until_ms), zone.key, chosen.since_ms, chosen.until_ms)


def pattern_of(asked: Asked) -> re.Pattern[str] | None:
    return archive_words.pattern(archive_words.read(asked.q))
