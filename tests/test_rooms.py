"""Data flows to the right, imports point left."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "core": {"core"},
    "services": {"core", "services"},
    "panels": {"core", "services", "panels"},
    "routes": {"core", "services", "panels", "routes"},
}
SOURCES = [path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py")]


@cache
def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_rooms_to_its_left(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    ours = imported(path) & {*MAY_IMPORT, "app"}
    assert ours <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[-2] in ("services", "panels")], ids=lambda p: p.name)
def test_services_and_panels_know_no_http(path: Path) -> None:
    assert not imported(path) & {"flask", "werkzeug", "gunicorn"}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[-2] in ("panels", "routes")], ids=lambda p: p.name)
def test_panels_and_routes_know_no_redis(path: Path) -> None:
    assert "redis" not in imported(path)
