"""Log lines as a text file: a line each, oldest first, what goes over several lines indented."""

from __future__ import annotations

import time
from dataclasses import replace

from core.site import Site
from core.times import rfc3339
from services import log_search, log_text
from services.log_model import LogLine
from services.log_search import LogQuery

MOST_LINES = 10_000
MOST_CHARACTERS = 16 * 1024 * 1024
BUDGET_S = 5.0


def text(site: Site, query: LogQuery) -> str:
    """The newest lines that a query means; where those are not all, the first line says so. Raises redis.RedisError."""
    ends_at = time.monotonic() + BUDGET_S
    found, before, most = list[str](), query.before, query.limit
    size = 0
    while True:
        page = log_search.search(site, replace(query, before=before, limit=most - len(found)))
        found += [shown(line) for line in page.lines]
        size += sum(len(line.message) for line in page.lines)
        before = page.next_cursor
        if before is None or len(found) >= most or size > MOST_CHARACTERS or time.monotonic() > ends_at:
            break
    if before is not None:
        found.append(f"# Older lines are not in this file. They begin before the cursor {before}.\n")
    return "".join(reversed(found))


def shown(line: LogLine) -> str:
    """One line, with its end."""
    message = log_text.plain(line.message).rstrip("\n").replace("\n", "\n    ")
    job = f" [job {line.job}]" if line.job is not None else ""
    return f"{rfc3339(line.at)} {line.level.upper():<8} {line.source}{job}: {message}\n"
