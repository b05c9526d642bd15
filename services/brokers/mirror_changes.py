"""What an engine says of a job against what Headway's record says: which changes bring them together, by pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from core.config.brokers import Engine
from services import error_types
from services.brokers import mirror_texts
from services.brokers.mirror_records import Known, anew, attempts_before, attempts_told, changed
from services.brokers.mirror_texts import name_of
from services.brokers.model import LOST, STATUS_OF, EngineJob, State
from services.brokers.pickled_values import clean
from services.job_changes import Change
from services.job_rules import FINAL

PAST_MS = 60_000
"""A job whose end, or whose wait's beginning, is older than that when it is first seen is history, not news."""
SAME_MS = 5
"""Of two times that are no farther apart one event was told twice."""
ENDS: dict[State, str] = {
    "stopped": "It was stopped at work",
    "canceled": "It was canceled",
    "deleted": "Its engine knows it no longer",
}
"""What is said of an end where nobody says more."""

Aim = tuple[str, str, Engine, str]
"""Agent, our id, engine, the engine's id."""


def changes(aim: Aim, record: Known | None, told: Sequence[EngineJob], now_ms: int) -> list[Change]:
    """What makes the record say what is told of the job, in this order: as few changes as tell each attempt and how it ended."""
    made = list[Change]()
    pending = told[0]
    for job in told[1:]:
        stands = _stands(_soon(record, pending), job)
        if stands is _ANEW or (stands is _GOES_ON and pending.state == "retrying" != job.state):
            if (change := _change(aim, record, pending, now_ms)) is not None:
                made.append(change)
                record = changed(record, change)
            pending = job
        elif stands is _GOES_ON:
            pending = _together(pending, job)
    if (change := _change(aim, record, pending, now_ms)) is not None:
        made.append(change)
    return made


_ANEW, _GOES_ON, _OLDER = object(), object(), object()


def _stands(record: Known, job: EngineJob) -> object:
    """Whether a job begins anew, goes on as recorded, or is older news."""
    status = STATUS_OF[job.state]
    begins_later = _is_after(job.started_ms, record.engine_start)
    if _is_concluded(record):
        return _OLDER if _is_concluded(job) else _ANEW
    if record.is_ended_elsewhere and not (begins_later and _is_after(job.started_ms, record.finished)):
        if status in FINAL:
            # The script lets the end stand that was told first; that it failed after all is told all the same.
            return _ANEW if record.status == "completed" and job.state in ("failed", "stopped") else _GOES_ON
        return _OLDER if job.state == "started" or _is_stale(record, job) else _ANEW
    if record.status in FINAL:
        if status in FINAL:
            return _ANEW if begins_later and _is_after(job.ended_ms, record.finished) else _OLDER
        return _OLDER if _is_stale(record, job) else _ANEW
    if begins_later or (job.attempt or 0) > record.attempt:
        return _ANEW
    if record.status == "processing" and status == "queued":
        return _OLDER if _is_stale(record, job) else _ANEW
    return _GOES_ON


def _attempt(record: Known, job: EngineJob, stands: object) -> int:
    """Which attempt of Headway's own count a job is at. An engine may have begun some again that Headway never saw, and the other way
    round count some as one, such as those of a worker that was lost."""
    return max(record.attempt + 1 if stands is _ANEW else record.attempt, job.attempt or 0)


def _is_concluded(said: Known | EngineJob) -> bool:
    """Whether it was Headway that said how a job ended, since nobody else did: what its engine says then is true instead."""
    return said.state == "deleted" or (said.state == "failed" and (said.error or "").startswith(LOST))


def _is_stale(record: Known, job: EngineJob) -> bool:
    """Whether a job that is said to wait or to be at work was so before what is recorded. What waits for a time, for others or for
    another attempt was put there on purpose."""
    if job.state == "started":
        return not _is_after(job.started_ms, record.engine_start)
    if job.state in ("queued", "reserved"):
        before = record.started if record.enqueued is None else record.enqueued
        return not _is_after(job.enqueued_ms, before)
    return False


def _is_after(ms: int | None, before: float | None) -> bool:
    return ms is not None and before is not None and ms > before + SAME_MS


def _change(aim: Aim, record: Known | None, job: EngineJob, now_ms: int) -> Change | None:
    """None where there is nothing to say."""
    if record is None:
        return _first(aim, job, now_ms)
    stands = _stands(record, job)
    if stands is _OLDER:
        return None
    change = Change("put", a=aim[0], i=aim[1], t=record.attempt)
    if record.engine is None:  # its app reported it first
        change.en, change.xi = aim[2], _other(aim)
        record = msgspec.structs.replace(record, titled=record.title is not None and record.state is None)
    if stands is _ANEW:
        change.t = _attempt(record, job, stands)
        if record.status not in FINAL:
            change.pa = attempts_before(record, job, change.t, now_ms)
            record = anew(record, change.pa)
            change.pa = attempts_told(record, job, change.t) or change.pa
        else:
            record = anew(record, None)
        _say(change, record, job)
        return change
    change.pa = attempts_told(record, job, record.attempt)
    return change if _say(change, record, job) or change.pa is not None or change.en is not None else None


