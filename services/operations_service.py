"""One action on many jobs: looked at before, begun by anybody, gone on with by the process that leads, a job at a time.

Each job is noted before it is tried, so that a process that is killed leaves at most one of which nobody knows, and that is not
tried again.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

from core.site import Site
from core.store import StoreError
from services import audit_service, jobs_service, live_search, operation_previews, operation_records
from services.audit_service import Entry, Result, Who
from services.brokers import actions, possible
from services.brokers.action_model import ActionRefused, Changed, JobAction, Seen
from services.brokers.model import BrokerError, Unreached
from services.job_changes import JobRef
from services.job_model import Job
from services.job_rules import State
from services.live_search import Conditions
from services.operation_records import MOST_FAULTS, Asked, Chosen, Fault, Progress

log = logging.getLogger("headway.operations")

EVERY_S = 0.5
SLICE_S = 2.0
"""So long an operation goes on before the next one has its turn."""
PAGE = 100
MOST_CHOSEN = 500
AWAY_AFTER = 3
"""Failures of an engine in a row after which it is taken to be away."""
NOBODY_KNOWS = "What was at it broke off, and nobody knows whether it was done: look at the job."


def look(site: Site, numbers: Sequence[int]) -> list[Chosen]:
    """Jobs as they are now, to be chosen as they are. Those that are gone are left out. Raises StoreError."""
    found = [jobs_service.get(site, JobRef(number=number)) for number in dict.fromkeys(numbers[:MOST_CHOSEN])]
    return [Chosen(job.number, job.state, job.attempt) for job in found if isinstance(job, Job)]


def start_chosen(site: Site, who: Who, action: JobAction, chosen: Sequence[Chosen], to: str | None = None) -> int:
    """Begin an action on chosen jobs, and answer the operation's number. Raises StoreError."""
    words = f"{len(chosen)} chosen jobs" if len(chosen) != 1 else "1 chosen job"
    return _start(site, who, action, to, words, len(chosen), Progress(), chosen=list(chosen))


def start_matching(
    site: Site, who: Who, action: JobAction, conditions: Conditions, words: str, to: str | None = None
) -> int:
    """Begin an action on all jobs there are now that match; `words` is the query. Raises StoreError."""
    newest = jobs_service.page(site, limit=1).items
    below = newest[0].number + 1 if newest else 1
    expected = operation_previews.of_matching(site, action, conditions).can
    return _start(site, who, action, to, words, expected, Progress(next=below), conditions)


def stop(site: Site, who: Who, number: int) -> Entry:
    """Let it end after the job that it is at. Raises StoreError."""
    return audit_service.noted(site, who, "stop", f"operation {number}", lambda: _ask_to_stop(site, number))


class Work:
    """What the leading process does: goes on with every operation that is open, each a slice at a time."""

    def __init__(self) -> None:
        self._holder = secrets.token_hex(8)

    def run(self, site: Site) -> None:
        """Raises StoreError."""
        for number in operation_records.open_ones(site):
            operation = operation_records.get(site, number)
            if operation is None:
                operation_records.close(site, number)
                continue
            try:
                self._go_on(site, operation.asked)
            except StoreError:
                raise
            except Exception:
                # The border around an operation: whatever went wrong in one, the others go on.
                log.exception("Operation %d failed, and goes on behind the job that it was at", number)

    def _go_on(self, site: Site, asked: Asked) -> None:
        held = operation_records.go_on(site, asked.number, self._holder)
        if held is None:
            return
        progress, _ = held
        if progress.doing is not None:
            _count(progress, "failed", progress.doing, NOBODY_KNOWS)
        if not self._is_through_slice(site, asked, progress):
            return
        if progress.state != "running" and progress.ended_at is None:
            progress.ended_at = site.clock()
            if progress.state == "done":
                progress.gone = max(0, asked.expected - progress.tried)
        if operation_records.go_on(site, asked.number, self._holder, progress) and progress.state != "running":
            _end(site, asked, progress)

    def _is_through_slice(self, site: Site, asked: Asked, progress: Progress) -> bool:
        """Go on for a slice of time. False where another process has it by now."""
        until = time.monotonic() + SLICE_S
        with actions.Engines(site) as engines:
            while progress.state == "running" and time.monotonic() < until:
                for one, onward in _next(site, asked, progress):
                    if progress.state != "running" or time.monotonic() >= until:
                        break
                    progress.doing, progress.next = one.number, onward
                    held = operation_records.go_on(site, asked.number, self._holder, progress)
                    if held is None:
                        return False
                    if held[1]:
                        progress.state, progress.doing = "stopped", None
                    else:
                        _try(site, engines, asked, one, progress)
        return True


