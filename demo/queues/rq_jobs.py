"""What the demo's RQ workers do: the same real work as the feeder's, told in the job's `meta` alone."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from rq import get_current_job

from demo import material, works
from demo.tally import Orders


class Told:
    """Says how far a job is as RQ users do: in its `meta`."""

    def __init__(self) -> None:
        self._job = get_current_job()

    def stage(self, name: str, percent: float, message: str = "") -> None:
        self._save(stage=name, progress=percent, message=message)

    def progress(self, percent: float, message: str = "") -> None:
        self._save(progress=percent, message=message)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def took_in(self, orders: Orders) -> None:
        pass

    def _save(self, **said: Any) -> None:
        if self._job is not None:
            self._job.meta.update(said)
            self._job.save_meta()


def pack(package: str, seed: int) -> works.Result:
    """Raises what a spoiled folder makes the work trip over."""
    with tempfile.TemporaryDirectory(prefix="headway-demo-") as place:
        return works.archive(Told(), material.folder(Path(place), package, random.Random(seed)), Path(place))


def thumbnails(seed: int) -> works.Result:
    """Raises ValueError where the picture is cut short."""
    with tempfile.TemporaryDirectory(prefix="headway-demo-") as place:
        return works.thumbs(Told(), material.picture(Path(place), random.Random(seed)), Path(place))


def count_words(texts: int, seed: int) -> works.Result:
    """Raises UnicodeDecodeError where a text is in another encoding."""
    with tempfile.TemporaryDirectory(prefix="headway-demo-") as place:
        return works.reports(Told(), material.texts(Path(place), random.Random(seed), texts), Path(place))


def publish(title: str, api_key: str) -> str:
    """What comes after others are done. `api_key` is there to be masked."""
    time.sleep(0.5)
    return f"{title} is out" if api_key else "nobody may publish"
