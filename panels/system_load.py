from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import highest, mean, mean_of
from services import chart_source
from services.windows import Window

CPU, MEMORY = "cpu_percent", "memory_percent"


@dataclass(frozen=True)
class LoadPoint:
    at: str
    cpu_percent: float | None
    memory_percent: float | None


@dataclass(frozen=True, kw_only=True)
class SystemLoad(Charted):
    """How much was taken of the machine that runs the duties, as it was sampled; None where nobody did."""

    cpu_percent: float | None
    memory_percent: float | None
    most_cpu_percent: float | None
    points: tuple[LoadPoint, ...]


def data(site: Site, view: View) -> SystemLoad:
    def read(window: Window) -> SystemLoad:
        found = chart_source.readings(site, (CPU, MEMORY), window)
        cpu, memory = found.of[CPU], found.of[MEMORY]
        each = zip(cpu, memory, strict=True)
        return SystemLoad(
            **span_of(window),
            cpu_percent=mean(cpu),
            memory_percent=mean(memory),
            most_cpu_percent=highest(cpu),
            points=tuple(LoadPoint(at, mean_of(one), mean_of(other)) for at, (one, other) in steps_of(window, each)),
            source=found.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "system-load",
    title="CPU and memory",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(
        Line("cpu_percent", "CPU", "%"),
        Line("memory_percent", "memory", "%", ink="second", dash=True, compared=False),
    ),
    chart="line",
    width=2,
    order=54,
)
