"""Figures of archived jobs: for `/api/v1/metrics/jobs?by=…`, and for the table below the history page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from flask import Response, request

from core.database import DatabaseError
from core.problems import Problem
from core.times import rfc3339
from routes import history_query, ranges, site
from services import archive_figures, windows
from services.archive_figures import BYS, HOUR_MS, MOST_HOURS, By, Figures, Group
from services.archive_filter import Filter


def answer() -> Response:
    """`{by, from, to, groups, other}`. Raises Problem."""
    by, chosen = asked_by(), history_query.read(request.args).filter
    if request.args.get("range") and not (request.args.get("from") or request.args.get("to")):
        start = windows.of_range(ranges.asked(), site().clock()).start
        chosen = replace(chosen, since_ms=start * 1000)
    told = figures(chosen, by)
    body = {
        "by": by,
        "from": None if chosen.since_ms is None else rfc3339(chosen.since_ms / 1000),
        "to": None if chosen.until_ms is None else rfc3339(chosen.until_ms / 1000),
        "groups": [_group(each, by) for each in told.groups],
        "other": None if told.other is None else _group(told.other, by),
    }
    return Response(msgspec.json.encode(body), mimetype="application/json")


def asked_by() -> By:
    by = request.args.get("by")
    found = next((each for each in BYS if each == by), None)
    if found is None:
        raise Problem(422, "Unprocessable field", f"by should be one of {', '.join(BYS)}.", field="by")
    return found


def figures(chosen: Filter, by: By) -> Figures:
    """Raises Problem: 422 for too many hours, 503 where the archive can't be asked."""
    if by == "hour":
        until_ms = chosen.until_ms or int(site().clock() * 1000)
        if chosen.since_ms is None or until_ms - chosen.since_ms > MOST_HOURS * HOUR_MS:
            words = f"by hour takes a span of at most {MOST_HOURS // 24} days: give from and to, or a range."
            raise Problem(422, "Unprocessable field", words, field="from")
    try:
        return archive_figures.figures(site(), chosen, by)
    except DatabaseError as error:
        raise history_query.unavailable(error) from error


def _group(group: Group, by: By) -> dict[str, Any]:
    return {
        by: group.name,
        "jobs": group.jobs,
        "completed": group.completed,
        "failed": group.failed,
        "success_rate": group.success_rate,
        "processing_time": group.took,
        "waited": {"mean": group.waited_mean_s},
    }
