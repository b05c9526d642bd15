"""Works through files in stages and reports each job to a site, until it is stopped.

    python demo/feeder.py --url http://127.0.0.1:8000 --token TOKEN [--rate JOBS_A_MINUTE] [--seconds N]

Four agents, each with its queue: `archive` checks and packs folders, `thumbs` scales pictures (many small jobs,
reported in batches), `reports` counts words (minutes a job), `intake` unpacks deliveries and tries again when one is
not complete yet. It uses the standard library alone, runs niced, and rests between files.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs as a file, from any folder

from demo import history, material, works
from demo.reporting import BatchedReport, LiveReport, Outbox, Refused, Site, Stopped, now, say

MOST_WAITING = 6
ATTEMPTS = 3
WEIGHTS = {"thumbs": 10, "archive": 5, "intake": 4, "reports": 2}
WORKERS = {"thumbs": 1, "archive": 2, "intake": 2, "reports": 2}


@dataclass(frozen=True)
class Job:
    """A piece of work that was announced to the site. `again` gives its file a chance before another attempt."""

    report: LiveReport | BatchedReport
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
        self.outbox = Outbox(site)
        self.waiting: dict[str, queue.Queue[Job]] = {agent: queue.Queue() for agent in WEIGHTS}
        self.refused: Refused | None = None

    def run(self) -> None:
        """Work until `site.stopping` is set. Raises Refused when the site does not let the token write."""
        loops = [self._announce, self._deliver]
        threads = [threading.Thread(target=self._guarded, args=(loop,)) for loop in loops]
        for agent, number in WORKERS.items():
            threads += [threading.Thread(target=self._guarded, args=(self._work, agent)) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.refused:
            raise self.refused
        for waiting in self.waiting.values():
            while not waiting.empty():
                self.outbox.put(waiting.get().report.last_word(str(Stopped())))
        self.outbox.flush_once()

    def _guarded(self, loop: Callable[..., None], *args: str) -> None:
        """Run a loop round by round. A round that the site refuses is left out, unless it refuses us altogether."""
        while not self.site.stopping.is_set():
            try:
                loop(*args)
            except Stopped:
                return
            except Refused as refused:
                if refused.status in (401, 403):
                    self.refused = refused
                    self.site.stopping.set()
                else:
                    say(f"The site refused a report and it is left out: {refused}")

    def _announce(self) -> None:
        agent = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if self.waiting[agent].qsize() < MOST_WAITING:
            self.waiting[agent].put(self._new(agent))
        self.site.stopping.wait(60 / self.rate_per_minute * self.chance.uniform(0.5, 1.5))

    def _deliver(self) -> None:
        self.outbox.flush()
        self.site.stopping.wait(1)

    def _new(self, agent: str) -> Job:
        if agent == "thumbs":
            picture = material.picture(self.inbox, self.chance)
            facts: dict[str, Any] = {
                "width": material.WIDTH,
                "height": material.HEIGHT,
                "bytes": picture.stat().st_size,
            }
            return Job(BatchedReport(self.outbox, agent, f"Thumbnails of {picture.name}", facts), picture, works.thumbs)
        if agent == "archive":
            package = self.chance.choice(material.packages())
            folder = material.folder(self.inbox, package, self.chance)
            return Job(self._live(agent, f"Archive {folder.name}", {"package": package}), folder, works.archive)
        if agent == "reports":
            texts = material.texts(self.inbox, self.chance, self.chance.choice((12, 40, 120)))
            facts = {"texts": len(list(texts.iterdir()))}
            return Job(self._live(agent, f"Word counts of {texts.name}", facts), texts, works.reports)
        delivery = material.Delivery(self.inbox, self.chance)
        facts = {"file": delivery.path.name, "bytes": delivery.path.stat().st_size}
        report = self._live(agent, f"Orders in {delivery.path.name}", facts)
        return Job(report, delivery.path, works.intake, delivery.time_passes)

    def _live(self, agent: str, title: str, facts: dict[str, Any]) -> LiveReport:
        return LiveReport(self.site, agent, title, {**facts, "feeder": f"pid {os.getpid()}", "found_at": now()})

    def _work(self, agent: str) -> None:
        try:
            job = self.waiting[agent].get(timeout=0.2)
        except queue.Empty:
            return
        try:
            self._attempts(job)
        except (Stopped, Refused) as end:
            self.outbox.put(job.report.last_word(str(end)))
            raise
        finally:
            _remove(job.subject)

    def _attempts(self, job: Job) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result = job.work(job.report, job.subject, self.out)
            except works.FAULTS as fault:
                why = f"{type(fault).__name__}: {fault}".replace(f"{self.inbox}/", "")
                job.report.failed(why)
                if job.again is None or attempt == ATTEMPTS or not isinstance(job.report, LiveReport):
                    return
                job.report.pause(self.chance.uniform(2, 6))
                job.again()
                job.report.retry(f"Attempt {attempt + 1} of {ATTEMPTS}")
            else:
                job.report.completed(result, "Done" if attempt == 1 else f"Done at attempt {attempt}")
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
    chance = random.Random()
    if asked.seconds:
        timer = threading.Timer(asked.seconds, stopping.set)
        timer.daemon = True
        timer.start()
    try:
        with tempfile.TemporaryDirectory(prefix="headway-demo-") as folder:
            say(f"Reporting to {asked.url}")
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
