"""Characters that turn the direction of a text unseen, so that words read as others than they are: shown by what they are, wherever a
template writes a text out. Languages that are written from right to left need none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup, escape

_TURNS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TAG = re.compile(r"<(/?[a-zA-Z][\w-]*)")
_IN_TAG = re.compile(r'([\w:-]+)="|>')
READ_OUT = {"title", "aria-label", "aria-description", "alt", "placeholder", "data-series", "data-unit", "data-says"}
"""Attributes that a reader sees or hears; what stands in others goes to a script or comes back with a form, as it was."""
TEXT_ALONE = {"title", "option", "text", "tspan"}
"""Elements in which no other can stand."""
AS_IT_IS = {"textarea", "script", "style"}


def written(text: Any) -> Markup:
    """Text from outside in the order in which it is written: what turns directions stands as its code point instead."""
    safe = escape(text)
    # A <bdi> counts neither for the direction of the text around it nor in its order.
    mark = '<bdi class="code-point">U+{:04X}</bdi>'
    return Markup(_TURNS.sub(lambda found: mark.format(ord(found[0])), safe))  # noqa: S704  escaped above


def plain(text: Any) -> str:
    """The same where no element can stand, such as in a tooltip: U+FFFD for each."""
    return _TURNS.sub("\ufffd", str(text))


def seen(value: Any) -> Any:
    """As `written`, of a text that is not HTML already."""
    return written(value) if _turns(value) else value


def heard(value: Any) -> Any:
    """As `plain`, of a text that is not HTML already."""
    return plain(value) if _turns(value) else value


def _turns(value: Any) -> bool:
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return is_text and not value.isascii() and _TURNS.search(value) is not None


class Directions(Extension):
    """Puts each `{{ … }}` of a template through the filter `seen` or `heard`, by where it stands in the HTML."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        place, word = Place(), None
        for token in stream:
            if token.type == "data":
                place.read(token.value)
            if token.type == "variable_end" and word:
                yield from _tokens(token.lineno, ("rparen", ")"), ("pipe", "|"), ("name", word))
            yield token
            if token.type == "variable_begin":
                word = place.word
                if word:
                    yield Token(token.lineno, "lparen", "(")


def _tokens(line: int, *some: tuple[str, str]) -> Iterator[Token]:
    return (Token(line, kind, value) for kind, value in some)


class Place:
    """Where the HTML that was read so far ends: in an element's text, in its tag, in one of its attributes."""

    def __init__(self) -> None:
        self.element = ""
        self.is_in_tag = False
        self.attribute: str | None = None

    @property
    def word(self) -> str | None:
        """The filter of what is written here; None for what has to stay as it is."""
        if self.is_in_tag:
            return "heard" if self.attribute in READ_OUT else None
        if self.element in AS_IT_IS:
            return None
        return "heard" if self.element in TEXT_ALONE else "seen"

    def read(self, html: str) -> None:
        at = 0
        while at < len(html):
            if self.attribute is not None:
                end = html.find('"', at)
                at = len(html) if end < 0 else end + 1
                self.attribute = self.attribute if end < 0 else None
                continue
            found = (_IN_TAG if self.is_in_tag else _TAG).search(html, at)
            if found is None:
                return
            at = found.end()
            if self.is_in_tag:
                self.attribute = found[1]
                self.is_in_tag = found[1] is not None
            else:
                self.element, self.is_in_tag = found[1], True
