"""The one reporter of this process, and what begins with it."""

from __future__ import annotations

from typing import Any

from headway.job import Job
from headway.reporter import Reporter
from headway.settings import read

_reporter = Reporter()


def configure(
    url: str | None = None, token: str | None = None, *, agent: str | None = None, timeout: float | None = None
) -> None:
    """Say where reports go. What is left out comes from HEADWAY_URL and HEADWAY_INGEST_TOKEN (or HEADWAY_TOKEN).

    `agent` is that of jobs which name none. `timeout`, in seconds (3 unless said), bounds what waits for the site:
    `flush`, and the program's end.
    """
    _reporter.configure(read(url, token, agent, timeout))


def job(
    name: str,
    *,
    agent: str | None = None,
    title: str | None = None,
    id: str | None = None,
    attempt: int | None = None,
    metadata: dict[str, Any] | None = None,
) -> Job:
    """A job to be used by `with`. `name` says what kind of work it is, and is its title where none is given.

    `id` names it within its agent, so that other processes can report it too; a UUID unless said. A higher `attempt`
    starts a job of that id anew.
    """
    return Job(name, reporter=_reporter, agent=agent, title=title, id=id, attempt=attempt, metadata=metadata)


def flush(timeout: float | None = None) -> bool:
    """Wait until all reports are sent, `timeout` seconds at most. False where some are not."""
    return _reporter.flush(timeout)
