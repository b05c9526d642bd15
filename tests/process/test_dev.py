"""`make dev`: the program restarts on its changes, open pages hear of templates and assets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import ROOT, Server

NOT_THE_PROGRAM = shutil.ignore_patterns(".*", "data", "tests", "bench", "docs", "demo", "__pycache__", "node_modules")


@pytest.fixture(scope="module")
def developed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A site that runs from a copy of the program, which a test may change, and has to leave running."""
    one = Server(free_port(), TOKEN, {"HEADWAY_DEV": "on"})
    one.root = Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("dev") / "headway", ignore=NOT_THE_PROGRAM))
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


def write(path: Path, text: str) -> None:
    """Later than it and any other file was written before, on file systems that keep whole seconds too."""
    before = path.stat().st_mtime
    path.write_text(text)
    later = max(before, path.stat().st_mtime) + 2
    os.utime(path, (later, later))


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    write(path, text.replace(before, after))


def says(one: Server, path: str, text: str) -> Callable[[], bool]:
    def holds() -> bool:
        try:
            return text in one.get(path).text
        except OSError:
            return False

    return holds


def test_a_change_of_python_restarts_the_program_and_keeps_port_and_store(developed: Server):
    store = developed.store_pid()
    assert developed.post("/api/v1/queue", json={"id": "kept"}).status == 201
    version = developed.get("/dev/version").text
    change(developed.root / "routes" / "health.py", 'status="ok"', 'status="changed"')
    wait_until(says(developed, "/healthz", "changed"), what="the changed program")
    assert developed.store_pid() == store
    assert developed.get("/api/v1/queue/kept").status == 200
    assert developed.get("/dev/version").text != version


def test_a_change_of_what_the_master_has_read_too_is_seen(developed: Server):
    # routes/health.py shows it, core/settings.py was imported before the fork.
    change(
        developed.root / "core" / "settings.py", "class SettingError(", "PROOF = 'read again'\n\n\nclass SettingError("
    )
    change(
        developed.root / "routes" / "health.py",
        "jsonify(status=",
        'jsonify(proof=__import__("core.settings").settings.PROOF, status=',
    )
    wait_until(says(developed, "/healthz", "read again"), what="the changed module")


@pytest.mark.parametrize("fault", ["a name that is not defined", "def half(:"])
def test_a_program_that_does_not_load_says_so_and_comes_back_when_mended(developed: Server, fault: str):
    health = developed.root / "routes" / "health.py"
    good, said = health.read_text(), developed.get("/healthz").text
    change(health, "bp = ", f"{fault.replace(' ', '_') if 'name' in fault else fault}\nbp = ")
    wait_until(says(developed, "/healthz", "Error"), what="the error in the page")
    write(health, good)
    wait_until(says(developed, "/healthz", said), what="the mended program")
    assert developed.process is not None
    assert developed.process.poll() is None


@pytest.mark.parametrize("changed", ["templates/base.html", "static/dev.js"])
def test_an_open_page_hears_of_a_change_without_a_restart(developed: Server, changed: str):
    version, workers = developed.get("/dev/version").text, developed.worker_pids()
    path = developed.root / changed
    path.write_text(path.read_text() + "<!-- another look -->")
    wait_until(lambda: developed.get("/dev/version").text != version, what="another version")
    assert developed.worker_pids() == workers


def test_a_changed_template_shows_at_the_next_look(developed: Server):
    base = developed.root / "templates" / "base.html"
    assert "quite another look" not in developed.get("/login").text
    base.write_text(base.read_text() + "<!-- quite another look -->")
    wait_until(says(developed, "/login", "quite another look"), what="the changed template")


def test_without_dev_nobody_can_ask_for_the_version(server):
    one: Server = server()
    assert one.get("/dev/version").status == 404
