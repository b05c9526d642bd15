"""A real Headway: gunicorn with its configuration file, on a free port, with a data folder of its own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent
GUNICORN = Path(sys.executable).parent / "gunicorn"
OURS = (
    "HEADWAY_",
    "REDIS_URL",
    "DATABASE_URL",
    "PORT",
    "WEB_CONCURRENCY",
    "FRONTEND_URL",
    "PROMETHEUS_URL",
    "GUNICORN_",
)
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def bare_environment() -> dict[str, str]:
    """This process's environment without any variable that Headway reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes | str | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = PATIENCE_S,
) -> Answer:
    """One request on a connection of its own; redirects are not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@dataclass
class Server:
    """One start of Headway at a time; `start` may follow `stop` or `kill`, on the same port and folder."""

    port: int
    token: str
    env: dict[str, str] = field(default_factory=dict)
    workers: int = 1
    root: Path = ROOT
    open_files: int | None = None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="hw-")))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def environment(self) -> dict[str, str]:
        ours = {
            "PORT": str(self.port),
            "HEADWAY_DATA": str(self.data),
            "HEADWAY_TOKEN": self.token,
            "WEB_CONCURRENCY": str(self.workers),
            "PYTHONUNBUFFERED": "1",
        }
        return bare_environment() | ours | self.env

    def command(self) -> list[str]:
        if self.open_files is None:
            return [str(GUNICORN)]
        return ["sh", "-c", f'ulimit -n {self.open_files} && exec "{GUNICORN}"']

    def spawn(self) -> Server:
        """Start it, and wait for nothing."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.root, env=self.environment(), stdout=log, stderr=log, start_new_session=True
            )
        return self

    def start(self) -> Server:
        """Start it, and wait until it answers."""
        self.spawn()
        end = time.monotonic() + PATIENCE_S
        while not self.answers():
            code = self.process.poll() if self.process else None
            if code is not None:
                raise AssertionError(f"the server ended with {code}:\n{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"the server does not answer:\n{self.log()}")
            time.sleep(0.05)
        return self

    def answers(self) -> bool:
        try:
            return ask(self.port, "GET", "/healthz", timeout=5).status > 0
        except (OSError, http.client.HTTPException):
            return False

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        json: Any = None,
        headers: dict[str, str] | None = None,
        token: str | None = "",
        timeout: float = PATIENCE_S,
    ) -> Answer:
        """One request with the admin token (`token=None`: without one, or another's)."""
        sent = dict(headers or {})
        if json is not None:
            body = _encode(json)
            sent.setdefault("Content-Type", "application/json")
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.token}")
        return ask(self.port, method, path, body, sent, timeout)

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def connect(self, timeout: float = PATIENCE_S) -> socket.socket:
        """A bare connection, for what an HTTP client would not send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """Its exit code, once it ended."""
        assert self.process is not None
        return self.process.wait(timeout)

    def stop(self, sent: signal.Signals = signal.SIGTERM, timeout: float = PATIENCE_S) -> int:
        """End it the orderly way and answer its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(sent)
        return self.wait(timeout)

    def kill(self) -> None:
        """`kill -9` of the master and its workers at once."""
        assert self.process is not None
        if self.process.poll() is None or _group_lives(self.process.pid):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Leave nothing behind, in whatever state it is."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(15)
                except subprocess.TimeoutExpired:
                    self.kill()
            elif _group_lives(self.process.pid):
                os.killpg(self.process.pid, signal.SIGKILL)
        self._end_store()
        shutil.rmtree(self.folder, ignore_errors=True)

    def worker_pids(self) -> list[int]:
        """The web processes, oldest first."""
        found = []
        for child in psutil.Process(self.pid).children():
            with suppress(psutil.NoSuchProcess):  # it ends just now
                if child.name() == "gunicorn":
                    found.append((child.create_time(), child.pid))
        return [pid for _, pid in sorted(found)]

    def store_pid(self) -> int | None:
        """The embedded store's process, when it lives."""
        try:
            pid = int((self.data / "valkey.pid").read_text())
            return pid if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None

    def _end_store(self) -> None:
        end = time.monotonic() + 5
        while (pid := self.store_pid()) and time.monotonic() < end:
            time.sleep(0.05)
        if pid:
            os.kill(pid, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()
