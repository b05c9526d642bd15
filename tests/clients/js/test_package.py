"""The JavaScript client as a package: its types, what it exports, what it is made of."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.js.conftest import HERE, faults_of_types
from tests.node import PACKAGES
from tests.serving import ROOT

CLIENT = ROOT / "clients" / "js"


@pytest.mark.parametrize(("module", "resolution"), [("nodenext", "nodenext"), ("esnext", "bundler")])
def test_a_program_in_strict_typescript_is_checked_against_the_types(
    tmp_path: Path, module: str, resolution: str
) -> None:
    source = (HERE / "consumer.tsx").read_text()
    assert faults_of_types(tmp_path, {"consumer.tsx": source}, module, resolution) == ""


def test_all_that_the_types_name_is_there_and_no_more() -> None:
    for entry in ("index", "react"):
        types = (CLIENT / f"{entry}.d.ts").read_text()
        named = {
            line.split("(")[0].split("<")[0].split()[2]
            for line in types.splitlines()
            if line.startswith(("export function", "export class"))
        }
        name = "headway-client" if entry == "index" else "headway-client/react"
        asked = f"console.log(Object.keys(await import({name!r})).join())"
        said = subprocess.run(
            ["node", "--import", "./resolve.mjs", "--input-type=module", "--eval", asked],
            cwd=PACKAGES, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert set(said.stdout.strip().split(",")) == named


def test_the_package_holds_its_modules_types_and_readme_and_nothing_else() -> None:
    packed = subprocess.run(
        ["npm", "pack", "--dry-run", "--json"], cwd=CLIENT, capture_output=True, text=True, timeout=60, check=True
    )
    told = json.loads(packed.stdout)
    files = {one["path"] for one in (told[0] if isinstance(told, list) else next(iter(told.values())))["files"]}
    assert files == {path.name for path in CLIENT.iterdir()}
    assert {"index.js", "index.d.ts", "react.js", "react.d.ts", "README.md"} <= files
