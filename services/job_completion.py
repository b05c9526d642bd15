"""What may come next in a search for jobs: keys, and behind a key's colon values that jobs have had lately."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.site import Site
from services import job_query, jobs_service, queue_figures
from services.job_query import KEYS
from services.job_rules import ALL_STATES, STATUSES
from services.queue_figures import Field

MOST = 12
MOST_AGENTS = 200
SPANS = ("1h", "24h", "7d", "30d")
LENGTHS = (">1s", ">10s", ">1min", ">10min", "<1s")
NAMED: dict[str, Field] = {
    "queue": "queue", "function": "function", "error": "error", "worker": "worker", "tag": "tag",
}  # fmt: skip
OFFERED = tuple(key for key in KEYS if key != "state")
"""Keys that are offered before a letter of one is typed."""

_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^\s"])+', re.DOTALL)
_LAST_VALUE = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^\s,"])*\Z', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Option:
    """`text` stands in the search then; `label` is what the list shows, `says` what it means."""

    text: str
    label: str
    says: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """Characters from `begin` to `end` are those that an option takes the place of."""

    begin: int
    end: int
    options: tuple[Option, ...] = ()


def of(site: Site, text: str, at: int) -> Completion:
    """What may stand where somebody types, behind `at` characters of a text. Raises redis.RedisError."""
    begin, typed = _word_at(text, at)
    head, colon, said = typed.partition(":")
    key = job_query.canonical(head) if colon else None
    if key is None:
        is_key = not colon and head.replace("_", "").isalpha()
        return Completion(begin, at, tuple(_keys(head)) if is_key or not typed else ())
    last = _LAST_VALUE.search(said)
    value = last[0] if last else ""
    start = value.removeprefix('"').replace('\\"', '"').replace("\\\\", "\\")
    options = (Option(f"{job_query.quoted(each)} ", each) for each in _values(site, key, start))
    return Completion(at - len(value), at, tuple(options)[:MOST])


def _word_at(text: str, at: int) -> tuple[int, str]:
    """Where the word that ends at a place begins, and the word; an empty one where none does."""
    for word in _WORD.finditer(text[:at]):
        if word.end() == at:
            return word.start(), word[0]
    return at, ""


def _keys(start: str) -> Iterable[Option]:
    found = [key for key in (KEYS if start else OFFERED) if key.startswith(start.lower())]
    return (Option(f"{key}:", f"{key}:", KEYS[key]) for key in found)


def _values(site: Site, key: str, start: str) -> Iterable[str]:
    folded = start.casefold()
    if key in NAMED:
        return queue_figures.named(site, NAMED[key], start, MOST)
    if key == "agent":
        every: Iterable[str] = (each.agent for each in jobs_service.agents(site, MOST_AGENTS))
    else:
        fixed = {
            "status": dict.fromkeys((*STATUSES, *ALL_STATES)),
            "state": ALL_STATES,
            "after": SPANS,
            "before": SPANS,
            "took": LENGTHS,
        }
        every = fixed.get(key, ())
    return (each for each in every if each.casefold().startswith(folded))
