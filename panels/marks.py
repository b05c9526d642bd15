from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel, View
from services import marks_service
from services.marks_service import Mark


@dataclass(frozen=True)
class Marks:
    """What the charts of the page mark, oldest first; see `services.marks_service`."""

    marks: tuple[Mark, ...]


def data(site: Site, view: View) -> Marks:
    return Marks(marks_service.marks(site, view.window))


PANEL = Panel(
    "marks", title="Deployments and alerts", every=5, data=data, page="both", windowed=True, width=4, order=58
)