def _first(aim: Aim, job: EngineJob, now_ms: int) -> Change:
    """Of a job that is not known yet."""
    agent, our_id, engine, _ = aim
    status = STATUS_OF[job.state]
    known_since = job.enqueued_ms or job.created_ms
    since = job.ended_ms if status in FINAL else known_since if status == "queued" else None
    is_past = since is not None and since < now_ms - PAST_MS
    change = Change(
        "import" if is_past else "put",
        a=agent,
        i=our_id,
        t=job.attempt or 1,
        en=engine,
        xi=_other(aim),
    )
    times = (job.created_ms, job.enqueued_ms, job.started_ms, job.ended_ms)
    change.ca = min((at for at in times if at is not None), default=None)  # by several clocks
    change.pa = attempts_told(Known(our_id, "queued", 0), job, job.attempt or 1)
    _say(change, Known(our_id, "queued", 0), job)
    if status == "queued" and change.g is None and change.p is UNSET and change.pa is None:
        change.s = UNSET  # it is queued by being created, which is told once
    return change


def _other(aim: Aim) -> str | None:
    """The engine's id where that is another than ours."""
    return None if aim[3] == aim[1] else clean(aim[3])


def _say(change: Change, record: Known, job: EngineJob) -> bool:
    """Put into `change` what the record does not say yet; whether there is any."""
    status = STATUS_OF[job.state]
    differs = status != record.status or job.state != record.state
    change.s, change.x = status, job.state
    if (name := name_of(job.queue)) is not None and name != record.queue:
        change.qu, differs = name, True
    if (name := name_of(job.function)) is not None and name != record.function:
        change.fn, differs = name, True
    if (name := name_of(job.worker)) is not None and name != record.worker:
        change.wk, differs = name, True
    if (name := name_of(job.stage, mirror_texts.MOST_STAGE)) is not None and name != record.stage:
        change.g, differs = name, True
    title = None if record.titled else job.title or (job.function if record.title is None else None)
    if (text := mirror_texts.text_of(title, mirror_texts.MOST_TITLE)) is not None and text != record.title:
        change.l, differs = text, True
    if job.progress is not None and (percent := min(100.0, max(0.0, job.progress))) != record.progress:
        change.p, differs = percent, True
    if job.enqueued_ms is not None and job.enqueued_ms != record.enqueued:
        change.qa, differs = job.enqueued_ms, True
    if (due_ms := job.due_ms or 0) != (record.due or 0):
        change.du, differs = due_ms, True
    if job.tags and (tags := mirror_texts.tags_of(job.tags)) != record.tags:
        change.tg, differs = tags, True
    if job.metadata and (text := _metadata(record.metadata, job.metadata)) != record.metadata:
        change.d, differs = text, True
    if job.result is not None and (text := mirror_texts.json_of(job.result)) != record.result:
        change.r, differs = text, True
    message = job.message
    if status == "failed":
        change.e = mirror_texts.error_of(job.error)
        change.et = name_of(job.error_type) or error_types.of(change.e)
        if message is None and job.error is None:
            message = ENDS.get(job.state)
    elif job.state == "retrying" and message is None and job.error:
        message = error_types.telling_line(job.error)[0]
    if (text := mirror_texts.text_of(message, mirror_texts.MOST_MESSAGE)) and text != record.message:
        change.m, differs = text, True
    elif record.state == "retrying" != job.state and message is None and record.message:
        change.m, differs = "", True  # why the attempt before was given up
    if status != "queued":
        change.sa = job.started_ms
    if status in FINAL:
        change.fa = job.ended_ms
    return differs


def _metadata(before: str | None, told: dict[str, Any]) -> str:
    """What is told over what was known: who follows an engine from its middle on does not know all."""
    text = mirror_texts.json_of(told)
    if before is None or text == before:
        return text
    try:
        old = msgspec.json.decode(before)
    except msgspec.DecodeError:
        return text
    if not isinstance(old, dict):
        return text
    both = {**old, **told}
    return before if both == old else mirror_texts.json_of(both)


def _soon(record: Known | None, job: EngineJob) -> Known:
    """What tells attempts apart, as it will stand once a job's change is made."""
    before = record or Known("", "queued", 0)
    stands = _GOES_ON if record is None else _stands(before, job)
    if stands is _OLDER:
        return before
    attempt = _attempt(before, job, stands)
    if stands is _ANEW:
        before = Known("", "queued", 0)
    return Known(
        "",
        STATUS_OF[job.state],
        0,
        attempt=attempt,
        state=job.state,
        error=job.error,
        started=job.started_ms if job.started_ms is not None else before.started,
        began=job.started_ms if job.started_ms is not None else before.began,
        finished=job.ended_ms if job.ended_ms is not None else before.finished,
        enqueued=job.enqueued_ms if job.enqueued_ms is not None else before.enqueued,
    )


def _together(one: EngineJob, later: EngineJob) -> EngineJob:
    """What both say of an attempt, the later one first."""
    told = {name: getattr(later, name) for name in EngineJob.__struct_fields__}
    for name, value in told.items():
        if value is None and name != "due_ms":
            told[name] = getattr(one, name)
    told["metadata"] = {**one.metadata, **later.metadata}
    told["tags"] = later.tags or one.tags
    told["former"] = (*one.former, *later.former)
    return EngineJob(**told)
