"""What a panel declares, and how the declarations are found."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from core.site import Site
from services.windows import DEFAULT_RANGE, RANGES


class PanelError(Exception):
    """A panel is declared wrongly; the text names its module and what to change."""


@dataclass(frozen=True)
class Panel:
    """One card of the page. Both its routes, its place, its JSON and its ETag come from this."""

    name: str
    """In its URLs, its template's file name and its element's id."""
    title: str
    every: int
    """Seconds between two polls of one open page, and between two looks for those that it is pushed to."""
    data: Callable[..., Any]
    """Reads a frozen dataclass of a site, which the template gets as `data` and the JSON shows field by field."""
    width: Literal[1, 2, 3, 4] = 1
    """Columns out of four."""
    chart: Literal["line", "bars", "doughnut"] | None = None
    ranged: bool = False
    """Whether its reader chooses a range of time; `data` then takes the name of one of `RANGES` behind the site."""
    order: int = 100
    """Place on the page, low to high."""
    note: str = ""
    """A few words beside the title: a unit, a span."""
    live: bool = False
    """Whether it tells of jobs, so that it is looked at soon after any of them changed."""
    bare: bool = False
    """Its body brings cards of its own, so the panel draws no frame and no visible title."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name) or self.name.endswith("-html"):
            raise PanelError(
                f"{self.name!r} is no panel's name: use small letters, digits and hyphens, no -html at the end"
            )
        if self.every < 1:
            raise PanelError(f"{self.name} polls every {self.every} s: use 1 or more")

    @property
    def template(self) -> str:
        return f"panels/{self.name}.html"

    def part(self, range_: str = DEFAULT_RANGE) -> str:
        """What an open page calls it: `success-rate`, or `success-rate:6h` where that is not the usual range."""
        return self.name if not self.ranged or range_ == DEFAULT_RANGE else f"{self.name}:{range_}"

    def readings(self) -> dict[str, Callable[[Site], Any]]:
        """How the data of each of its parts is read."""
        if not self.ranged:
            return {self.name: self.data}
        return {self.part(range_): partial(self.data, range_=range_) for range_ in RANGES}


def discover(package: str, paths: Iterable[str]) -> dict[str, Panel]:
    """The panels of a package by name, in the page's order: `PANEL` of each module without a leading underscore.

    Raises PanelError for a module without one, and for two panels of one name.
    """
    found: dict[str, Panel] = {}
    homes: dict[str, str] = {}
    for module in pkgutil.iter_modules(paths):
        if module.name.startswith("_"):
            continue
        panel = getattr(importlib.import_module(f"{package}.{module.name}"), "PANEL", None)
        if not isinstance(panel, Panel):
            raise PanelError(f"{package}/{module.name}.py declares no PANEL")
        if panel.name in found:
            raise PanelError(f"{homes[panel.name]} and {module.name} both declare the panel {panel.name!r}")
        found[panel.name], homes[panel.name] = panel, module.name
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))
