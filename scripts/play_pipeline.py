"""Plays a podcast pipeline to a site, so that an agent's page has something to show. The work is only said, not done.

    python scripts/play_pipeline.py --videos 12 --speed 4

A backfill discovers videos; each becomes a job that goes through its stages, some fail, and some episodes are published
later. HEADWAY_URL is the site (http://127.0.0.1:8000 where unset), HEADWAY_INGEST_TOKEN or HEADWAY_TOKEN a token that may
write; with HEADWAY_AUTH=off none is needed. For real work see `make demo`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

STAGES = (
    ("downloading", 3.0),
    ("speech_detection", 4.0),
    ("ai_analysis", 8.0),
    ("audio_processing", 5.0),
    ("uploading", 2.0),
)
"""A stage, and how many seconds it takes more or less."""
STEPS = 8
FAULTS = ("the video is private", "no speech was found", "the upload was refused: quota exceeded")
SUBJECTS = ("Sourdough", "Lighthouses", "Tides", "Old maps", "Beekeeping", "Night trains", "Glass", "Moss", "Bridges")


class Pipeline:
    def __init__(self, url: str, token: str | None, agent: str, speed: float, chance: random.Random) -> None:
        self._root = f"{url.rstrip('/')}/agents/{quote(agent, safe='')}"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._speed, self._chance = speed, chance

    def call(self, method: str, path: str, **told: Any) -> Any:
        """The answer's JSON. Raises urllib.error.HTTPError, OSError."""
        body = json.dumps(told).encode()
        request = urllib.request.Request(self._root + path, body, self._headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def play(self, videos: int) -> None:
        since = datetime.now(UTC) - timedelta(days=videos)
        backfill = self.call("POST", "/backfills", totalVideos=videos, since=f"{since:%Y-%m-%d}")
        running = []
        for number in range(videos):
            video = f"v{self._chance.getrandbits(40):x}"
            title = f"{self._chance.choice(SUBJECTS)}, part {number + 1}"
            self.call(
                "POST", "/videos", videoId=video, title=title, publishedAt=f"{since + timedelta(days=number):%Y-%m-%d}"
            )
            job = self.call("POST", "/jobs", videoId=video, videoTitle=title, stage="queued")
            running.append(threading.Thread(target=self._work, args=(f"/jobs/{job['id']}", video)))
            running[-1].start()
            self._rest(2.0)
        self.call("PATCH", f"/backfills/{backfill['id']}", totalFound=videos, totalEnqueued=videos)
        for one in running:
            one.join()

    def _work(self, job: str, video: str) -> None:
        fails_in = self._chance.choice([name for name, _ in STAGES]) if self._chance.random() < 0.15 else None
        self._rest(self._chance.uniform(0, 6))
        for name, seconds in STAGES:
            self.call("PATCH", job, stage=name)
            took = seconds * self._chance.uniform(0.5, 1.8)
            for step in range(1, STEPS + 1):
                self._rest(took / STEPS)
                if name == fails_in and step > STEPS / 2:
                    self.call("PATCH", job, status="failed", error=self._chance.choice(FAULTS))
                    return
                self.call("PATCH", job, message=f"{name.replace('_', ' ')}: {step} of {STEPS}")
        self.call("PATCH", job, stage="completed", episodeId=f"e-{video}", published=False)
        self._rest(self._chance.uniform(2, 20))
        if self._chance.random() < 0.7:
            self.call("PATCH", job, published=True)

    def _rest(self, seconds: float) -> None:
        time.sleep(seconds / self._speed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("HEADWAY_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--agent", default="podcast", help="whose jobs they are (%(default)s)")
    parser.add_argument("--videos", type=int, default=12, help="how many the backfill finds (%(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster than life (%(default)s)")
    parser.add_argument("--seed", type=int, help="to play the same again")
    asked = parser.parse_args()
    if asked.videos < 1 or asked.speed <= 0:
        parser.error("--videos and --speed: more than nothing")
    token = os.environ.get("HEADWAY_INGEST_TOKEN") or os.environ.get("HEADWAY_TOKEN")
    pipeline = Pipeline(asked.url, token, asked.agent, asked.speed, random.Random(asked.seed))  # noqa: S311
    try:
        pipeline.play(asked.videos)
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"{asked.url} answers {error.code}: {error.read(2000).decode(errors='replace')}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{asked.url} does not answer: {getattr(error, 'reason', error)}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
