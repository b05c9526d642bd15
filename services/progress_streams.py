"""The streams of jobs' progress: who gets what of the bus, and what stands in for what was lost."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from core import positions
from core.backlog import Frame
from core.event_log import Entry
from core.site import Site
from core.store import StoreError
from core.streams import Source, States, gap
from services import job_states_service, progress_dialect
from services.job_events import JobEvent
from services.job_model import Job

LIMIT = 10
"""Unread events that a client may hold which does not keep up."""
STATES_FRESH_S = 1.0
"""Present states are read at most so often, however many clients come back at once."""
ALL = "q"
OF_AGENT = "q:agent:"
OF_JOB = "q:job:"


class ProgressStreams:
    """One a process; hears of what the bus takes in."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._present: tuple[list[Job], positions.Position | None] = ([], None)

    def entries(self, entries: Sequence[Entry]) -> None:
        to: defaultdict[str, list[Frame]] = defaultdict(list)
        for entry in entries:
            frame = progress_dialect.frame(entry)
            if frame is not None:
                for channel in (ALL, f"{OF_AGENT}{entry.value.agent}", f"{OF_JOB}{entry.value.number}"):
                    to[channel].append(frame)
        self._site.hub.publish(to, entries[-1].serial)

    def gap(self, since: str, until: str) -> None:
        told = gap(since, until)
        for name in self._site.hub.names(ALL):
            try:
                states = self._states_of(name).frames
            except StoreError:
                self._site.hub.end(name)  # who comes back with what it had last gets both when they can be read
            else:
                self._site.hub.publish({name: [told, *states]})

    def degraded(self, reason: str, since: float) -> None:
        """As `core.streams.Announcer` says to all."""

    def recovered(self, reason: str, since: float) -> None:
        """As with degraded."""

    def all_jobs(self) -> Source:
        return self._source(ALL)

    def of_agent(self, agent: str) -> Source:
        return self._source(f"{OF_AGENT}{agent}")

    def of_job(self, number: int, first: States) -> Source:
        """The stream of one job, which begins with its present state, `first`."""
        return self._source(f"{OF_JOB}{number}", first)

    def by_stream(self) -> dict[str, int]:
        """Clients by what they listen to: `all`, a job's number, or `agent:NAME`."""
        hub = self._site.hub
        return {_said(name): hub.listeners(name) for name in hub.names(ALL)}

    def first_of(self, number: int) -> States | None:
        """The present state of a job; None where there is none. Raises StoreError."""
        job, position = job_states_service.one(self._site, number)
        if job is None:
            return None
        return self._states([job] if isinstance(job, Job) else [], position)

    def _source(self, channel: str, first: States | None = None) -> Source:
        is_for = _filter(channel)

        def missed(entry: Entry) -> Frame | None:
            return progress_dialect.frame(entry) if entry.kind == "e" and is_for(entry.value) else None

        return Source((channel,), limit=LIMIT, states=first, missed=missed, present=lambda: self._states_of(channel))

    def _states_of(self, channel: str) -> States:
        """Present states for a channel. Raises StoreError."""
        if channel.startswith(OF_JOB):
            return self.first_of(int(channel.removeprefix(OF_JOB))) or States(())
        jobs, position = self._all_present()
        if channel.startswith(OF_AGENT):
            jobs = [job for job in jobs if job.agent == channel.removeprefix(OF_AGENT)]
        return self._states(jobs, position)

    def _all_present(self) -> tuple[list[Job], positions.Position | None]:
        with self._lock:
            if time.monotonic() - self._read_at > STATES_FRESH_S:
                self._present = job_states_service.present(self._site)
                self._read_at = time.monotonic()
            return self._present

    def _states(self, jobs: Iterable[Job], position: positions.Position | None) -> States:
        at = None if position is None else positions.text(position)
        return States([progress_dialect.state(job, at) for job in jobs], position)


def _filter(channel: str) -> Callable[[JobEvent], bool]:
    if channel.startswith(OF_JOB):
        number = int(channel.removeprefix(OF_JOB))
        return lambda event: event.number == number
    if channel.startswith(OF_AGENT):
        agent = channel.removeprefix(OF_AGENT)
        return lambda event: event.agent == agent
    return lambda event: True


def _said(channel: str) -> str:
    return "all" if channel == ALL else channel.removeprefix(OF_JOB).removeprefix("q:")
