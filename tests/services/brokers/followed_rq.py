"""A follower of RQ that a test ticks by itself, and what it made of the jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import pytest

from core.config import Broker
from core.site import Site
from services import jobs_service
from services.brokers.model import QueueNow, Snapshot, WorkerNow
from services.brokers.rq_follower import RqFollower
from services.job_changes import JobRef
from services.job_model import Job

T = TypeVar("T")


class FollowedRq:
    """From its making until `close`; `snapshot` is that of the last tick."""

    def __init__(self, site: Site, url: str, **options: Any) -> None:
        self.site = site
        self.broker = Broker(kind="rq", url=url, **options)
        self.follower = RqFollower(site, self.broker)
        self.snapshot: Snapshot

    def tick(self) -> Snapshot:
        self.follower.woken.clear()
        self.snapshot = self.follower.tick()
        return self.snapshot

    def until(self, holds: Callable[[], T], what: str, within_s: float = 30) -> T:
        """Tick until it holds, as the duty would; its first true answer."""
        end = time.monotonic() + within_s
        while True:
            self.tick()
            if answer := holds():
                return answer
            if time.monotonic() > end:
                pytest.fail(f"{what} did not come within {within_s} s: {self.snapshot}")
            self.follower.woken.wait(0.1)

    def settled(self) -> Snapshot:
        """Tick until nothing is left to be read."""
        self.until(lambda: not self.follower.woken.is_set(), "the end of the reading")
        return self.snapshot

    def job(self, id: str) -> Job | None:
        found = jobs_service.get(self.site, JobRef(agent=self.broker.agent, id=id))
        return found if isinstance(found, Job) else None

    def comes_to(self, id: str, state: str) -> Job:
        """The job, once it is in that state."""

        def there() -> Job | None:
            job = self.job(id)
            return job if job is not None and job.state == state else None

        found = self.until(there, f"{state} of {id}, which is {self.job(id)}")
        assert found is not None
        return found

    def queue(self, name: str = "default") -> QueueNow:
        return next(queue for queue in self.snapshot.queues if queue.name == name)

    def worker(self, name: str) -> WorkerNow:
        return next(worker for worker in self.snapshot.workers if worker.name == name)

    def close(self) -> None:
        self.follower.close()


def metadata(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(job.metadata or "{}")
    return found
