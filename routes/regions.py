"""Live parts of pages that are no panels. Each is declared once; its first paint, its poll and its push come from that.

    @region("job", every=2, topics=lambda number: (f"job:{number}",))
    def state(number: str) -> Content: ...

A part of a page is named by its kind and, behind a colon, its argument: `job:17`. It is the same for all who look.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from flask import Response
from markupsafe import Markup

from core.problems import Problem
from routes import pages


@dataclass(frozen=True)
class Content:
    html: str
    resting: bool = False
    """Whether it will not change any more, so that an open page need not ask again."""


@dataclass(frozen=True)
class Region:
    kind: str
    every: int
    """Seconds between two polls of one open page."""
    content: Callable[[str], Content]
    """Of an argument. It knows no request: it is called for the push as well. Raises Problem, redis.RedisError."""
    topics: Callable[[str], Collection[str]]
    """What an argument's content depends on: `jobs` (any job), `job:17`, `agents` (any agent), `agent:studio`.
    Raises Problem for an argument that is none."""


@dataclass(frozen=True)
class Shown:
    """What the macro `region` of `components/region.html` gets."""

    kind: str
    part: str
    every: int
    html: Markup
    etag: str
    resting: bool

    @property
    def is_polled(self) -> bool:
        """Whether its name is too long to be asked for by a stream."""
        return len(self.part) > LONGEST_NAME


REGIONS: dict[str, Region] = {}
LONGEST_NAME = 512


def no_argument(argument: str) -> tuple[str, ...]:
    """The topics of a part that is alone of its kind and changes by itself."""
    if argument:
        raise Problem(422, "Unknown part", "part: this one takes nothing behind a colon.")
    return ()


def by_interval(argument: str) -> tuple[str, ...]:
    """The topics of a part that no event tells of, or that tells of all jobs at once and so is not read anew for each event of one."""
    return ()


def numbered_by_interval(argument: str) -> tuple[str, ...]:
    """The same of one that takes a number."""
    number_of(argument)
    return by_interval(argument)


def number_of(argument: str) -> int:
    """The number that an argument is. Raises Problem."""
    if not (argument.isascii() and argument.isdigit()):
        raise Problem(422, "Unknown part", "part: this one takes a number behind its colon, as in job:17.")
    return int(argument)


def region(
    kind: str, *, every: int, topics: Callable[[str], Collection[str]] = no_argument
) -> Callable[[Callable[[str], Content]], Callable[[str], Content]]:
    """Declares the decorated function as the content of the parts of a kind."""

    def declare(content: Callable[[str], Content]) -> Callable[[str], Content]:
        if kind in REGIONS:
            raise ValueError(f"two regions are called {kind!r}")
        REGIONS[kind] = Region(kind, every, content, topics)
        return content

    return declare


def show(kind: str, argument: str = "") -> Shown:
    """A part for its page's first paint. Raises what its content raises."""
    content = REGIONS[kind].content(argument)
    return Shown(
        kind,
        name_of(kind, argument),
        REGIONS[kind].every,
        Markup(content.html),  # noqa: S704  our own template's, escaped there
        pages.tag_of(content.html),
        content.resting,
    )


def answer(kind: str, argument: str = "") -> Response:
    """A part as the answer to its poll."""
    content = REGIONS[kind].content(argument)
    return pages.part(kind, content.html, resting=content.resting)


def name_of(kind: str, argument: str = "") -> str:
    return f"{kind}:{argument}" if argument else kind


def find(name: str) -> tuple[Region, str]:
    """The region and the argument that a part's name tells. Raises Problem 404 for a kind that is none."""
    kind, _, argument = name.partition(":")
    if kind not in REGIONS or len(name) > LONGEST_NAME:
        raise Problem(404, "No such part", f"part: no panel and no part of a page is called {kind[:80]!r}.")
    return REGIONS[kind], argument
