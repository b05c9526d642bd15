"""What else happened while a chart's figures changed: deployments, and alerts that fired. What the store raises passes through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from core.site import Site
from services import alert_episodes, alert_words, deployments_service
from services.alert_episodes import Episode
from services.deployments_service import Deployment
from services.windows import Window

Kind = Literal["deployment", "alert"]

MOST = 100
"""Marks of a window; where there are more, those of so many steps that they fit become one."""
NAMED = 5
"""So many of those that became one are named."""
MOST_LABEL = 300
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that change the direction of what follows."""
ALERTS = "/dashboard/alerts"
HISTORY = f"{ALERTS}#alert-history-title"


@dataclass(frozen=True)
class Mark:
    """Something that happened, or several of a kind in one step. Moments are seconds since the epoch. An alert may have fired
    before the window began."""

    at: float
    kind: Kind
    label: str
    """All there is to say of it besides when, on one line; text from outside."""
    path: str | None = None
    """Where there is more of it: a path of ours, or an address; text from outside."""
    until: float | None = None
    """Of an alert: when it was over, None while it fires; `at` where nobody knows."""


def marks(site: Site, window: Window) -> tuple[Mark, ...]:
    """The deployments and alerts of a window, oldest first, MOST at most. Raises StoreError."""
    until = min(float(window.end), site.clock() + 1)
    if until <= window.start:
        return ()
    deployed = [_deployment(one) for one in deployments_service.between(site, window.start, until)]
    fired = [_alert(site, one) for one in alert_episodes.between(site, window.start, until)]
    together_s = window.step_s
    while len(found := [*_merged(deployed, together_s), *_merged(fired, together_s)]) > MOST:
        together_s *= 2
    return tuple(sorted(found, key=lambda mark: mark.at))


def _deployment(one: Deployment) -> Mark:
    label = f"{one.version} · {one.title}" if one.title else one.version
    return Mark(one.at, "deployment", _cut(label), one.url)


def _alert(site: Site, one: Episode) -> Mark:
    rule = next((rule for rule in site.config.alerts if rule.id == one.id), None)
    title = one.title if one.title != one.id or rule is None else alert_words.title(rule, site.config)
    ended = one.until if one.until is not None or one.fires else one.since
    lasted = None if one.until is None else f"for {alert_words.span(one.until - one.since)}"
    parts = (title, one.value, lasted or ("still fires" if one.fires else ""))
    return Mark(
        one.since,
        "alert",
        _cut(" · ".join(part for part in parts if part)),
        HISTORY if rule is None else f"{ALERTS}#alert-{rule.id}",
        ended,
    )


def _merged(marks: Iterable[Mark], within_s: int) -> list[Mark]:
    """One mark for those of a kind that fall into one stretch of time."""
    ordered = sorted(marks, key=lambda mark: mark.at)
    groups = (tuple(group) for _, group in groupby(ordered, key=lambda mark: int(mark.at // within_s)))
    return [group[0] if len(group) == 1 else _one(group) for group in groups]


def _one(group: Sequence[Mark]) -> Mark:
    """Several as one: the latest are named."""
    first = group[0]
    names = [_apart(mark.label.split(" · ")[0]) for mark in reversed(group)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    label = f"{len(names)} {first.kind}s: {', '.join(names[:NAMED])}{more}"
    path = HISTORY if first.kind == "alert" else None
    ends = [mark.until for mark in group if mark.until is not None]
    return Mark(first.at, first.kind, _cut(label), path, max(ends) if len(ends) == len(group) else None)


def _apart(name: str) -> str:
    """A name that may stand among others: what turns the direction of its text ends with it."""
    return f"\u2068{name}\u2069" if TURNS.search(name) else name


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LABEL else f"{text[: MOST_LABEL - 1]}…"
