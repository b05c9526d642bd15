"""Works through files in stages and reports each job to a site, until it is stopped.

    python demo/feeder.py --url http://127.0.0.1:8000 --token TOKEN [--rate JOBS_A_MINUTE] [--seconds N]

Four agents, each with its queue: `archive` checks and packs folders, `thumbs` scales pictures (many small jobs),
`reports` counts words (minutes a job), `intake` unpacks deliveries and tries again when one is not complete yet.
They log what they do, count what they take in for the page's tiles, and have the site notify somebody of a delivery that is
given up. It uses the Python client and the standard library, runs niced, and rests between files.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# So that it runs as a file, from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "clients" / "python" / "src"))

import headway
from demo import history, material, works
from demo.reporting import Refused, Said, Site, Steps, Stopped, logger, now, say
from demo.tally import Tally

MOST_WAITING = 6
ATTEMPTS = 3
AGAIN_S = (2.0, 6.0)
WEIGHTS = {"thumbs": 10, "archive": 5, "intake": 4, "reports": 2}
WORKERS = {"thumbs": 1, "archive": 2, "intake": 2, "reports": 2}


@dataclass(frozen=True)
class Task:
    """A piece of work that was announced to the site. `again` gives its file a chance before another attempt."""

    job: headway.Job
    subject: Path
    work: Callable[[Any, Path, Path], works.Result]
    again: Callable[[], None] | None = None


class Feeder:
    def __init__(self, site: Site, inbox: Path, rate_per_minute: float, chance: random.Random) -> None:
        self.site = site
        self.inbox = inbox
        self.out = inbox / "out"
        self.out.mkdir()
        self.rate_per_minute = rate_per_minute
        self.chance = chance
        self.shop = material.Shop(chance)
        self.tally = Tally()
        self.waiting: dict[str, queue.Queue[Task]] = {agent: queue.Queue() for agent in WEIGHTS}

    def run(self) -> None:
        """Work until `site.stopping` is set."""
        self.tally.begin()
        threads = [threading.Thread(target=self._until_stopped, args=(self._announce,))]
        for agent, number in WORKERS.items():
            threads += [threading.Thread(target=self._until_stopped, args=(self._work, agent)) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for waiting in self.waiting.values():
            while not waiting.empty():
                waiting.get().job.fail(str(Stopped()))

    def _until_stopped(self, loop: Callable[..., None], *args: str) -> None:
        while not self.site.stopping.is_set():
            loop(*args)

    def _announce(self) -> None:
        agent = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if self.waiting[agent].qsize() < MOST_WAITING:
            self.waiting[agent].put(self._new(agent))
        self.site.stopping.wait(60 / self.rate_per_minute * self.chance.uniform(0.5, 1.5))

    def _new(self, agent: str) -> Task:
        if agent == "thumbs":
            picture = material.picture(self.inbox, self.chance)
            facts = {"width": material.WIDTH, "height": material.HEIGHT, "bytes": picture.stat().st_size}
            return Task(self._found(agent, f"Thumbnails of {picture.name}", facts), picture, works.thumbs)
        if agent == "archive":
            package = self.chance.choice(material.packages())
            folder = material.folder(self.inbox, package, self.chance)
            return Task(self._found(agent, f"Archive {folder.name}", {"package": package}), folder, works.archive)
        if agent == "reports":
            texts = material.texts(self.inbox, self.chance, self.chance.choice((12, 40, 120)))
            facts = {"texts": len(list(texts.iterdir()))}
            return Task(self._found(agent, f"Word counts of {texts.name}", facts), texts, works.reports)
        delivery = material.Delivery(self.inbox, self.chance, self.shop)
        facts = {"bytes": delivery.path.stat().st_size}
        job = self._found(agent, f"Orders in {delivery.path.name}", facts)
        return Task(job, delivery.path, works.intake, delivery.time_passes)

    def _found(self, agent: str, title: str, facts: dict[str, Any]) -> headway.Job:
        facts = {**facts, "feeder": f"pid {os.getpid()}", "found_at": now()}
        job = headway.job(agent, agent=agent, title=title, metadata=facts)
        job.announce()
        return job

    def _work(self, agent: str) -> None:
        try:
            task = self.waiting[agent].get(timeout=0.2)
        except queue.Empty:
            return
        try:
            self._attempts(task)
        except Stopped as end:
            task.job.fail(str(end))
        finally:
            _remove(task.subject)

    def _attempts(self, task: Task) -> None:
        job, log = task.job, logger(task.job.agent)
        steps = Steps(job, self.site.stopping, self.tally, log)
        with job.current():
            for attempt in range(1, ATTEMPTS + 1):
                log.info("%s, attempt %d", job.title, attempt)
                try:
                    result = task.work(steps, task.subject, self.out)
                except works.FAULTS as fault:
                    why = f"{type(fault).__name__}: {fault}".replace(f"{self.inbox}/", "")
                    job.fail(why)
                    if task.again is None or attempt == ATTEMPTS:
                        log.exception("%s is given up", job.title)
                        if task.again is not None:
                            headway.notify(
                                f"{job.title} are given up", f"After {attempt} attempts: {why}", level="error"
                            )
                        return
                    log.warning("%s; another attempt follows", why)
                    steps.pause(self.chance.uniform(*AGAIN_S))
                    task.again()
                    job.retry(f"Attempt {attempt + 1} of {ATTEMPTS}")
                else:
                    job.complete(result, "Done" if attempt == 1 else f"Done at attempt {attempt}")
                    log.info("Done: %s", ", ".join(f"{name} {value}" for name, value in result.items()))
                    return


def _remove(subject: Path) -> None:
    if subject.is_dir():
        shutil.rmtree(subject)
    else:
        subject.unlink(missing_ok=True)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reports real work to a Headway site.")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the site (%(default)s)")
    parser.add_argument(
        "--token",
        default=os.environ.get("HEADWAY_TOKEN"),
        help="a token that may write (HEADWAY_TOKEN unless said); none for a site with HEADWAY_AUTH=off",
    )
    parser.add_argument("--rate", type=float, default=30, help="jobs begun a minute (%(default)s)")
    parser.add_argument("--seconds", type=float, help="stop after so long; until stopped when not given")
    parser.add_argument("--no-history", action="store_true", help="do not upload a file of earlier jobs first")
    found = parser.parse_args(given)
    if urlsplit(found.url).scheme not in ("http", "https"):
        parser.error(f"--url {found.url} is no http:// or https:// address")
    if not 0 < found.rate <= 6000:
        parser.error("--rate is a number above 0, 6000 at most")
    return found


def main() -> int:
    asked = arguments()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    os.nice(10)
    site = Site(asked.url, asked.token, stopping)
    headway.configure(asked.url, asked.token or "")
    logging.getLogger("headway").addHandler(Said())
    logging.getLogger("headway").setLevel(logging.INFO)
    chance = random.Random()
    if asked.seconds:
        timer = threading.Timer(asked.seconds, stopping.set)
        timer.daemon = True
        timer.start()
    try:
        with tempfile.TemporaryDirectory(prefix="headway-demo-") as folder:
            say(f"Reporting to {asked.url}")
            site.admit()
            headway.deployed(f"demo-{time.strftime('%Y%m%d-%H%M')}", "The demo's feeder started")
            if not asked.no_history:
                history.upload(site, chance)
            Feeder(site, Path(folder), asked.rate, chance).run()
    except Stopped:
        pass
    except Refused as refused:
        say(f"The site does not let this token write ({refused})")
        return 1
    say("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
