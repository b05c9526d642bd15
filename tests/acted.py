"""Acting on real engines' jobs by the API of an application whose follower a test runs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.config import Broker, Config
from core.settings import read
from core.site import Site
from services import jobs_service
from services.brokers import standings
from services.brokers.following import Follower, follower
from services.brokers.model import Standing
from services.job_changes import JobRef
from services.job_model import Job
from tests.conftest import TOKEN, wait_until


class Followed:
    """A site that follows one broker, as far as `until` and `job` let it."""

    def __init__(self, app: Flask, broker: Broker) -> None:
        self.app, self.broker = app, broker
        self.site: Site = app.extensions["headway"]
        self.client: FlaskClient = app.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
        self.follower: Follower = follower(self.site, broker)

    def tick(self) -> None:
        snapshot = self.follower.tick()
        standing = Standing(
            broker=snapshot.broker, engine=snapshot.engine, discovered=False, at_ms=snapshot.at_ms, snapshot=snapshot
        )
        standings.note(self.site, standing)

    def known(self, id: str) -> Job | None:
        job = jobs_service.get(self.site, JobRef(agent=self.broker.agent, id=id))
        return job if isinstance(job, Job) else None

    def job(self, id: str, *states: str, attempt: int = 1) -> Job:
        """The job as Headway has it, once it is in one of these states."""

        def there() -> Job | None:
            self.tick()
            job = self.known(id)
            return job if job and job.state in states and job.attempt >= attempt else None

        found: Job = wait_until(there, what=f"{id} to be {states}, which is {self.known(id)}")
        return found

    def act(self, job: Job, action: str, *, status: int = 200, seen: bool = True, **more: Any) -> dict[str, Any]:
        asked = {"action": action, **more}
        if seen:
            asked["seen"] = {"state": job.state, "attempt": job.attempt}
        return self.post(f"/api/v1/jobs/{job.number}/actions", asked, status)

    def post(self, path: str, asked: dict[str, Any], status: int = 200) -> dict[str, Any]:
        answer = self.client.post(path, json=asked)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.get_json()
        return told


@contextmanager
def followed(store_url: str, broker: Broker, folder: Path) -> Iterator[Followed]:
    """A site whose own store is at `store_url`."""
    settings = read({"REDIS_URL": store_url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": str(folder)})
    app = create_app(settings, Config(queues=(broker,)))
    app.testing = True
    one = Followed(app, broker)
    try:
        yield one
    finally:
        one.follower.close()
        one.site.store.close()
