"""docs/tiles.md names what there is: the fields of a tile, the kinds of sources, their fields, the commands of Redis."""

from __future__ import annotations

import re
from typing import get_args, get_type_hints

import msgspec
import pytest

from core.config import Tile, sources
from core.config.checks import MOST_TILES
from services import tiles_service
from tests.serving import ROOT

TEXT = (ROOT / "docs" / "tiles.md").read_text()


def section(heading: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", TEXT, re.S | re.M)
    assert found, f"docs/tiles.md has no section {heading}"
    return found[1]


def rows(text: str) -> set[str]:
    """The names in the first columns of its tables."""
    return {name for line in re.findall(r"^\| (`[^|]*) \|", text, re.M) for name in re.findall(r"`([a-z_0-9]+)`", line)}


def test_each_field_of_a_tile_is_told_with_its_default() -> None:
    text = section("Declare one")
    assert rows(text) == {info.encode_name for info in msgspec.structs.fields(Tile)}
    for name in ("every", "timeout", "better", "format"):
        default = next(info.default for info in msgspec.structs.fields(Tile) if info.name == name)
        assert re.search(rf'^\| `{name}` \| `"{default}"` \|', text, re.M), name


@pytest.mark.parametrize("kind", get_args(sources.Source), ids=lambda kind: kind.__struct_config__.tag)
def test_each_kind_of_source_has_its_section_with_its_fields(kind: type[msgspec.Struct]) -> None:
    text = section(f"`{kind.__struct_config__.tag}`")
    assert f'kind = "{kind.__struct_config__.tag}"' in text
    names = {info.encode_name for info in msgspec.structs.fields(kind)}
    assert rows(text) == names or kind in (sources.Push, sources.Jobs)


def test_each_figure_of_jobs_and_each_command_of_redis_is_named() -> None:
    figures = get_args(get_type_hints(sources.Jobs)["figure"])
    assert rows(section("`jobs`")) - {"figure"} == set(figures)
    assert set(re.findall(r"`([A-Z]{3,})`", section("`redis`"))) == set(sources.READING_COMMANDS)


def test_its_limits_are_those_that_hold() -> None:
    assert f"There may be {MOST_TILES} declared tiles" in TEXT
    assert f"up to {tiles_service.MOST_UNDECLARED} of them" in TEXT