def _try(site: Site, engines: actions.Engines, asked: Asked, one: Chosen, progress: Progress) -> None:
    seen, away = Seen(one.state, one.attempt) if one.state else None, 0
    try:
        actions.act(site, engines, asked.action, one.number, seen, asked.to)
    except Changed as fault:
        _count(progress, "changed", one.number, str(fault))
    except ActionRefused as fault:
        _count(progress, "refused", one.number, str(fault))
    except BrokerError as fault:
        what = "Nothing was done" if isinstance(fault, Unreached) else "Nobody knows whether it was done"
        _count(progress, "failed", one.number, f"{what}, because {fault}.")
        away = progress.away + 1
        if away == AWAY_AFTER:
            progress.state, progress.why = "broken", str(fault)
    else:
        progress.done, progress.doing = progress.done + 1, None
    progress.away = away


def _next(site: Site, asked: Asked, progress: Progress) -> list[tuple[Chosen, int]]:
    """The next jobs, each with where to go on behind it. Where there are none, `progress` says so, or where to look next."""
    if asked.conditions is None:
        chosen = operation_records.chosen(site, asked.number, progress.next, PAGE)
        if not chosen:
            progress.state = "done"
        return [(one, progress.next + place) for place, one in enumerate(chosen, 1)]
    here = _narrowed(site, asked.action, asked.conditions)
    found = live_search.find(site, here, before=progress.next, limit=PAGE) if here else None
    if found is None or (not found.items and found.next_cursor is None):
        progress.state = "done"
        return []
    jobs = [job for job in found.items if isinstance(job, Job)]
    if not jobs:
        progress.next = found.items[-1].number if found.items else found.next_cursor or 0
    return [(Chosen(job.number, job.state, job.attempt), job.number) for job in jobs]


def _narrowed(site: Site, action: JobAction, conditions: Conditions) -> Conditions | None:
    """Only what the action can be done to; None where that is nothing."""
    agents, states = list[str](), set[State]()
    for broker in actions.brokers(site):
        can = {
            state
            for state in operation_previews.states_of(conditions)
            if possible.of_job(broker.kind, state, broker)[action] is None
        }
        if can and (not conditions.agents or broker.agent in conditions.agents):
            agents.append(broker.agent)
            states |= can
    return replace(conditions, agents=tuple(agents), states=tuple(sorted(states))) if agents else None


def _start(
    site: Site,
    who: Who,
    action: JobAction,
    to: str | None,
    words: str,
    expected: int,
    progress: Progress,
    conditions: Conditions | None = None,
    chosen: Sequence[Chosen] = (),
) -> int:
    number = operation_records.number(site)
    entry = audit_service.begin(site, who, f"{action} to {to}" if to else action, f"operation {number}: {words}")
    asked = Asked(
        number=number,
        at=site.clock(),
        who=who,
        action=action,
        to=to,
        conditions=conditions,
        words=words,
        expected=expected,
        entry=entry,
    )
    operation_records.begin(site, asked, progress, list(chosen))
    return number


def _end(site: Site, asked: Asked, progress: Progress) -> None:
    operation_records.close(site, asked.number)
    ended = {"done": "", "stopped": "Stopped. ", "broken": f"Broken off, because {progress.why}. "}[progress.state]
    audit_service.settle(site, asked.entry, _outcome(progress), ended + _told(progress))


def _outcome(progress: Progress) -> Result:
    """What came of all of it: what was done to nothing is not done."""
    if progress.state == "broken" or (progress.failed and not progress.done):
        return "failed"
    if progress.done or not progress.tried:
        return "done"
    return "refused" if progress.refused else "changed"


def _told(progress: Progress) -> str:
    counts = (
        (progress.done, "done"),
        (progress.changed, "had changed"),
        (progress.refused, "refused"),
        (progress.failed, "failed"),
        (progress.gone, "matched no longer"),
    )
    told = ", ".join(f"{count:,} {words}" for count, words in counts if count)
    if progress.done:
        return f"{told}."
    return f"Nothing was done: {told}." if told else "Nothing was done."


def _ask_to_stop(site: Site, number: int) -> str:
    operation = operation_records.get(site, number)
    if operation is None:
        raise ActionRefused("There is no such operation any more.")
    if operation.progress.state != "running":
        raise ActionRefused("It has ended.")
    operation_records.ask_to_stop(site, number)
    return "It ends after the job that it is at."


def _count(progress: Progress, what: str, number: int, why: str) -> None:
    setattr(progress, what, getattr(progress, what) + 1)
    progress.doing = None
    if len(progress.faults) < MOST_FAULTS:
        progress.faults = (*progress.faults, Fault(number, why))
