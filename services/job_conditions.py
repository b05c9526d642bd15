"""What a search for jobs means: to the store's indexes, to the archive, and of one job that is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from services import archive_words
from services.archive_filter import OUTCOMES, Filter, Outcome
from services.archive_words import Sought, Term
from services.job_model import Job, to_ms
from services.job_query import JobQuery
from services.job_query_values import moment_ms
from services.job_rules import FINAL, STATUSES, UNCOUNTED, State, Status
from services.live_search import Conditions

GOING_ON: tuple[Status, ...] = tuple(status for status in STATUSES if status not in FINAL)
_LAST_STATES: tuple[State, ...] = ("finished", "stopped", "canceled", "deleted")
"""States of engines that the archive tells apart by themselves; `failed` may be a reported job's too."""


def live(query: JobQuery) -> Conditions:
    """What the store's indexes know of it: all but text, times, durations, stages and ids."""
    return Conditions(
        statuses=query.status,
        states=query.state,
        agents=query.agent,
        queue=query.queue,
        function=query.function,
        worker=query.worker,
        error=query.error,
        tag=query.tag,
    )


@dataclass(frozen=True, slots=True)
class Ends:
    """The bounds of when a job ended, in ms; `until_ms` itself is out of them."""

    since_ms: int | None
    until_ms: int | None


def ends(query: JobQuery, now: float) -> Ends:
    """`now` in seconds since the epoch."""
    since, until = (None if said is None else moment_ms(said, now) for said in (query.after, query.before))
    return Ends(since, until)


def archived(query: JobQuery, now: float, below_ms: int | None = None) -> tuple[Filter, ...]:
    """Filters of which each finds some of the jobs and all together all of them, of those that ended before `below_ms`; none where
    no ended job can fit. Where a state is asked for, what they find has to be asked for it once more: `holds`."""
    asked = ends(query, now)
    until_ms = min((ms for ms in (asked.until_ms, below_ms) if ms is not None), default=None)
    names = (query.id, query.queue, query.function, query.error, query.agent, query.worker, query.tag, query.stage)
    return tuple(
        Filter(
            text=query.text,
            status=status,
            states=() if state is None else (state,),
            job=job,
            queue=queue,
            function=function,
            error_type=error,
            agent=agent,
            worker=worker,
            tag=tag,
            stage=stage,
            since_ms=asked.since_ms,
            until_ms=until_ms,
            least_ms=query.least_ms,
            most_ms=query.most_ms,
        )
        for status, state in _outcomes(query)
        for job, queue, function, error, agent, worker, tag, stage in product(*(each or (None,) for each in names))
    )


def _outcomes(query: JobQuery) -> Iterator[tuple[Outcome | None, State | None]]:
    """The pairs of a status and a state that ended jobs may have."""
    outcomes = [outcome for outcome in OUTCOMES if not query.status or outcome in query.status]
    if query.state:
        yield from ((outcome, None) for outcome in outcomes if outcome in query.state)
        states = [state for state in _LAST_STATES if not (query.status and state in UNCOUNTED)]
        yield from ((None, state) for state in states if outcomes and state in query.state)
    elif not query.status:
        yield None, None
    else:
        yield from ((outcome, None) for outcome in outcomes)


def holds(query: JobQuery, job: Job) -> bool:
    """Whether a job is what the query names, apart from its text, times and durations."""
    state = job.state or (job.status if job.queue or job.engine else None)
    return (
        (not query.status or (job.status in query.status and state not in UNCOUNTED))
        and (not query.state or state in query.state)
        and (not query.tag or any(tag in query.tag for tag in job.tags))
        and (not query.id or any(is_named(job, ref) for ref in query.id))
        and all(
            not wanted or named in wanted
            for wanted, named in (
                (query.agent, job.agent),
                (query.queue, job.queue),
                (query.function, job.function),
                (query.worker, job.worker),
                (query.error, job.error_type),
                (query.stage, job.failed_stage),
            )
        )
    )


def is_named(job: Job, ref: str) -> bool:
    """Whether that is its number (`17`, `#17`) or its id, here or at its engine."""
    return ref.removeprefix("#") == str(job.number) or ref in (job.id, job.engine_id)


def ended_ms(job: Job) -> int:
    """When an ended job did so, as the archive has it."""
    return to_ms(job.finished_at or job.updated_at)


def fits(query: JobQuery, job: Job, now: float) -> bool:
    """Whether an ended job is all that the query says, read as the archive reads it."""
    bounds, at = ends(query, now), ended_ms(job)
    took_ms = max(0, at - to_ms(job.started_at or job.created_at))
    return (
        job.is_final
        and holds(query, job)
        and (bounds.since_ms is None or at >= bounds.since_ms)
        and (bounds.until_ms is None or at < bounds.until_ms)
        and (query.least_ms is None or took_ms >= query.least_ms)
        and (query.most_ms is None or took_ms <= query.most_ms)
        and _has(job, archive_words.read(query.text))
    )


def _has(job: Job, sought: Sought) -> bool:
    if not sought:
        return True
    texts = [archive_words.words_of(text) for text in (job.title, job.message, job.error) if text]
    return all(_stands(term, texts) for term in sought.wanted) and not any(
        _stands(term, texts) for term in sought.excluded
    )


def _stands(term: Term, texts: list[tuple[str, ...]]) -> bool:
    *whole, last = term.words
    length = len(term.words)
    return any(
        list(text[at : at + length - 1]) == whole
        and (text[at + length - 1].startswith(last) if term.prefix else text[at + length - 1] == last)
        for text in texts
        for at in range(len(text) - length + 1)
    )
