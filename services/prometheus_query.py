"""How Prometheus, or what speaks like it (Thanos, Mimir, VictoriaMetrics), is asked, and what it answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode, urlsplit

import msgspec

from core import native
from core.site import Site
from services.web import ask, quoted

T = TypeVar("T")


class PrometheusError(Exception):
    """It gives no result. The words go on behind "because", and name no secret."""


class Data(msgspec.Struct):
    result_type: str = msgspec.field(name="resultType")
    result: Any


class Reply(msgspec.Struct):
    status: str
    data: Data | None = None
    error: str = ""


def asked(
    site: Site,
    address: str,
    path: str,
    parameters: Mapping[str, str],
    headers: Mapping[str, str],
    timeout_s: float,
    read: Callable[[Data], T],
) -> T:
    """What `read` makes of the answer of `query` or `query_range` (`path`) at an address of Prometheus.

    A user and password in the address are sent as basic authentication. `read` runs beside the other greenlets, and may raise
    PrometheusError and msgspec's ValidationError. Raises PrometheusError and OutgoingError, whose words hold no secret.
    """
    url, own = _without_user(address)
    told = urlencode(dict(parameters) | {"timeout": f"{timeout_s * 1000:.0f}ms"}, errors="replace")
    answer = ask(site, f"{url.rstrip('/')}/api/v1/{path}?{told}", own | dict(headers), timeout_s, "application/json")
    return native.run(_read, answer.body, answer.status, read)


def matchers(labels: Mapping[str, str]) -> tuple[str, ...]:
    """`name="value"` each; a value that begins with ~ is a regular expression for all of it, as it is in a tile's labels."""
    return tuple(
        f"{name}=~{text(value[1:])}" if value[:1] == "~" else f"{name}={text(value)}" for name, value in labels.items()
    )


def text(value: str) -> str:
    """A text as PromQL writes it, whatever it holds."""
    return json.dumps(value, ensure_ascii=False)


def _read(body: bytes, status: int, read: Callable[[Data], T]) -> T:
    try:
        reply = msgspec.json.decode(body, type=Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise PrometheusError(
            f"Prometheus answered {status} and no result of a query: is its address right?"
        ) from fault
    if reply.status != "success" or reply.data is None:
        raise PrometheusError(f"Prometheus says: {quoted(reply.error) or reply.status}")
    try:
        return read(reply.data)
    except msgspec.ValidationError as fault:
        raise PrometheusError("Prometheus answered no result of a query") from fault


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """An address, and the header that says what its user and password said: PROMETHEUS_URL may hold them."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    said = base64.b64encode(unquote(user).encode()).decode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {said}"}
