"""A part of an open page as it is pushed: where it stands, what it depends on, and its `<hx-partial>`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import escape


@dataclass(frozen=True)
class Look:
    """What a part shows. Moments are of the monotonic clock."""

    html: bytes
    etag: str
    began: float
    """What happened before this is in it."""
    fresh_until: float
    """Before this a further look would find the same."""
    resting: bool = False
    """Whether it will not change any more."""
    unavailable: str | None = None
    """Why the store can't be read, where the part itself shows that."""
    took_s: float | None = None


@dataclass(frozen=True)
class Part:
    """Something of a page that can be pushed."""

    name: str
    target: str
    """The CSS selector of the element that its HTML fills."""
    every: float
    """Seconds between two looks when nothing happens."""
    topics: Collection[str]
    """What it depends on: `jobs`, `job:17`, `agents`, `agent:studio`, `notifications`, `alerts`."""
    look: Callable[[], Look]
    """Raises Problem where there is nothing to show, StoreError where the store is away."""

    @property
    def channel(self) -> str:
        return f"part:{self.name}"

    def partial(self, look: Look, now: float) -> bytes:
        """Its HTML as htmx swaps it in. `now`: seconds since the epoch."""
        said = {
            "data-part": quote(self.name, safe=""),
            "hx-target": self.target,
            "hx-swap": "innerMorph",
            "data-etag": look.etag,
            "data-sent": str(round(now * 1000)),
            "data-took": None if look.took_s is None else f"{look.took_s * 1000:.2f}",
            "data-resting": "yes" if look.resting else None,
            "data-unavailable": look.unavailable,
        }
        words = " ".join(f'{name}="{escape(value)}"' for name, value in said.items() if value is not None)
        return b"<hx-partial %s>\n%s\n</hx-partial>" % (words.encode(), look.html)
