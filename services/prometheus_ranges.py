"""Asks Prometheus for a window of several series at once, by few queries, and makes of the answer a value a step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import quote_plus

import msgspec

from core.site import Site
from services import prometheus_queries as queries
from services.prometheus_query import Data, PrometheusError, asked, text
from services.windows import Window

PATIENCE_S = 20.0
"""A query that takes longer than a page waits is left so long to end."""
AT_ONCE = 2
"""Queries of one question that are under way together."""
LONGEST_QUERY = 4_000
"""Characters of a query as it is sent: proxies take some 8,000 for a whole address."""
FIGURE = "figure"
"""The label that tells pieces of one query apart."""

Values = dict[str, list[float | None]]
"""A value a step by piece, or by piece, tab and `le`."""


class _Line(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


def ask(site: Site, names: tuple[str, ...], window: Window) -> Values:
    """What `services.prometheus_queries.pieces` has of some names. Raises PrometheusError, OutgoingError."""
    step, now = queries.Step.of(window, site.config.prometheus), site.clock()
    wanted = {piece: query for name in names for piece, query in queries.pieces(name, step).items()}
    quick = {piece: query for name in names for piece, query in queries.recorded(name, step).items()}
    # What of a step is over.
    over_s = [step.width_s - max(0.0, start + window.step_s - now) for start in window.starts]
    ready = {
        piece: [None if one is None else one * max(s, 0) for one, s in zip(values, over_s, strict=True)]
        for piece, values in _together(site, quick, window, now).items()
    }
    began = min((_first(values) for values in ready.values()), default=window.steps)
    found = _together(site, {piece: wanted[piece] for piece in wanted if piece not in quick}, window, now)
    # Rules may have been loaded long after the first scrape.
    before = _together(site, {piece: wanted[piece] for piece in quick}, replace(window, steps=began), now)
    for piece in ready.keys() | before.keys():
        found[piece] = before.get(piece, [None] * began) + ready.get(piece, [None] * window.steps)[began:]
    return {piece: _scaled(piece, values, window, step, over_s) for piece, values in found.items()}


def _first(values: list[float | None]) -> int:
    """At which of the values something is known first."""
    return next((at for at, value in enumerate(values) if value is not None), len(values))


def _together(site: Site, pieces: Mapping[str, str], window: Window, now: float) -> Values:
    found: Values = {}
    with ThreadPoolExecutor(AT_ONCE, "headway-promql") as pool:
        for more in pool.map(lambda query: _range(site, query, window, now), _joined(pieces)):
            found |= {piece: values for piece, values in more.items() if piece.partition("\t")[0] in pieces}
    return found


def _joined(pieces: Mapping[str, str]) -> Iterator[str]:
    """Queries that ask for several pieces each, told apart by the label FIGURE."""
    query = ""
    for piece, asks in pieces.items():
        part = f'label_replace({asks}, "{FIGURE}", {text(piece.replace("$", "$$"))}, "", "")'
        if query and len(quote_plus(query)) + len(quote_plus(part)) > LONGEST_QUERY:
            yield query
            query = ""
        query = f"{query} or {part}" if query else part
    if query:
        yield query


def _range(site: Site, query: str, window: Window, now: float) -> Values:
    begun = sum(start <= now for start in window.starts)
    if not begun:
        return {}
    first = window.start + window.step_s
    between = {"start": first, "end": first + (begun - 1) * window.step_s, "step": window.step_s}
    return asked(
        site,
        site.settings.prometheus_url or "",
        "query_range",
        {"query": query} | {name: str(value) for name, value in between.items()},
        site.config.prometheus.headers,
        PATIENCE_S,
        lambda data: _values(data, window),
    )


def _values(data: Data, window: Window) -> Values:
    if data.result_type != "matrix":
        raise PrometheusError("Prometheus answered no series over time")
    found: Values = {}
    for line in msgspec.convert(data.result, list[_Line]):
        bound = line.metric.get("le")
        piece = line.metric.get(FIGURE, "") + (f"\t{bound}" if bound is not None else "")
        values = found.setdefault(piece, [None] * window.steps)
        for ends, value in line.values:
            at, beside = divmod(ends - window.start, window.step_s)
            if not beside and 1 <= at <= window.steps:
                values[int(at) - 1] = _finite(value)
    return found


def _finite(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _scaled(
    piece: str, values: list[float | None], window: Window, step: queries.Step, over_s: list[float]
) -> list[float | None]:
    """What grew, as a rate a second or as a count of the step; what stood as it is. To six digits: it is for looking at."""
    if piece in queries.GROWING:
        values = [None if one is None or s <= 0 else one / s for one, s in zip(values, over_s, strict=True)]
    elif queries.counts(piece):
        values = [None if one is None else one * window.step_s / step.width_s for one in values]
    return [None if one is None else float(f"{one:.6g}") for one in values]
