"""What the data of every chart has in common: its span of time, its points, and the same of the span compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar

from core.site import Site
from core.times import rfc3339
from panels._view import Compare, View
from services import marks_service
from services.marks_service import Mark
from services.windows import Window


@dataclass(frozen=True, kw_only=True)
class Charted:
    """A chart's data adds `points`, each with `at` and the figures that its panel's `lines` name, and figures of the whole."""

    range: str | None
    """None for a span between two moments."""
    starts_at: str
    ends_at: str
    step_s: int
    points: Sequence[Any]
    compare: Compare | None = None
    before: Any = None
    """The same of the span compared with, None where there is none."""
    source: str = ""
    """Where the figures come from, a sentence; empty where they are all of Headway's own history."""
    marks: tuple[Mark, ...] = ()


MEASURED = "Of jobs that ended while Headway ran; those that were uploaded are in the history alone."
"""Where durations of one agent come from."""

C = TypeVar("C", bound=Charted)
V = TypeVar("V")


class Span(TypedDict):
    range: str | None
    starts_at: str
    ends_at: str
    step_s: int


def span_of(window: Window) -> Span:
    return Span(range=window.range, starts_at=rfc3339(window.start), ends_at=rfc3339(window.end), step_s=window.step_s)


def steps_of(window: Window, values: Iterable[V]) -> Iterator[tuple[str, V]]:
    """Each step's beginning, with its value."""
    return zip(map(rfc3339, window.starts), values, strict=True)


def charted(site: Site, view: View, read: Callable[[Window], C]) -> C:
    """A chart's data with what else happened meanwhile, and its data of the span that it is compared with."""
    now = replace(read(view.window), marks=marks_service.marks(site, view.window))
    return now if view.before is None else replace(now, compare=view.compare, before=read(view.before))
