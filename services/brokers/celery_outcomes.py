"""What Celery's result backend, a Redis, holds of a task: read as JSON and as nothing else, and written by Celery's own backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import redis

from core.config.sentinels import Address
from services.brokers.action_model import ActionRefused
from services.brokers.celery_app import celery_url
from services.brokers.connections import redis_of
from services.job_rules import State

if TYPE_CHECKING:
    from celery import Celery

KEY = "celery-task-meta-"
MOST_BYTES = 4 * 1024 * 1024
STATES: dict[str, tuple[State, ...]] = {
    "PENDING": ("queued", "scheduled", "reserved", "retrying"),
    "RECEIVED": ("queued", "scheduled", "reserved", "retrying"),
    "RETRY": ("retrying", "scheduled", "reserved", "queued"),
    "STARTED": ("started",),
    "SUCCESS": ("finished",),
    "FAILURE": ("failed",),
    "REVOKED": ("canceled", "stopped"),
}
"""What a job may be for Headway when its result says so; another word is a state of the app's own, which a task at work sets."""


@dataclass(frozen=True)
class Outcome:
    """What the backend holds of a task. `call` is (name, args, kwargs), None where it holds no such thing."""

    status: str
    queue: str | None
    call: tuple[str, list[Any], dict[str, Any]] | None

    def is_of(self, state: State) -> bool:
        return state in STATES.get(self.status, ("started",))


class Outcomes:
    def __init__(self, app: Celery, address: Address, prefix: str) -> None:
        self._app, self._address = app, address
        self._redis: redis.Redis = redis_of(address, prefix)

    def close(self) -> None:
        self._redis.close()

    def of(self, task: str) -> Outcome | None:
        """None where there is none. Raises ActionRefused where it is not JSON, redis.RedisError."""
        if int(self._redis.strlen(KEY + task)) > MOST_BYTES:
            raise ActionRefused("Its result is larger than Headway reads.")
        raw = self._redis.get(KEY + task)
        if not isinstance(raw, bytes):
            return None
        try:
            told = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise ActionRefused("Its result is not JSON, and Headway unpickles nothing.") from fault
        if not isinstance(told, dict):
            return None
        name, args, kwargs = told.get("name"), told.get("args"), told.get("kwargs")
        whole = isinstance(name, str) and isinstance(args, list) and isinstance(kwargs, dict)
        queue = told.get("queue")
        return Outcome(
            str(told.get("status")),
            queue if isinstance(queue, str) else None,
            (str(name), args, kwargs) if whole else None,  # type: ignore[arg-type]
        )

    def forget(self, task: str) -> bool:
        """Whether there was one."""
        return bool(self._redis.delete(KEY + task))

    def revoked(self, task: str) -> None:
        """Tell whoever waits for the result that none comes, as a worker would."""
        from celery.app.backends import by_url

        kind, url = by_url(celery_url(self._address))
        backend = kind(app=self._app, url=url)
        backend.mark_as_revoked(task, "revoked")
        backend.client.close()
