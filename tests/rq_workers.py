"""Real RQ workers, of the present major version and of the one before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
import redis
from rq import Queue, Worker

from tests.conftest import wait_until
from tests.serving import ROOT, bare_environment

RQ2 = Path(sys.prefix) / "rq2"
"""RQ 2 lies there, beside the present one: scripts/tools.sh puts it."""
Version = Literal[2, 3]
TASKS = "tests.workloads.rq_tasks"


class RqWorker:
    """`rq worker` on some queues of a Redis, from `start` to `close`. `options` are those of its command line."""

    def __init__(
        self, url: str, *queues: str, version: Version = 3, name: str | None = None, options: tuple[str, ...] = ()
    ):
        self.url, self.queues, self.version, self.options = url, queues or ("default",), version, options
        self.name = name or f"worker-{os.urandom(4).hex()}"
        self.log = Path(tempfile.mkstemp(prefix="hw-rq-")[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        paths = [str(RQ2)] if self.version == 2 else []
        return bare_environment() | {"PYTHONPATH": os.pathsep.join([*paths, str(ROOT)])}

    @property
    def where(self) -> tuple[str, ...]:
        """What of its command line names its Redis."""
        return ("--url", self.url)

    def start(self, *, waits: bool = True) -> RqWorker:
        """Start it, and wait until it is known in Redis."""
        command = [
            sys.executable,
            "-m",
            "rq.cli",
            "worker",
            *self.where,
            "--name",
            self.name,
            *self.options,
            *self.queues,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        if waits:
            with redis.Redis.from_url(self.url) as connection:
                wait_until(lambda: self._listens(connection), what=f"the RQ worker's first heartbeat\n{self.said()}")
        return self

    def _listens(self, connection: redis.Redis) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        return bool(connection.hget(f"{Worker.redis_worker_namespace_prefix}{self.name}", "state"))

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """`kill -9` of the worker and of what works for it, which is no part of its group."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait(10)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()  # once: it ends after its job; twice: at once
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.unlink(missing_ok=True)


def queue(url: str, name: str = "default", **options: object) -> Queue:
    """A queue as an app has it; what it adds are the functions of `tests.workloads.rq_tasks`, named by `TASKS`."""
    return Queue(name, connection=redis.Redis.from_url(url), **options)  # type: ignore[arg-type]
