"""An instant query of Prometheus, or of what speaks like it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import msgspec

from core import native
from core.config.sources import Prometheus
from services.tile_sources.reading import Context, SourceError, number
from services.web import ask, quoted


class Data(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")
    result: Any


class Reply(msgspec.Struct):
    status: str
    data: Data | None = None
    error: str = ""


class Series(msgspec.Struct):
    value: tuple[float, str]
    """When, and the value as text."""


def read(source: Prometheus, context: Context) -> int | float:
    """The value of the one series that the query answers. Raises SourceError, OutgoingError."""
    url, headers = _without_user(source.url or context.site.settings.prometheus_url or "")
    asked = urlencode({"query": source.query, "timeout": f"{context.timeout_s * 1000:.0f}ms"})
    answer = ask(
        context.site,
        f"{url.rstrip('/')}/api/v1/query?{asked}",
        headers | dict(source.headers),
        context.timeout_s,
        "application/json",
    )
    return native.run(_value, answer.body, answer.status)


def _value(body: bytes, status: int) -> int | float:
    try:
        reply = msgspec.json.decode(body, type=Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise SourceError(f"Prometheus answered {status} and no result of a query: is its address right?") from fault
    if reply.status != "success" or reply.data is None:
        raise SourceError(f"Prometheus says: {quoted(reply.error) or reply.status}")
    try:
        return number(_one(reply.data), "what the query answers")
    except msgspec.ValidationError as fault:
        raise SourceError("Prometheus answered no result of a query") from fault


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


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """An address, and the header that says what its user and password said: PROMETHEUS_URL may hold them."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    said = base64.b64encode(unquote(user).encode()).decode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {said}"}
