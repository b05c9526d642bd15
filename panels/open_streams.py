from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import highest, mean, mean_of, most_of
from services import chart_source
from services.windows import Window

NAME = "open_streams"


@dataclass(frozen=True)
class StreamPoint:
    at: str
    streams: float | None
    highest: float | None


@dataclass(frozen=True, kw_only=True)
class OpenStreams(Charted):
    """How many streams were open in all processes, as it was sampled; None where nobody did."""

    average: float | None
    highest: float | None
    points: tuple[StreamPoint, ...]


def data(site: Site, view: View) -> OpenStreams:
    def read(window: Window) -> OpenStreams:
        found = chart_source.readings(site, (NAME,), window)
        streams = found.of[NAME]
        return OpenStreams(
            **span_of(window),
            average=mean(streams),
            highest=highest(streams),
            points=tuple(StreamPoint(at, mean_of(one), most_of(one)) for at, one in steps_of(window, streams)),
            source=found.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "open-streams",
    title="Open streams",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(
        Line("streams", "on average", fill=True),
        Line("highest", "at most", light=True, compared=False),
    ),
    chart="line",
    width=2,
    order=56,
)
