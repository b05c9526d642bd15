"""Programs as tests' clients, most of them in Node: spoken with by lines, never waited for without end."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.serving import ROOT, bare_environment

PACKAGES = ROOT / "tests" / "npm"
PATIENCE_S = 30.0


class Program:
    """A program that runs. It talks in lines of standard output, and hears lines of standard input."""

    def __init__(self, name: str, command: list[str], env: dict[str, str] | None = None) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=bare_environment() | (env or {}), text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._lines: deque[str] = deque()
        self._errors: list[str] = []
        self._came = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self._errors), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: Any, into: Any) -> None:
        for line in pipe:
            with self._came:
                into.append(line.rstrip("\n"))
                self._came.notify_all()

    def say(self, value: Any) -> None:
        """One line for the script: a value, as JSON."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value) + "\n")

    def has_spoken(self) -> bool:
        """Whether a line waits to be read."""
        return bool(self._lines)

    def line(self, within: float = PATIENCE_S) -> str:
        """The next line that it says; fails when there is none in time, or it ended."""
        end = time.monotonic() + within
        with self._came:
            while not self._lines:
                ended = not self._readers[0].is_alive()
                if ended or (not self._came.wait(min(0.2, end - time.monotonic())) and time.monotonic() > end):
                    why = "ended" if ended else f"said nothing within {within} s"
                    raise AssertionError(f"{self.name} {why}:\n{self.errors()}")
            return self._lines.popleft()

    def value(self, within: float = PATIENCE_S) -> Any:
        """The next line, which is JSON."""
        return json.loads(self.line(within))

    def until(self, holds: Callable[[Any], bool], within: float = PATIENCE_S) -> list[Any]:
        """The values that it says up to the first for which `holds`, that one last."""
        end = time.monotonic() + within
        said: list[Any] = []
        while not said or not holds(said[-1]):
            said.append(self.value(max(0.0, end - time.monotonic())))
        return said

    def errors(self) -> str:
        return "\n".join(self._errors)

    def finish(self, within: float = PATIENCE_S, code: int = 0) -> list[str]:
        """Close its input, wait for its end, which has to be with this code, and answer what it still said."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            ended = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} goes on after {within} s:\n{self.errors()}") from None
        for reader in self._readers:
            reader.join(within)
        assert ended == code, f"{self.name} ended with {ended}:\n{self.errors()}"
        return list(self._lines)

    def close(self) -> None:
        """Leave nothing behind, in whatever state it is."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Node(Program):
    """A script in Node, which may import any package of tests/npm, wherever it lies itself."""

    def __init__(self, script: Path, *arguments: object, env: dict[str, str] | None = None) -> None:
        command = ["node", "--import", (PACKAGES / "resolve.mjs").as_uri(), str(script), *map(str, arguments)]
        super().__init__(script.name, command, env)
