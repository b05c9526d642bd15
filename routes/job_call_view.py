"""What an engine's job was called with and how it may run, taken out of its metadata for the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from panels._words import span

Card = Literal["arguments", "result", "metadata"]

CARDS: dict[str, Card] = {"data": "arguments", "result": "result", "meta": "metadata"}
"""Where the page says why a part of a job is not shown, by the name that the part has at its engine."""
MOST_LINKED = 20
ONE_LINE = 80
"""Characters of a value that stands on one line."""


class Unreadable(NamedTuple):
    """Why something of a job is not shown. `part` is what its engine calls that, empty where nobody told."""

    card: Card
    part: str
    why: str


@dataclass(frozen=True)
class CallView:
    """`arguments` are names, or places from 0 on, and values as JSON; `facts` labels and words; `depends_on` ids of its engine's jobs."""

    arguments: tuple[tuple[str, str], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    depends_on: tuple[str, ...] = ()
    unreadable: Unreadable | None = None
    rest: str | None = None
    """What else the metadata has, as JSON over several lines."""


def _span(seconds: Any) -> str:
    return span(float(seconds)) if isinstance(seconds, int | float) and seconds >= 0 else "none"


FACTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "retries": ("Retried", str),
    "retries_left": ("Retries left", str),
    "timeout_s": ("Time limit", _span),
    "result_ttl_s": ("Result kept for", _span),
    "failure_ttl_s": ("Failure kept for", _span),
}
"""What stands among a job's facts, where its metadata has it as a number."""


def of(metadata: str | None) -> CallView:
    """Of a job's metadata as JSON text; what has another shape than engines' jobs have stays in the rest."""
    try:
        found = json.loads(metadata or "{}")
    except (ValueError, RecursionError):
        return CallView(rest=metadata)
    if not isinstance(found, dict):
        return CallView(rest=pretty(found))
    arguments = (*_arguments(found.pop("args", None)), *_arguments(found.pop("kwargs", None)))
    facts = [
        (label, says(found.pop(name)))
        for name, (label, says) in FACTS.items()
        if isinstance(found.get(name), int | float) and not isinstance(found[name], bool)
    ]
    depends_on = _texts(found.pop("depends_on", None))
    unreadable = found.pop("unreadable", None)
    return CallView(
        arguments,
        tuple(facts),
        depends_on,
        None if unreadable is None else _unreadable(str(unreadable)),
        pretty(found) if found else None,
    )


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _unreadable(said: str) -> Unreadable:
    part, _, why = said.partition(": ")
    return Unreadable(CARDS[part], part, why) if part in CARDS else Unreadable("arguments", "", said)


def _short(value: Any) -> str:
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= ONE_LINE else pretty(value)


def _arguments(said: Any) -> tuple[tuple[str, str], ...]:
    if said in (None, [], {}):
        return ()
    if isinstance(said, dict):
        return tuple((str(name), _short(value)) for name, value in said.items())
    if isinstance(said, list):
        return tuple((str(place), _short(value)) for place, value in enumerate(said))
    return (("…", str(said)),)


def _texts(said: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in said[:MOST_LINKED]) if isinstance(said, list) else ()
