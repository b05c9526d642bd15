from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import highest, mean, mean_of, total
from services import chart_source
from services.windows import Window

REQUESTS, ERRORS = "requests", "request_errors"


@dataclass(frozen=True)
class RequestPoint:
    """Requests answered a second, and those of them with a status from 500 on."""

    at: str
    requests: float | None
    errors: float | None


@dataclass(frozen=True, kw_only=True)
class RequestRate(Charted):
    """`total` and `errors` count requests of the whole span, `average` and `highest` are a second; None where nobody counted."""

    total: int | None
    errors: int | None
    average: float | None
    highest: float | None
    points: tuple[RequestPoint, ...]


def data(site: Site, view: View) -> RequestRate:
    def read(window: Window) -> RequestRate:
        found = chart_source.readings(site, (REQUESTS, ERRORS), window)
        requests, errors = found.of[REQUESTS], found.of[ERRORS]
        each = zip(requests, errors, strict=True)
        return RequestRate(
            **span_of(window),
            total=total(requests, window),
            errors=total(errors, window),
            average=mean(requests),
            highest=highest(requests),
            points=tuple(RequestPoint(at, mean_of(one), mean_of(bad)) for at, (one, bad) in steps_of(window, each)),
            source=found.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "request-rate",
    title="Requests",
    note="a second",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(
        Line("requests", "requests a second", fill=True),
        Line("errors", "failed a second", ink="bad", compared=False),
    ),
    chart="line",
    width=2,
    order=40,
)
