"""Real Celery workers, which work for the app of `tests.workloads.celery_tasks`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from celery import Celery

from tests.conftest import wait_until
from tests.serving import ROOT, bare_environment


def broker_url(url: str) -> str:
    """A Redis's address as Celery writes it: `redis+socket:///…` for a unix socket."""
    return url.replace("unix://", "redis+socket://", 1)


def client(url: str, results: str | None = None) -> Celery:
    """An app that sends tasks by their names: `client(url).send_task("shop.add", (1, 2))`. `results` is the Redis of these where the
    broker is none."""
    app = Celery("sender", broker=broker_url(url), backend=broker_url(results or url))
    app.conf.update(task_send_sent_event=True)
    return app


class CeleryWorker:
    """`celery worker` on a Redis, from `start` to `close`. `options` are those of its command line; `results` is the Redis of results
    and gates where its broker is none."""

    def __init__(
        self,
        url: str,
        *queues: str,
        pool: str = "threads",
        concurrency: int = 2,
        options: tuple[str, ...] = ("-E",),
        results: str | None = None,
    ):
        self.url, self.queues, self.pool, self.concurrency, self.options = url, queues, pool, concurrency, options
        self.results = results or url
        self.name = f"w{os.urandom(3).hex()}@tests"
        self.log = Path(tempfile.mkstemp(prefix="hw-celery-")[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        urls = {"BROKER": broker_url(self.url), "BACKEND": broker_url(self.results), "GATES": self.results}
        return bare_environment() | urls | {"PYTHONPATH": str(ROOT)}

    def start(self, *, waits: bool = True) -> CeleryWorker:
        """Start it, and wait until it takes tasks."""
        command = [
            sys.executable, "-m", "celery", "-A", "tests.workloads.celery_tasks", "worker", "-n", self.name, "-l", "INFO",
            "-P", self.pool, "-c", str(self.concurrency), "--without-gossip", "--without-mingle", *self.options,
            *(("-Q", ",".join(self.queues)) if self.queues else ()),
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        if waits:
            wait_until(self._is_ready, what="the Celery worker's start")
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        return "ready." in self.said()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """`kill -9` of the worker and its pool."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.unlink(missing_ok=True)
