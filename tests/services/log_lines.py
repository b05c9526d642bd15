"""What tests of logs share: lines made short, and what is found of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.site import Site
from services import log_rules, logs_service
from services.log_model import JobLink, NewLine
from services.logs_service import LogLine, LogQuery

NOW_MS = 1_700_000_000_000


def line(message: str = "hello", level: str = "info", source: str = "web", **others: Any) -> NewLine:
    return NewLine(message, log_rules.level(level), source, others.pop("at_ms", NOW_MS), **others)


def of_job(message: str, agent: str = "studio", id: str = "a") -> NewLine:
    return line(message, job=JobLink(id, agent, id))


def store(site: Site, *lines: NewLine) -> None:
    assert logs_service.append(site, lines)


def found(site: Site, **query: Any) -> list[str]:
    """The messages that a query finds, newest first, however many pages that takes."""
    lines, before = list[LogLine](), query.pop("before", None)
    while True:
        page = logs_service.search(site, LogQuery(before=before, **query))
        lines += page.lines
        before = page.next_cursor
        if before is None:
            return [line.message for line in lines]


def retaining(site: Site, **changes: Any) -> Site:
    """The site with another `[retention]`."""
    config = site.config
    kept = {name: getattr(config.retention, name) for name in config.retention.__struct_fields__} | changes
    retention = type(config.retention)(**kept)
    declared = {name: getattr(config, name) for name in config.__struct_fields__} | {"retention": retention}
    return replace(site, config=type(config)(**declared))
