"""What somebody types to search the archive by, and the same for each database: no text is an error.

Words have all to be there, in any order and any of the fields; the last one, and `word*`, may go on; "these words" stand side
by side; `-word` and `-"these words"` may not be there. A word is letters and digits: what stands between them parts words, so
`worker.py` is sought as "worker py".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MOST_TEXT = 200
MOST_TERMS = 20
LEAST_PREFIX = 3
"""Letters that the last word needs to stand for longer ones too: with fewer it would mean nearly everything."""
_PART = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Term:
    """Words side by side, in small letters; the last one may go on where it is a `prefix`."""

    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Sought:
    """Terms that all have to be there, and those none of which may be."""

    wanted: tuple[Term, ...] = ()
    excluded: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wanted or self.excluded)


def read(text: str) -> Sought:
    """What `text` asks for; nothing where it holds no word."""
    wanted, excluded, last = list[Term](), list[Term](), None
    for minus, quoted, plain in _PART.findall(text[:MOST_TEXT]):
        words = words_of(quoted or plain)
        if not words or len(wanted) + len(excluded) == MOST_TERMS:
            continue
        term = Term(words, prefix=plain.endswith("*"))
        (excluded if minus else wanted).append(term)
        last = None if minus or quoted else term
    if last and len(last.words[-1]) >= LEAST_PREFIX:
        wanted[-1] = Term(last.words, prefix=True)
    return Sought(tuple(wanted), tuple(excluded))


def words_of(text: str) -> tuple[str, ...]:
    return tuple("".join(char if _is_of_word(char) else " " for char in text).lower().split())


def tsquery(sought: Sought) -> str:
    """As PostgreSQL's tsquery, for a tsvector of the configuration `simple`."""
    wanted = [_tsquery(term) for term in sought.wanted]
    return " & ".join(wanted + [f"!({_tsquery(term)})" for term in sought.excluded])


def fts5(terms: Iterable[Term], between: str = "AND") -> str:
    """Terms as a query of SQLite's FTS5."""
    return f" {between} ".join(_fts5(term) for term in terms)


def pattern(sought: Sought) -> re.Pattern[str] | None:
    """What finds in a text the words that are wanted; None where none is."""
    if not sought.wanted:
        return None
    found = (
        r"[\W_]+".join(map(re.escape, term.words)) + (r"[^\W_]*" if term.prefix else r"(?![^\W_])")
        for term in sought.wanted
    )
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(found)})", re.IGNORECASE)


def _is_of_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _tsquery(term: Term) -> str:
    # Words are letters, digits and marks alone, so none holds a quote or a backslash.
    words = [f"'{word}'" for word in term.words]
    return f"({' <-> '.join(words)}{':*' if term.prefix else ''})"


def _fts5(term: Term) -> str:
    return f'"{" ".join(term.words)}"{" *" if term.prefix else ""}'
