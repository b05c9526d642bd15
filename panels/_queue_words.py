"""Where a queue's page is, and the search for its jobs."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from jinja2 import Environment

from services.job_query import quoted


def jobs_where(**conditions: str | None) -> str:
    """The path of the jobs that fit: `jobs_where(queue="mail", state="failed")`; what is None or empty narrows nothing."""
    said = " ".join(f"{key}:{quoted(value)}" for key, value in conditions.items() if value)
    return f"/dashboard/jobs?{urlencode({'q': said})}"


def queue_path(agent: str, name: str) -> str:
    """The path of a queue's page. A name that browsers would read as another path goes behind it."""
    is_plain = all(part not in ("", ".", "..") for part in name.split("/"))
    at = f"/dashboard/queues/{quote(agent, safe='')}"
    return f"{at}/{quote(name)}" if is_plain else f"{at}?{urlencode({'queue': name})}"


def install(jinja: Environment) -> None:
    """Give all templates these words."""
    jinja.globals.update(jobs_where=jobs_where, queue_path=queue_path)
