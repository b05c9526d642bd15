"""Jobs: what is said of them comes in here, and is read here again.

Every write is the script `apply` in the store, whole or not at all; every count comes from an index. What the store
raises passes through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core import keys
from core.fields import FieldError
from core.site import Site
from services import job_calls, job_changes, job_counts
from services.job_calls import CHUNK, Kind
from services.job_changes import Change, JobRef
from services.job_counts import COUNTED, Counted
from services.job_model import DamagedJob, Job, from_record
from services.job_rules import DEFAULT_AGENT, STATUSES, HistoryRow, NewJob, Status, Update

DAMAGED = "the job's record in the store is damaged: create it anew with an id"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an update, and the job as it stands now. `kept`: it was late, repeated, or after the end."""

    kind: Kind
    job: Job | DamagedJob | None


@dataclass(frozen=True, slots=True)
class Rejected:
    line: int
    detail: str


@dataclass(slots=True)
class BatchReport:
    """What became of a batch so far; it grows as the batch is taken."""

    accepted: int = 0
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JobPage:
    """Newest first. A cursor is None where there is no further page on that side."""

    items: tuple[Job | DamagedJob, ...]
    next_cursor: int | None
    previous_cursor: int | None
    total: int


@dataclass(frozen=True, slots=True)
class AgentCounts:
    """An agent's jobs, each counted once: `failed` leaves out those that were ended on purpose, which are `canceled`."""

    agent: str
    last_seen_ms: int
    queued: int
    processing: int
    completed: int
    failed: int
    canceled: int


def create(site: Site, new: NewJob) -> Outcome:
    """Create a job; one whose id exists stays as it is (`kept`). Raises FieldError, redis.RedisError."""
    outcome = apply(site, site.store.partition_of(new.agent or DEFAULT_AGENT), job_changes.creation(new))
    own = isinstance(outcome.job, Job) and new.id is None
    return Outcome("created", outcome.job) if own else outcome


def update(site: Site, ref: JobRef, new: Update) -> Outcome:
    """Change a job, in the order that the update names or in that of arrival. Raises FieldError, redis.RedisError."""
    return apply(site, ref.partition(site.store), job_changes.update(ref, new))


def apply(site: Site, partition: int, change: Change) -> Outcome:
    """Make one change of a job of a partition. Raises redis.RedisError."""
    ((kind, number, record),) = job_calls.run(site, partition, [change], want=True)
    job = from_record(int(number), record) if number and kind not in ("missing", "damaged") else None
    if kind == "damaged":
        job = DamagedJob(int(number))
    return Outcome(kind, job)


def batch(site: Site, lines: Iterable[tuple[int, bytes]], report: BatchReport) -> None:
    """Take numbered NDJSON lines, CHUNK at a time, and say in `report` what became of them.

    Good lines count even where others are bad. Raises redis.RedisError; `report` then tells of the chunks before.
    """
    chunk: list[tuple[int, int, Change]] = []
    for number, line in lines:
        try:
            ref, change = job_changes.of_line(line)
            chunk.append((number, ref.partition(site.store), change))
        except ValueError as fault:
            report.rejected.append(Rejected(number, str(fault)))
        if len(chunk) == CHUNK:
            _take(site, chunk, report)
            chunk = []
    _take(site, chunk, report)
    report.rejected.sort(key=lambda one: one.line)


def store_rows(site: Site, rows: Sequence[HistoryRow]) -> list[str]:
    """Take rows of job history; for each `applied`, `unchanged`, or why it was not taken.

    No live counter moves for them; the lists and counts by status do. Raises redis.RedisError.
    """
    answers = [""] * len(rows)
    chunk = []
    for place, row in enumerate(rows):
        try:
            chunk.append((place, site.store.partition_of(row.agent), job_changes.of_row(row)))
        except FieldError as fault:
            answers[place] = str(fault)
    words = {"created": "applied", "applied": "applied", "kept": "unchanged"}
    for place, kind in job_calls.run_all(site, chunk):
        answers[place] = words.get(kind, DAMAGED)
    return answers


