"""`headway run` reports a command and changes nothing about it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from headway.output_lines import A_SECOND, AT_ONCE, Lines
from tests.clients.python.conftest import Site
from tests.conftest import free_port, wait_until

BINARY = bytes(range(256)) * 300


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def started(headway_site: Site, agent: str) -> Iterator[Start]:
    """Starts `headway run` for this test's agent, and ends what is left of it."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*args: str, **options: Any) -> subprocess.Popen[bytes]:
        options = {"env": headway_site.environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        begun.append(subprocess.Popen(headway_site.command("--agent", agent, *args), **options))
        return begun[-1]

    yield begin
    for process in begun:
        process.terminate()
        process.wait(30)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def test_a_command_has_its_input_output_and_exit_code_and_is_a_job(headway_site: Site, agent: str) -> None:
    script = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()); sys.stderr.write('done\\n')"
    python = (sys.executable, "-c", script)
    ran = headway_site.run(
        "--agent",
        agent,
        "--title",
        "Copy",
        "--metadata",
        "size=big",
        "--queue",
        "files",
        "--tag",
        "eu",
        "--",
        *python,
        input=BINARY,
        text=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, BINARY, b"done\n")
    found = headway_site.only(agent)
    assert (found["title"], found["status"]) == ("Copy", "completed")
    assert found["metadata"]["size"] == "big"
    assert (found["queue"], found["tags"]) == ("files", ["eu"])


def test_a_failing_command_tells_its_exit_code_and_the_end_of_its_errors(headway_site: Site, agent: str) -> None:
    script = "for n in $(seq 100); do echo line $n; echo fault $n >&2; done; exit 3"
    ran = headway_site.run("--agent", agent, "--", "sh", "-c", script)
    assert ran.returncode == 3
    assert ran.stdout.count("\n") == ran.stderr.count("\n") == 100
    found = headway_site.only(agent)
    assert (found["title"], found["status"], found["message"]) == ("sh", "failed", "Exit code 3")
    assert found["error"].startswith("Exit code 3\n\nfault 81\n")
    assert found["error"].endswith("fault 100")


def test_the_last_line_is_the_message_and_the_last_percentage_the_progress(
    headway_site: Site, agent: str, started: Start
) -> None:
    script = r"printf 'start\n10%% done\r\033[32m 42.5 %% done\033[0m\r'; read wait; printf '\nbye\n'"
    process = started("--progress", "--", "sh", "-c", script, stdin=subprocess.PIPE)

    def told() -> Any:
        return [job for job in headway_site.of(agent) if job["message"] == "42.5 % done"]

    (found,) = wait_until(told, what="the line")
    assert (found["status"], found["progress"]) == ("processing", 42.5)
    out, _ = process.communicate(b"\n", timeout=30)
    assert b"\x1b[32m" in out
    assert headway_site.only(agent)["message"] == "bye"


def logged(site: Site, agent: str, source: str) -> list[tuple[str, str]]:
    """Level and message of the lines of an agent's only job, oldest first."""
    found = site.server.get(f"/api/v1/logs?source={quote(source)}&limit=1000").json()["items"]
    ids = {site.only(agent)["id"]}
    return [(line["level"], line["message"]) for line in reversed(found) if line["job"] in ids]


def test_all_output_is_lines_of_the_logs_linked_to_the_job(headway_site: Site, agent: str) -> None:
    script = r"printf 'packing\r 50 %%\rpacked\r\n\n\033[32mdone\033[0m\nno end'; sleep 0.1; echo oops >&2; exit 1"
    ran = headway_site.run("--agent", agent, "--name", "backup", "--", "sh", "-c", script)
    assert (ran.returncode, ran.stderr) == (1, "oops\n")
    assert sorted(logged(headway_site, agent, "backup")) == [
        ("info", "done"), ("info", "no end"), ("info", "packed"), ("warning", "oops"),
    ]  # fmt: skip


def test_streams_that_are_one_have_no_level_of_their_own_and_keep_their_order(
    headway_site: Site, agent: str, started: Start
) -> None:
    script = "for n in $(seq 700); do echo out $n; echo err $n >&2; done"
    process = started("--name", "both", "--", "sh", "-c", script, stderr=subprocess.STDOUT)
    process.communicate(timeout=30)
    wanted = [("info", f"{stream} {number}") for number in range(1, 701) for stream in ("out", "err")]
    assert logged(headway_site, agent, "both") == wanted[-1000:]


def test_a_command_that_writes_without_end_is_not_held_up_and_what_is_left_out_is_counted() -> None:
    now, told = [0.0], list[str]()
    lines = Lines(told.append, clock=lambda: now[0])
    for _ in range(3):
        lines.seen(b"y\n" * 8_000)
    assert told == ["y"] * AT_ONCE
    now[0] += 2
    lines.seen(b"y\n" * 3_000 + b"x" * 70_000)
    lines.finish()
    assert told[AT_ONCE].startswith("… 14,000 lines are left out here")
    assert told[AT_ONCE + 1 : AT_ONCE + 1 + 2 * A_SECOND] == ["y"] * 2 * A_SECOND
    assert told[-1].startswith("… 1,001 lines are left out here")


@pytest.mark.parametrize("option", ["--no-logs", "--no-output"])
def test_output_stays_out_of_the_logs_where_that_is_wanted(headway_site: Site, agent: str, option: str) -> None:
    headway_site.run("--agent", agent, "--name", "quiet", option, "--", "echo", "secret")
    assert logged(headway_site, agent, "quiet") == []


