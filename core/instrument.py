"""Counts and times every request by its route, at little cost: one look-up finds what is to be counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Requests:
    """WSGI around WSGI. A request counts when its answer begins, under the rule of its route, never its path."""

    def __init__(self, inner: WSGIApplication, counter: Counter, durations: Histogram) -> None:
        self._inner = inner
        self._counter = counter
        self._durations = durations
        self._kept: dict[tuple[str, str, str], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = perf_counter()

        def answering(status: str, headers: list[tuple[str, str]], *fault: Any) -> Any:
            self.record(environ, status[:3], perf_counter() - began)
            return start_response(status, headers, *fault)

        return self._inner(environ, answering)

    def record(self, environ: WSGIEnvironment, status: str, seconds: float) -> None:
        request = environ.get("werkzeug.request")
        rule = getattr(request, "url_rule", None)  # an answer from before the routes has none
        key = (environ["REQUEST_METHOD"], rule.rule if rule is not None else "unmatched", status)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._keep(*key)
        kept[0]()
        kept[1](seconds)

    def _keep(self, method: str, route: str, status: str) -> tuple[Callable[[], None], Callable[[float], None]]:
        known = method if method in METHODS else "other"
        kept = (
            self._counter.labels(method=known, route=route, status=status).inc,
            self._durations.labels(method=known, route=route).observe,
        )
        if known == method:
            self._kept[method, route, status] = kept
        return kept
