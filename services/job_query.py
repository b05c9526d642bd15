"""What somebody types to find jobs, `status:failed queue:mail took:>30s timeout -retry`, as conditions and back again.

`key:value` narrows to jobs that have it; of several values (`queue:mail,web`, or the key twice) any will do, of several keys all.
A value with a blank or a comma stands in quotes, in which a backslash takes the next character as it is. Whatever names no key is
text, as `services.archive_words` reads it; so is all in quotes that no key stands before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from math import prod
from typing import Any, TypeVar

from services import archive_words
from services.brokers.model import STATUS_OF
from services.job_query_values import ValueFault, bounds, bounds_written, moment_ms, state, status, word
from services.job_rules import STATUSES, UNCOUNTED, Status

T = TypeVar("T")

MOST_QUERY = 400
"""Characters: with every one written as in an address, it still fits into a request's first line."""
MOST_VALUES = 12
"""Of one key. The archive looks for each combination of values by itself."""
MOST_WAYS = 24
"""Such combinations."""

KEYS: Mapping[str, str] = {
    "status": "queued, processing, completed, failed, or a state of RQ or Celery: scheduled, retrying, canceled …",
    "queue": "the queue's name",
    "function": "what runs: the function or task",
    "error": "the type of the error, such as TimeoutError",
    "agent": "who reports it, or the broker",
    "worker": "the worker that has or had it",
    "tag": "a tag",
    "id": "a number (#17) or an id",
    "stage": "the stage in which it failed",
    "state": "exactly a state of RQ or Celery: queued leaves out scheduled and deferred jobs",
    "after": "ended since: 2h, 7d, 2026-11-21, 2026-11-21T10:00Z",
    "before": "ended before: 2h, 7d, 2026-11-21, 2026-11-21T10:00Z",
    "took": "how long it ran: >30s, <2min, 1s..5s",
}
"""Each key, in the order in which it is written, and what stands behind it."""
NAMED = ("id", "queue", "function", "error", "agent", "worker", "tag", "stage")
"""Keys whose values are names as jobs have them."""
ALIASES: Mapping[str, str] = {
    **{f"{key}s": key for key in (*NAMED, "state")}, "statuses": "status", "is": "status", "func": "function",
    "task": "function", "type": "error", "job": "id", "since": "after", "until": "before", "duration": "took",
}  # fmt: skip

READERS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(NAMED, word),
    "status": status,
    "state": state,
    "after": lambda value: moment_ms(value, 0),
    "before": lambda value: moment_ms(value, 0),
    "took": bounds,
}
"""What reads a value of each key. Each is read as it is come to, so that the first fault of a text is the one that is told."""

