"""Real schedulers of packages beside RQ and Celery: rq-scheduler, and a beat that keeps its schedule with RedBeat."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from tests.celery_workers import CeleryWorker
from tests.rq_workers import RqWorker, Version
from tests.serving import ROOT


@contextmanager
def rq_scheduler(url: str, version: Version = 3, interval_s: float = 0.2) -> Iterator[Callable[[], None]]:
    """`rqscheduler`, which looks so often, until the end of the block, and then ends in good order; what it gives kills it."""
    command = ["rq_scheduler.scripts.rqscheduler", "--url", url, "--interval", str(interval_s), "--quiet"]
    with closing(RqWorker(url, version=version)) as worker, _running(command, worker.environment) as kill:
        yield kill


@contextmanager
def redbeat(url: str) -> Iterator[Callable[[], None]]:
    """`celery beat` of the app of `tests.workloads.celery_tasks`, in the same way."""
    command = [
        "celery",
        "-A",
        "tests.workloads.celery_tasks",
        "beat",
        "-S",
        "redbeat.RedBeatScheduler",
        "-s",
        os.devnull,
    ]
    with closing(CeleryWorker(url)) as worker, _running(command, worker.environment) as kill:
        yield kill


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def kill() -> None:
        process.kill()
        process.wait(10)

    try:
        yield kill
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                kill()
