"""What a panel declares, and how the declarations are found."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from panels._lines import Line
from panels._view import USUAL, Choice


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
    """Reads a frozen dataclass of a site, which the template gets as `data` and the JSON shows field by field. That of a
    windowed panel takes a `View` behind the site."""
    width: Literal[1, 2, 3, 4] = 1
    """Columns out of four."""
    chart: Literal["line", "bars", "doughnut"] | None = None
    page: Literal["observability", "charts", "both"] = "observability"
    windowed: bool = False
    """Whether its reader chooses the span of time that it shows, and what that is compared with."""
    by_agent: bool = False
    """Whether a windowed panel's reader chooses an agent, too."""
    lines: tuple[Line, ...] = ()
    """The figures of each of its points: the lines of its chart, the columns of its table and of its CSV."""
    order: int = 100
    """Place on the page, low to high."""
    note: str = ""
    """A few words beside the title: a unit, a span."""
    live: bool = False
    """Whether it tells of jobs, so that it is looked at soon after any of them changed."""
    absent: Callable[[Any], bool] | None = None
    """Of what `data` read, whether the site has nothing of the kind: then its page leaves the panel out. Unset: never."""
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

    def choice(self, choice: Choice) -> Choice:
        """What of a choice means anything to it."""
        if not self.windowed:
            return USUAL
        return choice if self.by_agent or choice.agent is None else choice.but(agent=None)

    def part(self, choice: Choice = USUAL) -> str:
        """What an open page calls it: `success-rate`, or `success-rate:6h-day` where more was chosen than nothing."""
        mark = self.choice(choice).mark
        return f"{self.name}:{mark}" if mark else self.name

    def interval(self, choice: Choice = USUAL) -> int:
        """Seconds between two polls of what was chosen."""
        return choice.every(self.every) if self.windowed else self.every

    def stands_on(self, page: str) -> bool:
        return self.page in (page, "both")


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