_BLANKS = re.compile(r"\s*")
_KEY = re.compile(r"(-?)([A-Za-z][A-Za-z_]*):")
_TEXT = re.compile(r'-?(?:"[^"]*"?|[^\s"]+)')
_PLAIN = re.compile(r'[^\s,"][^\s,]*')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class QueryFault(ValueError):
    """What is typed can't be read. The text says what to write instead; `at` and `length` are where, in characters. `meant` is what
    was probably meant there, empty where nobody knows; the text then `asks` for it."""

    def __init__(self, words: str, at: int, length: int, meant: str = "") -> None:
        super().__init__(words)
        self.at, self.length, self.meant = at, length, meant

    @property
    def asks(self) -> str:
        return _asks(self.meant)


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs are meant; what is empty narrows nothing. `after` and `before` are as they were written, and mean when a job ended;
    `least_ms` and `most_ms` bound how long it ran. Written out (`str`), it reads as the same query."""

    id: tuple[str, ...] = ()
    status: tuple[Status, ...] = ()
    """`failed` leaves out what was ended on purpose: `job_rules.UNCOUNTED`."""
    state: tuple[str, ...] = ()
    """Engine states, of `job_rules.ALL_STATES`."""
    queue: tuple[str, ...] = ()
    function: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    after: str | None = None
    before: str | None = None
    least_ms: int | None = None
    most_ms: int | None = None
    text: str = ""

    def __str__(self) -> str:
        said = {key: ",".join(map(quoted, self.values(key))) for key in KEYS}
        return " ".join(
            [*(f"{key}:{values}" for key, values in said.items() if values), *([self.text] * bool(self.text))]
        )

    def __bool__(self) -> bool:
        return self != JobQuery()

    def values(self, key: str) -> tuple[str, ...]:
        """The values of a key as they are written, without quotes."""
        if key == "took":
            return bounds_written(self.least_ms, self.most_ms)
        found: Any = getattr(self, key)
        return found if isinstance(found, tuple) else (found,) if found else ()

    def without(self, key: str, value: str | None = None) -> JobQuery:
        """The same without a key or one of its values, or without its `text`."""
        if key == "took":
            return replace(self, least_ms=None, most_ms=None)
        held = getattr(self, key)
        left: Any = tuple(each for each in held if each != value) if value and isinstance(held, tuple) else _EMPTY[key]
        changes: dict[str, Any] = {key: left}
        return replace(self, **changes)

    @property
    def is_of_ends(self) -> bool:
        """Whether it asks for what only ended jobs have, or what only the archive finds them by."""
        bounded = self.after or self.before or self.least_ms is not None or self.most_ms is not None
        return bool(bounded or self.stage or archive_words.read(self.text))


_EMPTY = {each.name: each.default for each in fields(JobQuery)}


def parse(text: str) -> JobQuery:
    """The query of a text. Raises QueryFault."""
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    if len(text) > MOST_QUERY:
        raise QueryFault(f"The search is {len(text)} characters long; {MOST_QUERY} is the most.", MOST_QUERY, 1)
    return _Reader(text).read()


def quoted(value: str) -> str:
    """A value as it is written behind a key."""
    if _PLAIN.fullmatch(value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def canonical(key: str) -> str | None:
    """The key that a word stands for, None where it is none."""
    key = key.lower()
    return key if key in KEYS else ALIASES.get(key)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.found: dict[str, list[tuple[str, int]]] = {}
        self.words: list[str] = []

    def read(self) -> JobQuery:
        while self._skip() < len(self.text):
            key = _KEY.match(self.text, self.at)
            if key:
                self._values(key)
            elif term := _TEXT.match(self.text, self.at):
                self.words.append(term[0])
                self.at = term.end()
        return self._query()

    def _skip(self) -> int:
        blanks = _BLANKS.match(self.text, self.at)
        self.at = blanks.end() if blanks else self.at
        return self.at

    def _values(self, said: re.Match[str]) -> None:
        key = canonical(said[2])
        if key is None:
            raise _unknown(said)
        if said[1]:
            words = f"{said[2]} can’t be excluded: name the values that you want instead, as in {key}:one,two."
            raise QueryFault(words, said.start(), said.end() - said.start())
        self.at = said.end()
        while True:
            self._value(key, said)
            if not self.text.startswith(",", self.at):
                return
            self.at += 1

    def _value(self, key: str, said: re.Match[str]) -> None:
        begin = self.at
        if self.text.startswith('"', begin):
            value = _QUOTED.match(self.text, begin)
            if not value:
                raise QueryFault(f"{key}: the quotes do not end: add a second one.", begin, len(self.text) - begin)
            plain = _ESCAPED.sub(r"\1", value[1])
        else:
            value = _PLAIN.match(self.text, begin)
            plain = value[0] if value else ""
        if not value or not plain.strip():
            words = (
                f"{said[2]}: write a value right behind the {'comma' if begin > said.end() else 'colon'}: {KEYS[key]}."
            )
            raise QueryFault(words, said.start(), max(begin - said.start(), 1))
        self.at = value.end()
        if self.at < len(self.text) and self.text[self.at] not in ", \t\n\r" and not self.text[self.at].isspace():
            raise QueryFault(f"{key}: put a blank behind the quotes.", self.at, 1)
        try:
            READERS[key](plain)
        except ValueFault as fault:
            raise QueryFault(f"{key}: {fault}", begin, max(len(plain), 1)) from fault
        values = self.found.setdefault(key, [])
        if plain not in [each for each, _ in values]:
            values.append((plain, begin))
        if len(values) > MOST_VALUES:
            raise QueryFault(f"{key}: {MOST_VALUES} values are the most.", begin, self.at - begin)

    def _query(self) -> JobQuery:
        least, most = self._bounds()
        statuses, states = self._statuses()
        text = " ".join(self.words)
        self._limit(text)
        return JobQuery(
            status=statuses,
            state=states,
            after=self._moment("after"),
            before=self._moment("before"),
            least_ms=least,
            most_ms=most,
            text=text,
            **{key: self._all(key, word) for key in NAMED},
        )

    def _limit(self, text: str) -> None:
        ways = prod(len(values) for values in self.found.values())
        if ways > MOST_WAYS:
            words = f"These values make {ways} combinations; {MOST_WAYS} are the most: leave some out."
            raise QueryFault(words, 0, len(self.text))
        if len(text) > archive_words.MOST_TEXT or len(self.words) > archive_words.MOST_TERMS:
            words = f"{archive_words.MOST_TEXT} characters and {archive_words.MOST_TERMS} words"
            raise QueryFault(f"Of text, {words} are the most: leave some out.", 0, len(self.text))

    def _statuses(self) -> tuple[tuple[Status, ...], tuple[str, ...]]:
        said = self._all("status", status)
        statuses = tuple(each for each in STATUSES if each in said)
        covered = [state for state, of in STATUS_OF.items() if of in statuses and state not in UNCOUNTED]
        states = [each for each in said if each not in (*statuses, *covered)]
        if statuses and states:
            _, at = self.found["status"][0]
            words = f"status: {statuses[0]} stands for several states. Beside {states[0]} name states alone: state:{','.join(said)}."
            raise QueryFault(words, at, 1)
        return statuses, tuple(dict.fromkeys((*states, *self._all("state", state))))

    def _bounds(self) -> tuple[int | None, int | None]:
        found = [bounds(value) for value, _ in self.found.get("took", ())]
        least = max((least for least, _ in found if least is not None), default=None)
        most = min((most for _, most in found if most is not None), default=None)
        if least is not None and most is not None and least > most:
            raise QueryFault("took: the least is longer than the most, so no job fits.", self.found["took"][0][1], 1)
        return least, most

    def _moment(self, key: str) -> str | None:
        said = [value for value, _ in self.found.get(key, ())]
        if len(said) > 1:
            raise QueryFault(f"{key}: write one time.", self.found[key][1][1], len(said[1]))
        return said[0] if said else None

    def _all(self, key: str, read: Callable[[str], T]) -> tuple[T, ...]:
        return tuple(dict.fromkeys(read(value) for value, _ in self.found.get(key, ())))


def _unknown(said: re.Match[str]) -> QueryFault:
    near = get_close_matches(said[2].lower(), [*KEYS, *ALIASES], 1)
    meant = f"{said[1]}{near[0]}:" if near else ""
    asks = f"{_asks(meant)} " if meant else ""
    words = f"There is no key {said[2]}:. {asks}Keys are {', '.join(KEYS)}. To look for it as text, put it in quotes."
    return QueryFault(words, said.start(), said.end() - said.start(), meant)


def _asks(meant: str) -> str:
    return f"Did you mean {meant}?"
