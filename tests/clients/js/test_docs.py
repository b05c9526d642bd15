"""What docs/clients-js.md shows works as it stands there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import docs
from tests.clients.js.conftest import create, faults_of_types, heard_from, report
from tests.conftest import TOKEN
from tests.node import Node
from tests.serving import ROOT, Server

FILES = docs.files(ROOT / "docs" / "clients-js.md")
Run = Callable[..., Node]


@pytest.fixture
def run(node: Callable[..., Node], headway: Server, tmp_path: Path) -> Run:
    """Runs a documented file: `run("worker.mjs", *arguments)`."""

    def begin(name: str, *arguments: object) -> Node:
        (tmp_path / name).write_text(FILES[name])
        env = {"HEADWAY_URL": headway.url, "HEADWAY_READ_TOKEN": TOKEN, "HEADWAY_INGEST_TOKEN": TOKEN}
        return node(tmp_path / name, *arguments, env=env)

    return begin


def test_the_files_for_next_js_are_sound_in_strict_typescript(tmp_path: Path) -> None:
    of_next = {name: text for name, text in FILES.items() if name.startswith("app/")}
    assert len(of_next) == 3
    assert faults_of_types(tmp_path, of_next) == ""


def test_the_worker_reports_its_job_to_the_end(run: Run, headway: Server) -> None:
    assert run("worker.mjs").finish() == []
    job = headway.get("/api/v1/queue?agent=node&limit=1").json()["items"][0]
    assert (job["title"], job["status"], job["result"]) == ("Squares", "completed", {"sum": 385})


def test_the_watcher_follows_one_job_and_ends_with_it(run: Run, headway: Server) -> None:
    number = create(headway)
    watcher = run("watch.mjs", number)
    assert watcher.line().split() == ["queued", "0"]
    report(headway, number, current_step="encode", progress=40)
    report(headway, number, status="failed", error="no such file")
    assert watcher.line().split() == ["processing", "40", "encode"]
    assert watcher.line() == "failed 40 encode no such file"
    assert watcher.finish() == []


def test_the_watcher_of_a_job_that_does_not_exist_says_so_and_ends(run: Run) -> None:
    watcher = run("watch.mjs", 999_999)
    assert watcher.finish() == []
    assert "999999" in watcher.errors()


def test_the_monitor_of_figures_prints_them_and_what_is_notified_and_ends(run: Run, headway: Server) -> None:
    assert headway.put("/api/v1/tiles/users", json={"value": 7}).status == 200
    printer = run("stats.mjs", 3)
    assert printer.line() == "figures null 7"
    assert headway.post("/api/v1/notifications", json={"title": "All in", "level": "success"}).status == 202
    assert printer.line() == "notification success All in"
    headway.post("/api/v1/logs", json={"message": "done", "source": "shop"})
    assert "log shop info done" in [printer.line(), *printer.finish()]


def test_the_listener_hears_of_its_agent_and_ends(run: Run, headway: Server) -> None:
    listener = run("agent.mjs")
    heard_from(listener, lambda: report(headway, create(headway, agent="studio"), progress=5))
    number = create(headway, agent="studio", id="last")
    report(headway, number, status="completed")
    said = listener.finish()
    assert said[-2:] == ["last completed 100", "last completed"]
