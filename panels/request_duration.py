from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import rounded
from services import chart_source
from services.series_service import Counts, percentile, together
from services.windows import Window

NAME = "request_duration"


@dataclass(frozen=True)
class DurationPoint:
    at: str
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


@dataclass(frozen=True, kw_only=True)
class RequestDuration(Charted):
    """How long requests took until their answer began; None where nothing was asked. Percentiles lie within a bucket of
    `headway_http_request_duration_seconds`."""

    requests: int | None
    """None where nobody counted them."""
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    points: tuple[DurationPoint, ...]


def data(site: Site, view: View) -> RequestDuration:
    def read(window: Window) -> RequestDuration:
        found = chart_source.histograms(site, (NAME,), window)
        steps = found.of[NAME]
        whole = together(steps)
        p50_s, p95_s, p99_s = _percentiles(whole)
        return RequestDuration(
            **span_of(window),
            requests=None if whole is None else round(whole.total),
            p50_s=p50_s,
            p95_s=p95_s,
            p99_s=p99_s,
            points=tuple(DurationPoint(at, *_percentiles(counts)) for at, counts in steps_of(window, steps)),
            source=found.source,
        )

    return charted(site, view, read)


def _percentiles(counts: Counts | None) -> tuple[float | None, float | None, float | None]:
    p50_s, p95_s, p99_s = (rounded(percentile(counts, share), 5) for share in (0.5, 0.95, 0.99))
    return p50_s, p95_s, p99_s


PANEL = Panel(
    "request-duration",
    title="Request duration",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(
        Line("p50_s", "p50", "s", compared=False),
        Line("p95_s", "p95", "s", ink="second", dash=True),
        Line("p99_s", "p99", "s", ink="third", compared=False),
    ),
    chart="line",
    width=2,
    order=42,
)
