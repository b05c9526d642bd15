"""A follower of Celery that a test ticks by itself, and what it made of the tasks."""

from __future__ import annotations

from typing import Any

from core.config import Broker
from core.site import Site
from services.brokers.celery_follower import CeleryFollower
from services.brokers.model import QueueNow
from tests.services.brokers.followed_rq import FollowedRq


class FollowedCelery(FollowedRq):
    """From its making until `close`; `snapshot` is that of the last tick."""

    def __init__(self, site: Site, url: str, **options: Any) -> None:
        self.site = site
        self.broker = Broker(kind="celery", url=url, **options)
        self.follower: CeleryFollower = CeleryFollower(site, self.broker)  # type: ignore[assignment]

    def hears(self) -> None:
        """Tick until it hears events."""
        self.until(lambda: self.follower.events.since_s, "the listening")

    def queue(self, name: str = "celery") -> QueueNow:
        """The queue, once it is shown."""
        self.until(lambda: any(queue.name == name for queue in self.snapshot.queues), f"the queue {name}")
        return super().queue(name)
