"""Attempts of a task, in whatever order a follower reads what Celery says of them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import Logs, Masking
from core.settings import read
from core.site import Site
from services import jobs_service
from services.brokers import celery_event_words, celery_messages, celery_results, mirror
from services.brokers.celery_messages import Message
from services.brokers.celery_tasks import Tasks
from services.brokers.masking import Mask
from services.job_changes import JobRef
from services.job_model import Job
from services.job_rules import FINAL

AGENT = "shop"
Act = tuple[str, int]
"""What happens, and to the attempt of which count of Celery's."""


@dataclass
class Run:
    """A task with so many retries, as Celery runs it: what happens in an order that can be, with its times."""

    id: str
    retries: int
    countdown_ms: int
    is_tracked: bool
    is_extended: bool
    ends_well: bool
    is_prompt: bool
    """Whether its worker says of an attempt that it began before the next is published, and how it ended before that begins: who begins to
    listen in the midst can't tell them apart."""
    random: Random
    now_ms: int
    done: set[Act] = field(default_factory=set)
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Those of its worker that are on their way, each with the count that it tells of."""
    sent: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Those of senders, which come when they come."""
    key: dict[str, Any] | None = None
    """Its result as it stands."""
    due: dict[int, float] = field(default_factory=dict)

    def acts(self) -> list[Act]:
        """What may happen next."""
        return [act for act, before in self._order().items() if act not in self.done and before <= self.done]

    def _order(self) -> dict[Act, set[Act]]:
        """Before each thing comes what. An attempt is published, received, begun, and over once the next is published. The order of what
        its worker says of one attempt and of the next is open where it can be, as is that of the results that both leave."""
        order = dict[Act, set[Act]]()
        for k in range(self.retries + 1):
            ran = {("key STARTED", k)} if self.is_tracked else {("task-received", k)}
            order["published", k] = {("key STARTED" if self.is_tracked else "task-received", k - 1)} if k else set()
            order["task-sent", k] = {("published", k)}
            order["task-received", k] = {("published", k)}
            order["task-started", k] = {("task-received", k)} | ({("task-started", k - 1)} if k else set())
            if self.is_tracked:
                order["key STARTED", k] = {("task-received", k)}
            if k and self.is_prompt:
                order["published", k].add(("task-started", k - 1))
                order["task-started", k].add(("task-retried", k - 1))
            if k < self.retries:
                order["key RETRY", k] = {("published", k + 1)}
                order["task-retried", k] = {("key RETRY", k), ("task-started", k)} | (
                    {("task-retried", k - 1)} if k else set()
                )
            else:
                order["key end", k] = ran
                order["task-end", k] = {("key end", k), ("task-started", k)}
        return order

    def do(self, act: Act) -> None:
        what, k = act
        self.done.add(act)
        self.now_ms += self.random.choice((0, 1, 7, 40))
        if what in ("task-started", "key STARTED", "key end"):
            self.now_ms = max(self.now_ms, int(self.due.get(k, 0)))
        if what == "published" and k and self.countdown_ms:
            self.due[k] = self.now_ms + self.countdown_ms
        if what.startswith("key "):
            self.key = self._result(what.removeprefix("key "), k)
        elif what.startswith("task-"):
            event = {"type": what, "uuid": self.id, "timestamp": self.now_ms / 1000, **self._said(what, k)}
            (self.sent if what == "task-sent" else self.events).append((k, event))

    def _said(self, what: str, k: int) -> dict[str, Any]:
        if what == "task-end":
            if self.ends_well:
                return {"type": "task-succeeded", "hostname": "w@h", "result": "1", "runtime": 0.001}
            return {"type": "task-failed", "hostname": "w@h", "exception": "E('end')", "traceback": error(k)}
        if what in ("task-sent", "task-received"):
            return {"hostname": "w@h", "name": "shop.f", "retries": k, "eta": self._eta(k), "queue": "mail"}
        return {"hostname": "w@h"} | ({"exception": "Retry()", "traceback": error(k)} if what == "task-retried" else {})

    def _result(self, status: str, k: int) -> dict[str, Any]:
        status = status if status != "end" else "SUCCESS" if self.ends_well else "FAILURE"
        failed = status in ("RETRY", "FAILURE")
        return {
            "status": status,
            "result": {"exc_type": "E", "exc_message": ["no"]} if failed else None,
            "traceback": error(k) if failed else None,
            "date_done": iso(self.now_ms) if status in ("SUCCESS", "FAILURE") else None,
            **({"retries": k, "worker": "w@h"} if self.is_extended else {}),
            "of": k,
        }

    def _eta(self, k: int) -> str | None:
        return iso(self.due[k]) if k in self.due else None

    def message(self) -> tuple[int, str] | None:
        """The last message where it stands now: in its list, or with its worker, which did not acknowledge it."""
        k = max((k for what, k in self.done if what == "published"), default=0)
        if ("published", k) not in self.done or {("task-started", k), ("key STARTED", k), ("key end", k)} & self.done:
            return None
        return k, "unacked" if ("task-received", k) in self.done else "list"

    def headers(self, k: int) -> dict[str, Any]:
        return {"id": self.id, "task": "shop.f", "retries": k, "eta": self._eta(k)}


