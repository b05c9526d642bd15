"""What the documents hold: fenced blocks that are to be run, the answers they promise, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.settings import VARIABLES
from panels import PANELS
from tests.serving import ROOT

DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"<!-- (run|answers|file)(?:: (\S+))? -->\n```(\w+)\n(.*?)```", re.S)


@dataclass(frozen=True)
class Block:
    """A marked block: `run` (with the HTTP status it fails with, if so), `answers` or `file` (with its path)."""

    kind: str
    detail: str | None
    language: str
    text: str


def blocks(document: Path) -> list[Block]:
    return [
        Block(kind, detail or None, language, text)
        for kind, detail, language, text in _BLOCK.findall(document.read_text())
    ]


def files(document: Path) -> dict[str, str]:
    """The files that a document shows whole, by their paths."""
    return {block.detail: block.text for block in blocks(document) if block.kind == "file" and block.detail}


def configurations(document: Path) -> list[str]:
    """The pieces of headway.toml that a document shows."""
    return re.findall(r"^```toml\n(.*?)^```", document.read_text(), re.S | re.M)


def settings_table() -> str:
    """The README's table of settings, as it has to be."""
    rows = [
        f"| `{one.name}` | {f'`{one.default}`' if one.default else 'unset'} | {one.meaning.removesuffix('.')} |"
        for one in VARIABLES
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def panels_table(page: str) -> str:
    """A page's table of panels, as it has to stand in the README (`observability`) and in docs/charts.md (`charts`)."""
    shown = [panel for panel in PANELS.values() if panel.stands_on(page)]
    rows = [f"| {panel.title} | `{panel.name}` | {panel.every} s |" for panel in shown]
    return "\n".join(["| panel | name | every |", "|---|---|---|", *rows])


def same_shape(said: Any, found: Any, at: str = "") -> str | None:
    """Where an answer differs from the documented one, by its fields and their types; None where it does not."""
    if isinstance(said, dict) and isinstance(found, dict):
        if said.keys() != found.keys():
            return f"{at or 'the answer'}: {sorted(said.keys() ^ found.keys())} differ"
        return next((fault for key in said if (fault := same_shape(said[key], found[key], f"{at}.{key}"))), None)
    if isinstance(said, list) and isinstance(found, list):
        return (
            f"{at}: empty or not" if bool(said) != bool(found) else same_shape(said[0], found[0], at) if said else None
        )
    if isinstance(said, str) and isinstance(found, str) and re.match(r"\d{4}-\d\d-\d\dT", said):
        return (
            None
            if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found)
            else f"{at}: {found!r} is no such time"
        )
    return None if said == found else f"{at}: {said!r} is said, {found!r} was answered"
