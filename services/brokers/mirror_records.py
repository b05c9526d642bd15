"""Headway's own records of engines' jobs: what of them is compared with what engines say, and what changes make of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from core.site import Site
from services.brokers import mirror_texts
from services.brokers.model import STATUS_OF, EngineJob, State
from services.job_changes import Change
from services.job_rules import FINAL, Status

CHUNK = 500
"""Jobs a round trip: Headway's store serves others meanwhile."""
MOST_ATTEMPTS = 20
MOST_ATTEMPTS_BYTES = 64 * 1024
_OURS = re.compile(r"(?!(?:\d+|batch|active)\Z)[A-Za-z0-9._:\-]{1,128}\Z")


class Known(Struct):
    """What a record says, as far as engines say it too; names are the record's."""

    id: str
    status: Status
    created: int
    engine: str | None = None
    engineId: str | None = None  # noqa: N815
    attempt: int = 1
    progress: float = 0
    state: State | None = None
    title: str | None = None
    titled: bool = False
    """Whether a reporter gave it its title."""
    stage: str | None = None
    message: str | None = None
    error: str | None = None
    errorType: str | None = None  # noqa: N815
    result: str | None = None
    metadata: str | None = None
    queue: str | None = None
    function: str | None = None
    worker: str | None = None
    started: float | None = None
    began: float | None = None
    """When its engine said that it began; `started` may be a reporter's."""
    finished: float | None = None
    enqueued: float | None = None
    due: float | None = None
    tags: list[str] = []
    stages: Raw = Raw(b"\x90")
    attempts: Raw = Raw(b"\x90")

    @property
    def is_ended_elsewhere(self) -> bool:
        """Whether a reporter told its end, and its engine did not yet."""
        return self.status in FINAL and (self.state is None or STATUS_OF[self.state] not in FINAL)

    @property
    def engine_start(self) -> float | None:
        """What a start that its engine tells is compared with: never a time that a reporter told by another clock."""
        if self.began is None and self.state is not None and STATUS_OF[self.state] != "queued":
            return self.started  # stored by a version before, or its engine told no time
        return self.began


_decode = msgspec.msgpack.Decoder(Known).decode


def known(record: object) -> Known | None:
    """Of a record in the store; None where there is none, or none that can be read."""
    try:
        return _decode(record) if isinstance(record, bytes) else None
    except msgspec.DecodeError:
        return None


def known_of(site: Site, agent: str, ids: Sequence[str]) -> list[Known | None]:
    """What the records of some jobs say, by their engine's ids. Raises StoreError."""
    found = list[Known | None]()
    for at in range(0, len(ids), CHUNK):
        part = [our_id(id) for id in ids[at : at + CHUNK]]
        found += map(known, site.store.scripts.run("records", site.store.partition_of(agent), [agent, part]))
    return found


def our_id(id: str) -> str:
    """The id under which Headway keeps an engine's job: the same, where it can be one of ours."""
    return id if _OURS.match(id) else f"x-{hashlib.sha256(id.encode('utf-8', 'replace')).hexdigest()[:40]}"


def anew(record: Known, attempts: list[dict[str, Any]] | None) -> Known:
    """The record as it is when another attempt begins."""
    return Known(
        record.id,
        "queued",
        record.created,
        engine=record.engine,
        engineId=record.engineId,
        attempt=record.attempt + 1,
        title=record.title,
        titled=record.titled,
        metadata=record.metadata,
        queue=record.queue,
        function=record.function,
        tags=record.tags,
        attempts=record.attempts if attempts is None else Raw(msgspec.msgpack.encode(attempts)),
    )


def attempts_told(record: Known, job: EngineJob, attempt: int) -> list[dict[str, Any]] | None:
    """The attempts before that one, which the job is at, with what its engine tells of them now; None where that is nothing new."""
    attempts: list[dict[str, Any]] = msgspec.msgpack.decode(record.attempts)
    by_number = {one["attempt"]: one for one in attempts}
    for former in job.former:
        number = attempt - ((job.attempt or attempt) - former.attempt)
        if 0 < number < attempt:
            one = by_number.get(number, {"attempt": number, "status": "failed", "progress": 0})
            known = {
                "error": mirror_texts.error_of(former.error),
                "started": former.started_ms,
                "finished": former.ended_ms,
            }
            by_number[number] = one | {name: value for name, value in known.items() if value is not None}
    told = _bounded([by_number[number] for number in sorted(by_number)])
    return None if told == attempts else told


def attempts_before(record: Known, job: EngineJob, attempt: int, now_ms: int) -> list[dict[str, Any]]:
    """The earlier attempts and this one, which its engine gave up without Headway's having seen its end. The job is at that attempt now."""
    attempts: list[dict[str, Any]] = msgspec.msgpack.decode(record.attempts)
    is_told = job.state == "retrying" and attempt == record.attempt + 1
    began = int(record.started or 0)
    waits = STATUS_OF[job.state] == "queued"  # and its end, if it tells one, is that of its last attempt
    told = (job.ended_ms if waits else None, job.enqueued_ms, job.started_ms, now_ms)
    one = {
        "attempt": record.attempt,
        "status": "failed",
        "progress": record.progress,
        "error": mirror_texts.error_of(job.error) if is_told else record.error,
        "started": record.started,
        "finished": next((at for at in told if at is not None and at >= began), began),
        "stages": msgspec.msgpack.decode(record.stages) or None,
    }
    return _bounded([*attempts, {name: value for name, value in one.items() if value is not None}])


def _bounded(attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of the last ones as a record may hold."""
    attempts = attempts[-MOST_ATTEMPTS:]
    while len(attempts) > 1 and len(msgspec.msgpack.encode(attempts)) > MOST_ATTEMPTS_BYTES:
        del attempts[0]
    return attempts


def changed(record: Known | None, change: Change) -> Known:
    """The record once a change is made."""
    before = record or Known("", "queued", 0)
    if isinstance(change.t, int) and change.t > before.attempt:
        before = msgspec.structs.replace(anew(before, change.pa), attempt=change.t)
    told = {
        "status": change.s or before.status,
        "state": change.x,
        "progress": before.progress if change.p is UNSET else change.p,
        "due": before.due if change.du is None else change.du or None,
        "attempts": before.attempts if change.pa is None else Raw(msgspec.msgpack.encode(change.pa)),
        **{name: getattr(change, letters) for name, letters in _LETTERS if getattr(change, letters) is not None},
    }
    return msgspec.structs.replace(before, **told)


_LETTERS = (
    ("engine", "en"), ("engineId", "xi"), ("title", "l"), ("stage", "g"), ("message", "m"), ("error", "e"), ("errorType", "et"), ("result", "r"), ("metadata", "d"),
    ("queue", "qu"), ("function", "fn"), ("worker", "wk"), ("started", "sa"), ("began", "sa"), ("finished", "fa"), ("enqueued", "qa"), ("tags", "tg"),
)  # fmt: skip
"""Where a change carries what becomes a field of the record."""
