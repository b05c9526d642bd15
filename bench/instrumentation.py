"""What counting and timing costs a request, in process: Headway's way beside prometheus-flask-exporter's."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics
from werkzeug.test import EnvironBuilder

from bench.rows import Row, at_most_times
from core.instrument import Requests
from core.metrics import HTTP_DURATION, HTTP_REQUESTS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ROUNDS, REQUESTS = 41, 400


def run() -> list[Row]:
    apps = {"bare": _app(), "ours": _app(), "exporter": _app()}
    wsgi: dict[str, WSGIApplication] = {name: app.wsgi_app for name, app in apps.items()}
    wsgi["ours"] = Requests(wsgi["ours"], HTTP_REQUESTS, HTTP_DURATION)  # what core.metrics.install does
    PrometheusMetrics(apps["exporter"], registry=CollectorRegistry())
    took: dict[str, list[float]] = {name: [] for name in wsgi}
    for _ in range(ROUNDS):
        for name, one in wsgi.items():
            took[name].append(_microseconds(one))
    ours, theirs = (median(took[name]) - median(took["bare"]) for name in ("ours", "exporter"))
    return [at_most_times("instrumentation of a request", ours, "µs", "prometheus-flask-exporter", theirs, 0.5)]


def _app() -> Flask:
    app = Flask("measured")
    app.add_url_rule("/jobs/<int:number>", "job", lambda number: "hello")
    return app


def _microseconds(wsgi: WSGIApplication) -> float:
    """CPU time of a request, so that what else the machine does counts for nothing."""
    environ = EnvironBuilder("/jobs/17").get_environ()

    def start_response(_status: str, _headers: list[Any], *_fault: Any) -> Any:
        return None

    start = time.process_time()
    for _ in range(REQUESTS):
        answer = wsgi(dict(environ), start_response)
        for _part in answer:
            pass
        answer.close()  # type: ignore[attr-defined]
    return (time.process_time() - start) / REQUESTS * 1e6