def test_output_that_is_private_stays_so(headway_site: Site, agent: str) -> None:
    ran = headway_site.run(
        "--agent", agent, "--progress", "--no-output", "--", "sh", "-c", "echo secret 30%; echo secret >&2; exit 1"
    )
    assert ran.returncode == 1
    found = headway_site.only(agent)
    assert found["progress"] == 30
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        (["no-such-command-anywhere"], 127, "no-such-command-anywhere: command not found"),
        (["/"], 126, "/: Permission denied"),
        (["sh", "-c", "kill -KILL $$"], 137, "Ended by SIGKILL"),
    ],
    ids=["missing", "no-program", "killed"],
)
def test_a_command_that_cannot_run_or_is_killed_ends_as_under_a_shell(
    headway_site: Site, agent: str, command: list[str], code: int, error: str
) -> None:
    ran = headway_site.run("--agent", agent, "--", *command)
    assert ran.returncode == code
    found = headway_site.only(agent)
    assert (found["status"], found["error"]) == ("failed", error)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command_which_decides_what_they_mean(
    headway_site: Site, agent: str, sent: signal.Signals, started: Start
) -> None:
    script = "import signal, sys, time\n"
    script += f"signal.signal({int(sent)}, lambda *_: (print('got it', flush=True), sys.exit(9)))\n"
    script += "print('ready', flush=True)\ntime.sleep(60)"
    process = started("--", sys.executable, "-c", script)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    process.send_signal(sent)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (9, b"got it\n")
    assert headway_site.only(agent)["message"] == "Exit code 9"


def test_a_command_that_a_signal_ends_is_a_failed_job(headway_site: Site, agent: str, started: Start) -> None:
    process = started("--", "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout and process.stdout.readline() == b"ready\n"
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert headway_site.only(agent)["error"] == "Ended by SIGTERM"


def test_on_a_terminal_the_command_is_on_a_terminal_of_the_same_size(started: Start) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    script = "import os, sys; print([os.isatty(n) for n in range(3)], os.get_terminal_size(1)); sys.exit(5)"
    process = started("--", sys.executable, "-c", script, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while data := os.read(ours, 4096):
            said += data
    except OSError:
        pass
    os.close(ours)
    assert process.wait(30) == 5
    assert said == b"[True, True, True] os.terminal_size(columns=101, lines=33)\r\n"


def test_what_is_typed_to_interrupt_a_command_reaches_it_once(started: Start) -> None:
    ours, theirs = pty.openpty()
    script = "import signal, sys, time\ntold = []\nsignal.signal(signal.SIGINT, lambda *_: told.append(1))\n"
    script += "print('ready', flush=True)\nend = time.monotonic() + 30\n"
    script += "while not told and time.monotonic() < end: time.sleep(0.01)\ntime.sleep(0.3)\nsys.exit(len(told))"
    process = started("--", sys.executable, "-c", script,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while not said.endswith(b"\n"):
        said += os.read(ours, 4096)
    os.write(ours, b"\x03")
    assert process.wait(30) == 1
    os.close(ours)


def test_a_reader_that_goes_away_ends_the_command_as_it_would_without_us(started: Start) -> None:
    process = started("--", "yes", stderr=subprocess.DEVNULL)
    assert process.stdout and process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(30) == 128 + signal.SIGPIPE


def test_what_a_command_leaves_running_holds_nobody_up(headway_site: Site, agent: str, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    ran = headway_site.run("--agent", agent, "--", "sh", "-c", f"sleep 300 & echo $! > {pid_file}; echo done")
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert (ran.returncode, ran.stdout) == (0, "done\n")


def test_with_the_site_away_the_command_is_what_it_was(headway_site: Site) -> None:
    env = headway_site.environment() | {"HEADWAY_URL": f"http://127.0.0.1:{free_port()}"}
    ran = headway_site.run("--timeout", "0.2", "--", "sh", "-c", "echo out; echo err >&2; exit 4", env=env)
    assert (ran.returncode, ran.stdout) == (4, "out\n")
    assert ran.stderr.startswith("err\n") or ran.stderr.endswith("err\n")
    assert ran.stderr.count("\n") == 2, "one warning"


def test_streams_that_are_one_keep_their_order(started: Start, tmp_path: Path) -> None:
    script = "for n in $(seq 200); do echo out $n; echo err $n >&2; done"
    with (tmp_path / "log").open("wb") as log:
        process = started("--", "sh", "-c", script, stdout=log, stderr=log)
        assert process.wait(30) == 0
    wanted = [f"{stream} {number}" for number in range(1, 201) for stream in ("out", "err")]
    assert (tmp_path / "log").read_text().splitlines() == wanted


def test_a_second_attempt_of_a_named_job_begins_it_anew(headway_site: Site, agent: str) -> None:
    named = ("--agent", agent, "--id", "nightly")
    assert headway_site.run(*named, "--", "false").returncode == 1
    assert headway_site.run(*named, "--attempt", "2", "--", "true").returncode == 0
    found = headway_site.job(agent, "nightly")
    assert (found["status"], found["attempt"], len(found["attempts"])) == ("completed", 2, 1)


@pytest.mark.parametrize(
    ("args", "says"),
    [([], "name the command"), (["--metadata", "x", "--", "true"], "KEY=VALUE"), (["--nope"], "--nope")],
    ids=["no-command", "no-value", "unknown"],
)
def test_what_is_asked_wrongly_is_said_and_nothing_runs(headway_site: Site, args: list[str], says: str) -> None:
    ran = headway_site.run(*args)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert says in ran.stderr
