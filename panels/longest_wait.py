from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import highest, mean, most_of
from services import chart_source
from services.windows import Window

NAME = "longest_wait_s"


@dataclass(frozen=True)
class WaitPoint:
    at: str
    longest_s: float | None
    """The longest of the step; 0 where no job waited."""


@dataclass(frozen=True, kw_only=True)
class LongestWait(Charted):
    """How long the first of the queued jobs had waited, as it was sampled; None where nobody did."""

    longest_s: float | None
    mean_s: float | None
    points: tuple[WaitPoint, ...]


def data(site: Site, view: View) -> LongestWait:
    def read(window: Window) -> LongestWait:
        found = chart_source.readings(site, (NAME,), window)
        waits = found.of[NAME]
        return LongestWait(
            **span_of(window),
            longest_s=highest(waits),
            mean_s=mean(waits),
            points=tuple(WaitPoint(at, most_of(one)) for at, one in steps_of(window, waits)),
            source=found.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "longest-wait",
    title="Longest wait",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(Line("longest_s", "", "s", fill=True),),
    chart="line",
    width=2,
    order=39,
)
