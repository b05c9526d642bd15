from __future__ import annotations

import sys
from pathlib import Path

import pytest

from panels import PANELS, Panel, PanelError, discover

ROOT = Path(__file__).parents[2]
FIXED = {"stats": 5, "redis-latency": 5, "cache-hit-rate": 5, "metrics": 10, "recent-uploads": 10}

GOOD = (
    'from panels import Panel\nPANEL = Panel("{name}", title="One", every=5, data=lambda site: None, order={order})\n'
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Writes modules of a package `sample_panels` and discovers it."""
    folder = tmp_path / "sample_panels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def found(**modules: str) -> dict[str, Panel]:
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        return discover("sample_panels", [str(folder)])

    yield found
    for name in [name for name in sys.modules if name.startswith("sample_panels")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_has_a_module_a_template_and_a_test_of_its_name(name: str) -> None:
    module = name.replace("-", "_")
    assert (ROOT / "panels" / f"{module}.py").is_file()
    assert (ROOT / "templates" / PANELS[name].template).is_file()
    assert (ROOT / "tests" / "panels" / f"test_{module}.py").is_file()


def test_the_panels_that_others_rely_on_keep_their_names_and_intervals() -> None:
    assert {name: PANELS[name].every for name in FIXED} == FIXED


def test_the_charts_are_a_line_and_a_doughnut() -> None:
    assert (PANELS["redis-latency"].chart, PANELS["cache-hit-rate"].chart) == ("line", "doughnut")


def test_panels_stand_in_the_order_that_they_declare(package) -> None:  # type: ignore[no-untyped-def]
    found = package(a=GOOD.format(name="late", order=9), b=GOOD.format(name="early", order=1))
    assert list(found) == ["early", "late"]


def test_two_panels_of_one_name_are_refused_and_both_modules_named(package) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PanelError, match=r"one and two both declare the panel 'twin'"):
        package(one=GOOD.format(name="twin", order=1), two=GOOD.format(name="twin", order=2))


def test_a_panel_file_without_a_declaration_is_refused(package) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PanelError, match=r"sample_panels/bare.py declares no PANEL"):
        package(bare="x = 1\n")


def test_a_module_with_a_leading_underscore_is_no_panel(package) -> None:  # type: ignore[no-untyped-def]
    assert package(_inner="x = 1\n") == {}


@pytest.mark.parametrize("name", ["", "Big", "a b", "stats-html", "a/b", "1st"])
def test_a_name_that_makes_no_good_address_is_refused(name: str) -> None:
    with pytest.raises(PanelError):
        Panel(name, title="x", every=5, data=lambda site: None)