def apply_all(site: Site, agent: str, changes: Sequence[Change]) -> list[Kind]:
    """Make changes of an agent's jobs, in their order; what became of each. Raises redis.RedisError."""
    partition = site.store.partition_of(agent)
    placed = ((place, partition, change) for place, change in enumerate(changes))
    return [kind for _, kind in job_calls.run_all(site, placed)]


def get(site: Site, ref: JobRef) -> Job | DamagedJob | None:
    """The job, None where there is none. Raises redis.RedisError."""
    partition, number = ref.partition(site.store), ref.number
    if number is None:
        found = site.store.redis.hget(keys.IDS.at(partition, ref.agent), ref.id)
        if found is None:
            return None
        number = int(str(found))
    with site.store.raw.pipeline(transaction=False) as pipeline:
        pipeline.get(keys.JOB.at(partition, number))
        for status in STATUSES:
            pipeline.zscore(keys.STATUS.at(partition, status), str(number))
        record, *scores = pipeline.execute(raise_on_error=False)
    for score in scores:
        if isinstance(score, Exception):
            raise score
    is_listed = any(score is not None for score in scores)
    return from_record(number, record) if is_listed or isinstance(record, bytes) else None


def page(
    site: Site,
    *,
    status: Status | None = None,
    agent: str | None = None,
    limit: int = 50,
    before: int | None = None,
    after: int | None = None,
) -> JobPage:
    """One page of jobs, newest first: the newest, those before a number, or those just after one.

    Costs the same wherever the page lies. Raises redis.RedisError.
    """
    partitions = range(site.store.partitions) if agent is None else (site.store.partition_of(agent),)
    call = {
        "statuses": [status] if status else list(STATUSES),
        **({"agent": agent} if agent is not None else {}),
        **({"above": after} if after is not None else {"below": before} if before is not None else {}),
        "limit": limit + 1,
    }
    found, total = list[tuple[int, bytes | None]](), 0
    for partition in partitions:
        count, *flat = site.store.scripts.run("page", partition, call)
        total += count
        found += zip((int(number) for number in flat[::2]), flat[1::2], strict=True)
    found.sort(key=lambda one: one[0], reverse=after is None)
    more, found = len(found) > limit, found[:limit]
    if after is not None:
        found.reverse()
    jobs = tuple(from_record(number, record) for number, record in found)
    older = more if after is None else after > 0
    newer = more if after is not None else before is not None
    return JobPage(
        jobs,
        next_cursor=jobs[-1].number if jobs and older else None,
        previous_cursor=jobs[0].number if jobs and newer else None,
        total=total,
    )


def counts(site: Site, agent: str | None = None) -> dict[Counted, int]:
    """How many jobs there are of each status, of all or of an agent, from the indexes; those that were ended on purpose are `canceled`
    and not `failed`. Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        job_counts.ask(pipeline, site.store, agent)
        return job_counts.told(pipeline.execute(), site.store.partitions if agent is None else 1)


def waiting_since(job: Job) -> datetime:
    """Since when a job that has not begun waits."""
    return job.enqueued_at or (job.created_at if job.attempt == 1 else job.updated_at)


def agents(site: Site, limit: int = 50, skip: int = 0) -> tuple[AgentCounts, ...]:
    """The agents behind the `skip` that were seen last, latest first, with their jobs by status. Raises redis.RedisError."""
    seen = list[tuple[int, str]]()
    for partition in range(site.store.partitions):
        found: Any = site.store.redis.zrange(keys.AGENTS.at(partition), 0, skip + limit - 1, desc=True, withscores=True)
        seen += [(int(at), name) for name, at in found]
    seen = sorted(seen, reverse=True)[skip : skip + limit]
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for _, name in seen:
            job_counts.ask(pipeline, site.store, name)
        sizes, width = pipeline.execute(), len(COUNTED)
    return tuple(
        AgentCounts(name, at, **job_counts.told(sizes[width * i : width * (i + 1)]))
        for i, (at, name) in enumerate(seen)
    )


def _take(site: Site, chunk: list[tuple[int, int, Change]], report: BatchReport) -> None:
    for line, kind in job_calls.run_all(site, chunk):
        if kind == "missing":
            report.rejected.append(Rejected(line, "queue_id: no job has this number"))
        elif kind == "damaged":
            report.rejected.append(Rejected(line, f"queue_id: {DAMAGED}"))
        else:
            report.accepted += 1
