"""The documents tell the truth: what they say to run runs as written, and what they list is what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest
from msgspec import Meta

from core import event_log, hub
from core.config import parse
from core.outgoing import fetching
from core.settings import VARIABLES, read
from core.sockets import server as sockets
from routes import body, logs_api, queue_api
from services import (
    deployments_service,
    job_changes,
    job_rules,
    log_text,
    notifications_service,
    series_store,
    tiles_service,
    windows,
)
from services.upload_limits import LIMITS, size_words
from tests import docs
from tests.conftest import TOKEN, free_port
from tests.docs import DOCUMENTS, Block
from tests.serving import ROOT, Server, bare_environment

RUNNABLE = [path for path in DOCUMENTS if any(block.kind == "run" for block in docs.blocks(path))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def shell(block: Block, site: Server, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as written. curl is told, outside of the block, to fail on an error and to show its body."""
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\nmax-time = 30\n")
    path = f"{headway_command(folder)}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = bare_environment() | {"HEADWAY": site.url, "TOKEN": TOKEN, "CURL_HOME": str(folder), "PATH": path}
    env |= {"HEADWAY_URL": site.url, "HEADWAY_INGEST_TOKEN": TOKEN, "PYTHONPATH": str(ROOT / "clients/python/src")}
    command = ["python", "-c", block.text] if block.language == "python" else ["sh", "-e", "-c", block.text]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


def headway_command(folder: Path) -> Path:
    """A folder with the command `headway`, as an installed package has it."""
    command = folder / "bin" / "headway"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m headway "$@"\n')
    command.chmod(0o755)
    return command.parent


def readmes_jobs_are_on_the_page(site: Server) -> None:
    found = {job["id"]: job for job in site.get("/api/v1/queue").json()["items"]}
    assert (found["export-1"]["current_step"], found["export-1"]["progress"]) == ("upload", 40)
    assert (found["export-2"]["status"], found["export-2"]["current_step"]) == ("completed", "upload")
    assert (found["old-1"]["status"], found["old-2"]["status"]) == ("completed", "failed")
    assert "Nightly export" in site.get("/dashboard/jobs").text


def python_clients_jobs_are_on_the_page(site: Server) -> None:
    jobs = site.get("/api/v1/queue").json()["items"]
    found = {job["title"]: (job["agent"], job["status"], job["attempt"], job["message"]) for job in jobs}
    assert found == {
        "a.mp4": ("studio", "completed", 1, "12 of 20 parts"),
        "thumbnails": ("thumbs", "completed", 1, "3 of 3 pictures"),
        **{f"{one}.png": ("thumbs", "completed", 1, f"Scaling {one}.png to 320 pixels") for one in "abc"},
        "ada@example.org": ("mail", "completed", 1, None),
        "nobody": ("mail", "failed", 3, "ValueError: nobody is no address"),
        "grace@example.org": ("mail", "completed", 1, None),
        "orders.csv": ("shop", "completed", 1, None),
        "Nightly backup": ("ops", "completed", 1, "all packed"),
    }
    lines = site.get("/api/v1/logs?limit=100").json()["items"]
    assert {(line["source"], line["message"].partition("\n")[0]) for line in lines if line["job"]} == {
        ("python", "Reading orders.csv"), ("python", "Line 3 is left out"), ("sh", "packing"), ("sh", "all packed"),
    }  # fmt: skip
    tiles = {tile["id"]: tile["value"] for tile in site.get("/api/v1/tiles").json()["tiles"]}
    assert (tiles["users"], tiles["requests.total"], tiles["backups.total"]) == (1_204, 1, 1)
    told = {one["title"] for one in site.get("/api/v1/notifications").json()["items"]}
    assert told == {"The import is done", "Backup done"}


