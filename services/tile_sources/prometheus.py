"""An instant query of Prometheus, or of what speaks like it."""

from __future__ import annotations

import msgspec

from core.config.sources import Prometheus
from services.prometheus_query import Data, PrometheusError, asked
from services.tile_sources.reading import Context, SourceError, number
from services.web import quoted


class Series(msgspec.Struct):
    value: tuple[float, str]
    """When, and the value as text."""


def read(source: Prometheus, context: Context) -> int | float:
    """The value of the one series that the query answers. Raises SourceError, OutgoingError."""
    address = source.url or context.site.settings.prometheus_url or ""
    try:
        return asked(context.site, address, "query", {"query": source.query}, source.headers, context.timeout_s, _value)
    except PrometheusError as fault:
        raise SourceError(str(fault)) from fault


def _value(data: Data) -> int | float:
    return number(_one(data), "what the query answers")


def _one(data: Data) -> str:
    """The text of the one value."""
    if data.result_type == "scalar":
        return msgspec.convert({"value": data.result}, Series).value[1]
    if data.result_type != "vector":
        raise SourceError(f"the query answers a {quoted(data.result_type)}, not a number a series: take its range away")
    found = msgspec.convert(data.result, list[Series])
    if not found:
        raise SourceError("the query answers no series")
    if len(found) > 1:
        raise SourceError(f"the query answers {len(found)} series: make them one, for example with sum(…)")
    return found[0].value[1]