def iso(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def error(k: int) -> str:
    return f"Traceback\nE: {k}"


@dataclass
class Reader:
    """Follows a run as a follower does, and knows what it was told of until Headway's job had ended."""

    site: Site
    run: Run
    misses: int
    """So many events it misses at first."""
    tasks: Tasks = field(default_factory=lambda: Tasks(Mask(Masking(), read({"HEADWAY_AUTH": "off"}), Logs())))
    heard: int = 0
    count: int = -1
    """The highest that was told."""
    explained: set[int] = field(default_factory=set)
    """Attempts of which their worker said why they are tried again."""
    begun: set[int] = field(default_factory=set)
    job: Job | None = None

    @property
    def is_over(self) -> bool:
        return self.job is not None and self.job.status in FINAL

    def hear(self, told: list[tuple[int, dict[str, Any]]], place: int) -> None:
        k, event = told.pop(place)
        self.heard += 1
        if self.heard <= self.misses:
            return
        celery_event_words.take(self.tasks, event)
        if not self.is_over:
            self.count = max(self.count, event.get("retries", -1))
            if event["type"] == "task-retried":
                self.explained.add(k)
            if event["type"] == "task-started":
                self.begun.add(k)

    def look_at_result(self) -> None:
        if self.run.key is None:
            return
        celery_results.take(self.tasks, self.run.id, json.dumps(self.run.key), self.run.now_ms)
        if not self.is_over:
            self.count = max(self.count, self.run.key.get("retries", -1))

    def look_at_message(self) -> None:
        if (found := self.run.message()) is None:
            return
        k, place = found
        message = Message(properties=celery_messages.Properties(), headers=self.run.headers(k))
        if place == "list":
            celery_messages.waits(self.tasks, message, "mail", self.run.now_ms, is_new=True)
        else:
            celery_messages.is_reserved(self.tasks, message, "mail", self.run.now_ms)
        if not self.is_over:
            self.count = max(self.count, k)

    def tell(self) -> None:
        mirror.take(self.site, AGENT, "celery", self.tasks.changed())
        found = jobs_service.get(self.site, JobRef(agent=AGENT, id=self.run.id))
        if not self.is_over:
            self.job = found if isinstance(found, Job) else None

    def follow(self, random: Random) -> None:
        """The run to its end, as it goes on meanwhile."""
        while (acts := self.run.acts()) or self.run.events or self.run.sent:
            turn = random.choice(("act", "act", "act", "event", "event", "sent", "result", "message", "tell"))
            if turn == "act" and acts:
                self.run.do(random.choice(acts))
            elif turn == "event" and self.run.events:
                self.hear(self.run.events, 0)
            elif turn == "sent" and self.run.sent:
                self.hear(self.run.sent, random.randrange(len(self.run.sent)))
            elif turn == "result":
                self.look_at_result()
            elif turn == "message":
                self.look_at_message()
            elif turn == "tell":
                self.tell()
        self.tell()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    retries=st.integers(0, 4),
    countdown_ms=st.sampled_from((0, 0, 500, 900_000)),
    is_tracked=st.booleans(),
    is_extended=st.booleans(),
    ends_well=st.booleans(),
    missed=st.one_of(st.just(0), st.integers(0, 12)),
    seed=st.integers(0, 2**32),
)
def test_a_task_has_as_many_attempts_as_celery_made_however_it_is_read(
    site: Site,
    retries: int,
    countdown_ms: int,
    is_tracked: bool,
    is_extended: bool,
    ends_well: bool,
    missed: int,
    seed: int,
) -> None:
    random = Random(seed)
    began_ms = int(site.clock() * 1000) - 1_000
    run = Run(
        str(uuid.uuid4()), retries, countdown_ms, is_tracked, is_extended, ends_well, missed > 0, random, began_ms
    )
    reader = Reader(site, run, missed)
    reader.follow(random)
    if reader.job is None:
        assert missed  # all
    else:
        check(reader, reader.job)


def check(reader: Reader, job: Job) -> None:
    run = reader.run
    assert job.attempt <= run.retries + 1
    assert job.attempt >= reader.count + 1
    numbers = [one.attempt for one in job.attempts]
    assert numbers == sorted(set(numbers))
    assert all(number < job.attempt for number in numbers)
    if reader.misses:
        return
    assert job.state == ("finished" if run.ends_well else "failed")
    assert {k + 1 for k in reader.begun | reader.explained} - {job.attempt} <= set(numbers)
    errors = {one.attempt - 1: one.error for one in job.attempts}
    for k in reader.explained:
        assert errors.get(k) == error(k)
    if run.is_extended:
        assert all(told in (None, error(k)) for k, told in errors.items())
