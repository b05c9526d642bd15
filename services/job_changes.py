"""What is said of a job, turned into what the script `apply` takes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from core.fields import FieldError, check
from core.store import Store
from services import error_types, job_json, job_rules
from services.job_model import to_ms
from services.job_rules import DEFAULT_AGENT, HistoryRow, Line, NewJob, PastAttempt, PastStage, Update

MOST_LINE = 64 * 1024
"""Bytes of a line of a batch."""


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job by its number, or by its agent and id."""

    number: int | None = None
    agent: str = DEFAULT_AGENT
    id: str = ""

    def partition(self, store: Store) -> int:
        """Where the job lives: its number tells, or else its agent."""
        if self.number is not None:
            return self.number % store.partitions
        return store.partition_of(self.agent)


class Change(Struct, omit_defaults=True):
    """An update as the script takes it; `core/scripts/apply.lua` says what the letters mean."""

    o: str
    n: int | None = None
    a: str | None = None
    i: str | None = None
    t: int | UnsetType = UNSET
    q: int | UnsetType = UNSET
    w: int | None = None
    s: str | UnsetType = UNSET
    g: str | None = None
    p: float | UnsetType = UNSET
    m: str | None = None
    e: str | None = None
    r: str | None = None
    d: str | None = None
    l: str | None = None  # noqa: E741
    ca: int | None = None
    sa: int | None = None
    fa: int | None = None
    st: list[list[Any]] | None = None
    v: str | None = None
    ep: str | None = None
    pub: bool | UnsetType = UNSET
    fs: str | None = None
    pa: list[dict[str, Any]] | None = None
    en: str | None = None
    xi: str | None = None
    qu: str | None = None
    fn: str | None = None
    wk: str | None = None
    x: str | None = None
    et: str | None = None
    du: int | None = None
    qa: int | None = None
    tg: Sequence[str] | None = None

    @property
    def text_length(self) -> int:
        """Characters of the fields that may be long."""
        attempts = sum(len(each.get("error", "")) for each in self.pa or ())
        return attempts + sum(len(text) for text in (self.m, self.e, self.r, self.d) if text)


def creation(new: NewJob) -> Change:
    """Raises FieldError."""
    return Change(
        "create",
        a=new.agent or DEFAULT_AGENT,
        # Named here, not in the store: a call that is repeated after a lost answer finds its own job.
        i=new.id or str(uuid.uuid4()),
        t=new.attempt,
        q=new.seq,
        w=_ms(new.timestamp),
        l=new.title,
        m=new.message,
        d=_json(new.metadata, "metadata"),
        qu=new.queue,
        fn=new.function,
        wk=new.worker,
        tg=new.tags,
    )


def update(ref: JobRef, new: Update) -> Change:
    """Raises FieldError."""
    return _aimed("update", ref, new)


def of_line(data: bytes) -> tuple[JobRef, Change]:
    """The job that a line of a batch is about, and what it says. Raises ValueError with what is wrong."""
    if len(data) > MOST_LINE:
        raise FieldError("the line", f"is {len(data):,} bytes; {MOST_LINE:,} is the most")
    line = check(Line, job_json.decode(data))
    if isinstance(line.queue_id, int):
        ref = JobRef(number=line.queue_id)
        return ref, _aimed("update", ref, line)
    ref = JobRef(agent=line.agent or DEFAULT_AGENT, id=line.id or str(uuid.uuid4()))
    return ref, _aimed("put", ref, line)


def _aimed(op: str, ref: JobRef, new: Update) -> Change:
    if new.stage and new.current_step and new.stage != new.current_step:
        raise FieldError("stage", "is another name for current_step: send one of the two")
    by_number = ref.number is not None
    return Change(
        op,
        n=ref.number,
        a=None if by_number else ref.agent,
        i=None if by_number else ref.id,
        t=new.attempt,
        q=new.seq,
        w=_ms(new.timestamp),
        s=new.status,
        g=new.current_step or new.stage,
        p=new.progress,
        m=new.message,
        e=new.error,
        r=_json(new.result, "result"),
        d=_json(new.metadata, "metadata"),
        l=new.title,
        qu=new.queue,
        fn=new.function,
        wk=new.worker,
        et=new.error_type or error_types.of(new.error),
        tg=new.tags,
    )


def of_row(row: HistoryRow) -> Change:
    """Raises FieldError."""
    return Change(
        "import",
        a=row.agent,
        i=row.id,
        t=row.attempt,
        s=row.status,
        g=row.stage,
        p=UNSET if row.progress is None else row.progress,
        m=row.message,
        e=row.error,
        r=_json(row.result, "result"),
        d=_json(row.metadata, "metadata"),
        l=row.title,
        ca=_ms(row.created_at),
        sa=_ms(row.started_at),
        fa=_ms(row.finished_at),
        st=_stages(row.stages) or None,
        v=row.video_id,
        ep=row.episode_id,
        pub=UNSET if row.published is None else row.published,
        fs=row.failed_stage,
        pa=_attempts(row.attempts) or None,
        en=row.engine,
        xi=row.engine_id,
        qu=row.queue,
        fn=row.function,
        wk=row.worker,
        x=row.state,
        et=row.error_type or error_types.of(row.error),
        qa=_ms(row.enqueued_at),
        tg=row.tags,
    )


def _stages(told: Sequence[PastStage] | None) -> list[list[Any]]:
    return [[s.name, to_ms(s.started_at), to_ms(s.finished_at) if s.finished_at else 0] for s in told or ()]


def _attempts(told: Sequence[PastAttempt] | None) -> list[dict[str, Any]]:
    """As records hold them."""
    job_rules.as_json(told, "attempts", job_rules.MOST_ATTEMPTS)
    return [
        {
            name: value
            for name, value in {
                "attempt": each.attempt,
                "status": each.status,
                "progress": each.progress,
                "error": each.error,
                "failedStage": each.failed_stage,
                "started": _ms(each.started_at),
                "finished": _ms(each.finished_at),
                "stages": _stages(each.stages) or None,
            }.items()
            if value is not None
        }
        for each in told or ()
    ]


def _json(value: object, field: str) -> str | None:
    return None if value is None else job_rules.as_json(value, field)


def _ms(time: datetime | UnsetType | None) -> int | None:
    return to_ms(time) if isinstance(time, datetime) else None
