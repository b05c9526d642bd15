"""`make` in a fresh copy: what it sets up, when it does so again, and what it says where it can't."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import free_port, wait_until
from tests.serving import ROOT, Server, ask, bare_environment

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "data", "node_modules", "__pycache__")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("fresh") / "head way", ignore=LEFT_OUT))


def make(copy: Path, target: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target],
        cwd=copy,
        env=bare_environment() | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_make_run_in_a_fresh_copy_sets_up_and_serves_and_sets_up_only_once(copy: Path):
    for start in (1, 2):
        port = free_port()
        log = copy / f"log-{start}"
        with log.open("wb") as out:
            running = subprocess.Popen(
                ["make", "run"], cwd=copy, stdout=out, stderr=out, start_new_session=True,
                env=bare_environment() | {"PORT": str(port)},
            )  # fmt: skip
        try:
            wait_until(lambda log=log: "Booting worker" in log.read_text(), within=240, what="the first web process")
            wait_until(lambda port=port: Server(port, "", folder=copy).answers(), what="an answer")
            assert ask(port, "GET", "/readyz").status == 200
            assert ("Installing" in log.read_text()) is (start == 1)
            assert "/login" in log.read_text()
        finally:
            os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C does
            running.wait(60)
        assert "Shutting down" in log.read_text()
    assert (copy / "data" / "appendonlydir").is_dir()


def test_without_a_fitting_python_one_line_says_what_is_needed(copy: Path, tmp_path: Path):
    other = Path(shutil.copytree(copy, tmp_path / "copy", ignore=LEFT_OUT))
    ended = make(other, "run", PYTHON="/bin/false")
    assert ended.returncode != 0
    assert "PYTHON (/bin/false) is no Python 3.11 or newer" in ended.stderr
    assert not (other / ".venv").exists()


def test_make_alone_lists_what_there_is(copy: Path):
    said = make(copy, "help").stdout
    for target in ("run", "dev", "demo", "backup", "restore", "test", "bench", "lock", "screenshots", "clean"):
        assert f"make {target}" in said


def test_ci_runs_exactly_make_test():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[1:] == ["exec make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
