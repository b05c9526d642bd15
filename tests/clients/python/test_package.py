"""The package is built, installed and used as a user would, and needs nothing besides Python."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.clients.python.conftest import SOURCE, Site
from tests.serving import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    built = subprocess.run([*command, "-w", str(folder), str(ROOT / "clients/python")], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_the_package_its_types_and_no_dependency(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    sources = {path.relative_to(SOURCE).as_posix() for path in (SOURCE / "headway").glob("*.py")}
    assert sources | {"headway/py.typed"} == {name for name in names if name.startswith("headway/")}
    assert "Requires-Dist" not in about
    assert "Requires-Python: >=3.9" in about
    assert "# Headway for Python" in about


def test_the_installed_command_reports(wheel: Path, headway_site: Site, agent: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(place)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    env = headway_site.environment() | {"PYTHONPATH": str(place)}
    ran = subprocess.run(
        [str(place / "bin" / "headway"), "run", "--agent", agent, "--", "echo", "hello"],
        env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "hello\n", "")
    assert headway_site.only(agent)["message"] == "hello"


def test_it_imports_the_standard_library_and_itself_alone() -> None:
    found = set[str]()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    assert found <= {*sys.stdlib_module_names, "headway"}
