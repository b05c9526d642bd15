"""Runs a command as if nobody stood between it and its terminal, and reports it as a job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from headway.job import Job
from headway.output import Output, Watch, opened

_FORWARDED = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH")
_OF_THE_TERMINAL = ("SIGINT", "SIGQUIT")


def run(argv: Sequence[str], job: Job, watch: Watch) -> int:
    """Its exit code, or what a shell answers: 127 not found, 126 not to be run, 128 and the signal that ended it."""
    job.start()
    output = opened(watch)
    signals = _Signals(output)
    try:
        process = subprocess.Popen(argv, stdout=output.stdout, stderr=output.stderr)
    except (OSError, ValueError) as error:
        output.close()
        return _not_started(argv[0], error, job)
    signals.process = process
    output.begin()
    code = process.wait()
    output.finish()
    signals.restore()
    if code == 0:
        job.complete()
    else:
        job.fail(_words(code) + watch.tail(), message=_words(code))
    return code if code >= 0 else 128 - code


class _Signals:
    """Passes signals on to the command, those that came before it began as soon as it has."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}
        for name in _FORWARDED:
            number = getattr(signal, name, None)
            # What is ignored (by nohup, say) is ignored by the command too.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._process

    @process.setter
    def process(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if name == "SIGWINCH":
            self._output.resize()
        if name in _OF_THE_TERMINAL and _in_foreground():
            return  # the terminal sends these to the command as well
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _words(code: int) -> str:
    if code >= 0:
        return f"Exit code {code}"
    try:
        return f"Ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"Ended by signal {-code}"


def _not_started(program: str, error: Exception, job: Job) -> int:
    missing = isinstance(error, FileNotFoundError)
    why = "command not found" if missing else getattr(error, "strerror", None) or str(error)
    sys.stderr.write(f"headway: {program}: {why}\n")
    job.fail(f"{program}: {why}")
    return 127 if missing else 126
