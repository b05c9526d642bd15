"""A board with one panel on it, at a moment of the test's choice, and its partial as words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from flask import Flask

from core.site import Site
from panels import PANELS, Board, Panel, Shown
from panels._directions import written

NOON = 1_795_262_400.0
"""21 November 2026, 12:00 UTC."""
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe\u202c </script><svg onload=alert(2)>"


class Parts(HTMLParser):
    """The elements of a partial, the names of all its attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def at_noon(site: Site) -> Site:
    return replace(site, clock=lambda: NOON)


def show(app: Flask, site: Site, name: str, data: Callable[[Site], Any] | None = None) -> Shown:
    """What a panel shows; `data` takes the place of its reading."""
    panel: Panel = PANELS[name] if data is None else replace(PANELS[name], data=data, windowed=False)
    board = Board(site, app.jinja_env, {name: panel})
    board.raises = True
    return board.poll(name)


def words(shown: Shown) -> str:
    return Parts(shown.html.decode()).text


def assert_harmless(shown: Shown, *texts: str) -> None:
    """Hostile text stands there as text: it made no element and no attribute that acts, and it is set apart."""
    html = shown.html.decode()
    parts = Parts(html)
    assert not {"img", "script", "iframe"} & set(parts.tags)
    assert not [name for name, _ in parts.attributes if name.startswith("on") or name == "style"]
    for text in texts:
        assert Parts(written(text)).text in parts.text
    assert "bdi" in parts.tags
