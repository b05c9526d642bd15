"""A file of earlier jobs, as another system would hand it over, with a few rows that can't be taken."""

from __future__ import annotations

import csv
import io
import random
import time

import headway
from demo.reporting import Refused, Site, now, say

LATELY, LATELY_S = 240, 2 * 3600
DAYS, DAY_S = 28, 86_400
BEFORE = 3_000
ROWS = BEFORE + LATELY
BAD_DAYS = 9
"""Every so many days the receiver had a bad one."""
FIELDS = ("id", "agent", "title", "status", "progress", "stage", "error", "created_at", "started_at", "finished_at")
BAD_ROWS = (
    ("legacy-wide", "legacy", "One column", "too many", "completed", "100", "write", "", "", "", "", "?"),
    ("legacy-half", "legacy", "A status that nobody knows", "half done", "50", "read", "", "", "", ""),
    ("legacy-much", "legacy", "More than everything", "completed", "140", "write", "", "", "", ""),
    ("legacy-when", "legacy", "A day that never was", "completed", "100", "write", "", "2026-02-31T10:00:00Z", "", ""),
)


def as_csv(chance: random.Random, until: float) -> bytes:
    """`ROWS` good rows of the four weeks before `until` (seconds since the epoch), denser in its last two hours, and
    `BAD_ROWS` among them."""
    before = sorted(until - chance.uniform(LATELY_S, DAYS * DAY_S) for _ in range(BEFORE))
    created = [*before, *(until - LATELY_S * (1 - number / LATELY) for number in range(LATELY))]
    rows: list[tuple[str, ...]] = [_row(number, chance, at, until) for number, at in enumerate(created)]
    for number, row in enumerate(BAD_ROWS, 1):
        rows.insert(number * ROWS // 5, row)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([FIELDS, *rows])
    return text.getvalue().encode()


def _row(number: int, chance: random.Random, created: float, until: float) -> tuple[str, ...]:
    started = min(created + chance.uniform(0.1, 10), until)
    finished = min(started + chance.lognormvariate(2.5, 1.1), until)
    failed = chance.random() < (0.3 if int(created // DAY_S) % BAD_DAYS == 0 else 0.06)
    return (
        f"legacy-{int(created)}-{number}",
        "legacy",
        f"Export {number + 1} of {ROWS}",
        "failed" if failed else "completed",
        str(chance.randrange(10, 95)) if failed else "100",
        "send" if failed else "write",
        "The receiver closed the connection" if failed else "",
        now(created),
        now(started),
        now(finished),
    )


def upload(site: Site, chance: random.Random) -> None:
    """Send the file once; a site that does not take it is worth a line, not the end."""
    try:
        site.call("POST", "/dashboard/uploads?name=legacy-exports.csv", as_csv(chance, time.time()), "text/csv")
    except Refused as refused:
        if refused.status in (401, 403):
            raise
        say(f"The site did not take the history file: {refused}")
    else:
        say(f"Uploaded {ROWS} earlier jobs.")
        headway.notify(f"{ROWS} earlier jobs are taken in", f"{len(BAD_ROWS)} rows were left out.", level="success")
