"""Jobs that failed, told to open pages: by agent and at most once a second, so that a flood of them is one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.error_types import telling_line
from services.job_events import JobEvent
from services.job_rules import UNCOUNTED

PAUSE_S = 1.0
"""Between two tellings."""
MOST_AGENTS = 20
"""Agents named at once; what failed of others is told in one sum."""


@dataclass
class FailureNote:
    """What failed of one agent since the last telling; `agent` is None for the rest of them."""

    agent: str | None
    count: int
    job: JobEvent
    """The first of them."""

    def as_json(self) -> dict[str, Any]:
        job = self.job
        return {
            "agent": self.agent,
            "count": self.count,
            "queue_id": job.number,
            "title": job.title or job.id,
            "stage": job.failed_stage,
            "error": telling_line(job.error)[0] if job.error else job.error,
        }


class FailureNotes:
    """Gathers failures until they are told. Its caller sees to it that two threads do not use it at once."""

    def __init__(self) -> None:
        self.due_at = float("inf")
        """When they should be told, by the monotonic clock."""
        self._ready_at = float("-inf")
        self._notes: dict[str | None, FailureNote] = {}

    def add(self, events: Iterable[JobEvent], now: float) -> None:
        for event in events:
            if event.status != "failed" or event.was == "failed" or event.kind not in ("created", "updated"):
                continue
            if event.state in UNCOUNTED:  # somebody meant it
                continue
            agent = event.agent if event.agent in self._notes or len(self._notes) < MOST_AGENTS else None
            note = self._notes.setdefault(agent, FailureNote(agent, 0, event))
            note.count += 1
        if self._notes:
            self.due_at = max(now, self._ready_at)

    def take(self, now: float) -> list[FailureNote]:
        """What has gathered; empty before it is due."""
        if now < self.due_at:
            return []
        taken = list(self._notes.values())
        self._notes = {}
        self.due_at, self._ready_at = float("inf"), now + PAUSE_S
        return taken
