"""The embedded store's log over several runs, and a store of an earlier run that won't end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from core import embedded
from core.embedded import Embedded, StoreFailed
from tests.conftest import wait_until

READY = "Ready to accept connections"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, said: list[str]) -> Iterator[Callable[[], Embedded]]:
    """Starts the store a call, each time as a new run."""
    runs: list[Embedded] = []

    def start() -> Embedded:
        runs.append(Embedded(tmp_path, said.append))
        runs[-1].start()
        return runs[-1]

    yield start
    for one in runs:
        one.stop()


@pytest.fixture
def left_behind(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a store's number and name, on the folder."""
    arguments = [sys.executable, "-c", "import time; time.sleep(600)", str(Embedded(tmp_path, print).socket)]
    with subprocess.Popen(arguments) as process:
        (tmp_path / "valkey.pid").write_text(str(process.pid))
        yield process
        process.kill()


def test_what_an_earlier_run_said_is_kept(run: Callable[[], Embedded]) -> None:
    for _ in range(2):
        one = run()
        one.stop()
    assert one.log_file.read_text().count(READY) == 2


def test_a_crashed_store_s_last_words_are_kept_by_the_next_start(run: Callable[[], Embedded], tmp_path: Path) -> None:
    (tmp_path / "valkey.log").write_text("what it said as it fell\n")
    assert run().log_file.read_text().startswith("what it said as it fell\n")


def test_of_a_long_log_the_latest_whole_lines_are_kept(run: Callable[[], Embedded], tmp_path: Path) -> None:
    log = tmp_path / "valkey.log"
    log.write_text("".join(f"line {number:07}\n" for number in range(200_000)))
    assert log.stat().st_size > 2 * embedded.MOST_LOG_BYTES
    run().stop()
    assert log.stat().st_size < embedded.MOST_LOG_BYTES
    lines = log.read_text().splitlines()
    assert len(lines[0]) == len("line 0000000")
    assert "line 0199999" in lines
    assert READY in log.read_text()


def test_a_failed_start_is_told_in_its_own_words_and_not_in_an_earlier_run_s(
    run: Callable[[], Embedded], tmp_path: Path
) -> None:
    (tmp_path / "valkey.log").write_text("an earlier run's word\n")
    (tmp_path / "appendonlydir").write_text("no folder")
    with pytest.raises(StoreFailed) as failed:
        run()
    assert "earlier" not in str(failed.value)
    assert "appendonlydir" in (tmp_path / "valkey.log").read_text()


def test_a_store_that_ends_by_itself_is_said_to_end_by_its_own_words(
    run: Callable[[], Embedded], said: list[str]
) -> None:
    one = run()
    assert one.process is not None
    os.kill(one.process.pid, SIGKILL)
    wait_until(lambda: said, what="word of its end")
    assert f"signal {SIGKILL:d}" in said[0]
    wait_until(lambda: one.log_file.read_text().count(READY) == 2, what="its successor's words")


@pytest.mark.parametrize("fault", [None, PermissionError(1, "Operation not permitted")], ids=["unheard", "not ours"])
def test_a_store_left_behind_that_can_not_be_ended_stops_the_start_with_one_line(
    run: Callable[[], Embedded],
    left_behind: subprocess.Popen[bytes],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: OSError | None,
) -> None:
    sent: list[int] = []

    def to_the_deaf(pid: int, signal: int) -> None:
        # What a process waiting for a broken disk does, and another user's: neither can be made here.
        sent.append(signal)
        if fault:
            raise fault

    monkeypatch.setattr(embedded.os, "kill", to_the_deaf)
    monkeypatch.setattr(embedded, "STOP_S", 0.1)
    with pytest.raises(StoreFailed) as failed:
        run()
    assert f"pid {left_behind.pid}" in str(failed.value)
    assert "\n" not in str(failed.value)
    assert sent == [SIGTERM, SIGKILL]
    assert said == [f"Stopping the store that an earlier run left behind (pid {left_behind.pid})"]
    assert left_behind.poll() is None