AFTERWARDS = {
    ROOT / "README.md": readmes_jobs_are_on_the_page,
    ROOT / "docs" / "clients-python.md": python_clients_jobs_are_on_the_page,
}
"""What has to hold of a site after a document's commands; here, since running them a second time takes seconds."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    """A site for the documents that promise nothing of what it holds."""
    site = Server(free_port(), TOKEN)
    try:
        yield site.start()
        site.kill()
    finally:
        site.close()


@pytest.mark.parametrize("document", RUNNABLE, ids=name)
def test_each_command_runs_as_written_answers_what_is_said_and_does_what_it_should(
    document: Path, server: Callable[..., Server], shared: Server, tmp_path: Path
) -> None:
    promises = document in AFTERWARDS or any(block.kind == "answers" for block in docs.blocks(document))
    site, last = server() if promises else shared, ""
    for block in docs.blocks(document):
        if block.kind == "run":
            ran = shell(block, site, tmp_path)
            assert (ran.returncode == 0) == (block.detail is None), f"{block.text}\n{ran.stdout}\n{ran.stderr}"
            assert "Headway" not in ran.stderr, "the Python client complains"
            if block.detail:
                assert json.loads(ran.stdout)["status"] == int(block.detail), ran.stdout
            last = ran.stdout
        elif block.kind == "answers":
            fault = docs.same_shape(json.loads(block.text), json.loads(last))
            assert fault is None, f"{name(document)}: {fault}\n{last}"
    if document in AFTERWARDS:
        AFTERWARDS[document](site)


def test_what_has_to_hold_afterwards_is_of_documents_that_run() -> None:
    assert AFTERWARDS.keys() <= set(RUNNABLE)


def test_python_needs_no_more_than_three_lines_to_report_a_job() -> None:
    (block,) = [block for block in docs.blocks(ROOT / "README.md") if block.language == "python"]
    lines = [line for line in block.text.splitlines() if line and not line.startswith("import")]
    assert len(lines) == 3


def test_every_setting_is_documented_with_its_default_and_no_other_is() -> None:
    readme = (ROOT / "README.md").read_text()
    assert docs.settings_table() in readme, f"README.md should hold this table:\n{docs.settings_table()}"
    known = {variable.name for variable in VARIABLES} | {"HEADWAY_SOURCE"}  # of the Python client alone
    for document in DOCUMENTS:
        named = set(re.findall(r"\b(?:HEADWAY_[A-Z_]*[A-Z]|[A-Z]+_(?:URL|CONCURRENCY))\b", document.read_text()))
        assert named <= known, f"{name(document)} names {sorted(named - known)}"


def test_every_panel_is_listed_with_its_interval_and_no_other_is() -> None:
    for file, page in (("README.md", "observability"), ("docs/charts.md", "charts")):
        table = docs.panels_table(page)
        assert table in (ROOT / file).read_text(), f"{file} should hold\n{table}"


class _AnyVariable(dict[str, str]):
    """An environment in which everything is set that a configuration may name."""

    def __missing__(self, name: str) -> str:
        scheme = "postgresql" if "DATABASE" in name else "redis" if "REDIS" in name else "https"
        return f"{scheme}://host.example.com/path"

    def __contains__(self, name: object) -> bool:
        return True


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if docs.configurations(path)], ids=name)
def test_each_piece_of_a_configuration_can_be_worked_with(document: Path) -> None:
    settings = read({"DATABASE_URL": "postgresql://db/x", "PROMETHEUS_URL": "http://localhost:9090"})
    for text in docs.configurations(document):
        parse(text, _AnyVariable(), settings=settings)


def test_every_link_inside_the_documents_leads_somewhere() -> None:
    for document in DOCUMENTS:
        text = document.read_text()
        targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
        for target in targets:
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            found = (document.parent / unquote(path)) if path else document
            assert found.exists(), f"{name(document)} links to {target}"
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.M) if anchor else []
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in slugs, f"{name(document)} links to {target}"


def test_every_make_target_that_is_named_exists_and_the_two_to_begin_with_are() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for document in DOCUMENTS:
        named = set(re.findall(r"\bmake ([a-z]+)\b(?=`|\s+#|$)", document.read_text(), re.M))
        assert named <= targets, f"{name(document)} names {sorted(named - targets)}"
    assert {"run", "demo"} <= set(re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text(), re.M))


@pytest.fixture
def copy() -> Iterator[Path]:
    """A copy of the project, without what was installed or cached."""
    left_out = shutil.ignore_patterns(
        ".git", ".venv*", "data", "node_modules", "__pycache__", ".*_cache", ".hypothesis"
    )
    with tempfile.TemporaryDirectory(prefix="hw-") as folder:
        yield Path(shutil.copytree(ROOT, Path(folder) / "copy", ignore=left_out))


def test_the_panel_that_contributing_adds_passes_its_test_and_is_served(copy: Path) -> None:
    files = [block for block in docs.blocks(ROOT / "CONTRIBUTING.md") if block.kind == "file"]
    assert [Path(block.detail or "").parts[0] for block in files] == ["panels", "templates", "tests"]
    assert len(files[0].text.splitlines()) <= 25
    for block in files:
        assert block.detail
        (copy / block.detail).write_text(block.text)
    env = bare_environment()
    command = [sys.executable, "-m", "pytest", files[2].detail or "", "tests/test_rooms.py", "-p", "no:cacheprovider"]
    of_the_panel = ["-rA", "-k", "last_seen"]  # the other rooms were looked at in this very run
    tested = subprocess.run([*command, *of_the_panel], cwd=copy, env=env, capture_output=True, text=True, timeout=120)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"PASSED \S+_only_from_rooms_to_its_left\[panels/last_seen.py\]", tested.stdout)
    tools = Path(sys.executable).parent
    for check in ([str(tools / "ruff"), "check"], [str(tools / "ruff"), "format", "--check"]):
        checked = subprocess.run([*check, "panels/last_seen.py", files[2].detail or ""], cwd=copy, capture_output=True)
        assert checked.returncode == 0, checked.stdout.decode()

    site = Server(free_port(), TOKEN, root=copy)
    try:
        page = site.start().get("/dashboard/observability").text
        assert re.search(r'id="panel-last-seen".*Last seen.*No agent yet\.', page, re.S)
        assert site.get("/dashboard/api/last-seen").json()["agents"] == []
    finally:
        site.close()


def test_the_limits_that_are_told_are_those_that_hold() -> None:
    readme = (ROOT / "README.md").read_text()
    told = dict(
        re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", readme.partition("## Limits")[2].partition("\n## ")[0], re.M)
    )
    longest = {
        name: max(part.max_length for part in get_args(kind) if isinstance(part, Meta) and part.max_length)
        for name, kind in (("title", job_rules.Title), ("message", job_rules.Message), ("error", job_rules.ErrorText))
    }
    script = (ROOT / "core/scripts/parts/attempts.lua").read_text()
    kept = [re.search(rf"^local {name} = (\d+)", script, re.M)[1] for name in ("MOST_STAGES", "MOST_ATTEMPTS")]  # type: ignore[index]
    kept_kib = re.search(r"^local MOST_ATTEMPTS_BYTES = (\d+) \* 1024", script, re.M)[1]  # type: ignore[index]
    parts = "".join((ROOT / f"core/scripts/parts/{part}.lua").read_text() for part in ("videos", "episodes"))
    log_script = (ROOT / "core/scripts/log.lua").read_text()
    log_sources = re.search(r"^local MOST_SOURCES, OTHER = (\d+)", log_script, re.M)[1]  # type: ignore[index]
    in_job = re.search(r"^local MOST_JOB_LINES, MOST_JOB_BYTES = (\d+), (\d+) \* 1024", log_script, re.M)
    job_lines, job_kib = in_job.groups()  # type: ignore[union-attr]
    remembered = set(re.findall(r"^local MOST_(?:VIDEOS|EPISODES) = (\d+)", parts, re.M))
    assert told == {
        "what": "at most",
        "a JSON body": size_words(body.MOST_JSON),
        "a batch": f"{queue_api.MOST_BATCH_LINES:,} lines, {size_words(queue_api.MOST_BATCH_BYTES)}; "
        f"a line {size_words(job_changes.MOST_LINE)}",
        "title, message, error": f"{', '.join(f'{most:,}' for most in longest.values())} characters",
        "metadata, result": f"{size_words(job_rules.MOST_METADATA)} each, as JSON",
        "stages of an attempt, attempts kept of a job": f"{', '.join(kept)} in {kept_kib} KiB",
        "jobs in one answer of the list": str(queue_api.MOST_ITEMS),
        "events that can be replayed": f"the last {event_log.TRIMMED_FROM:,} or so",
        "open streams of a process": f"as many as it may open files, less {hub.RESERVE_FILES}; {hub.MOST_CLIENTS:,}",
        "sockets of Socket.IO of a process": f"{sockets.MOST_CLIENTS:,}",
        "videos and episodes of an agent that are told apart": f"{int(remembered.pop()):,} each",
        "an uploaded file": f"{size_words(LIMITS.received_bytes)}, as sent and unpacked",
        "a request of log lines": f"{logs_api.MOST_LINES:,} lines, {size_words(logs_api.MOST_BYTES)} as NDJSON; "
        f"{size_words(logs_api.MOST_JSON)} as a JSON array",
        "a log line's message": f"{log_text.MOST_MESSAGE:,} characters; what is longer is cut",
        "log sources told apart": f"{log_sources}; further ones share `other`",
        "a job's own log lines": f"the last {job_lines} or {job_kib} KiB",
        "notifications that wait, and that are kept": f"{notifications_service.MOST_WAITING:,}, "
        f"{notifications_service.KEPT:,}",
        "pushed tiles that nobody declared": str(tiles_service.MOST_UNDECLARED),
        "deployments that are kept": f"{deployments_service.KEPT:,}, for {windows.KEPT_S // windows.DAY_S} days",
        "series of figures over time": f"{series_store.MOST_SERIES}, 42 MB; a sixteenth of a store with a limit",
        "an answer to a request of Headway's own": size_words(fetching.MOST_BYTES),
    }
    trims = re.findall(r"'MAXLEN', '~', (\d+)", script + (ROOT / "core/scripts/agent.lua").read_text())
    assert {int(trim) for trim in trims} == {event_log.TRIMMED_FROM}
    assert LIMITS.received_bytes == LIMITS.unpacked_bytes
