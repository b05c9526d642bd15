"""Jobs of RQ in Headway's words, masked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import redis

from services.brokers import rq_hashes, rq_keys, rq_results
from services.brokers.connections import asking
from services.brokers.masking import Mask
from services.brokers.model import EngineJob
from services.brokers.rq_calls import Call, call_of, meta_of
from services.brokers.rq_damage import Damage
from services.brokers.rq_fields import moment_ms, ms_of, real, texts, whole
from services.brokers.rq_hashes import ENDED, MOST_RESULTS, Hash
from services.brokers.rq_keys import text
from services.brokers.rq_progress import Scales
from services.brokers.rq_results import Ended

MOST_DEPENDENCIES = 20
MOST_REMEMBERED = 2_000
READ = 200
"""Jobs a round trip."""
UNDERSTOOD = ("progress", "percent", "percentage", "fraction", "stage", "message", "tags")
"""What of `meta` stands elsewhere in Headway's jobs."""


class ReadJob(NamedTuple):
    """A job, and where it waits again, its attempt before as the hash still tells of it."""

    job: EngineJob
    last: EngineJob | None = None
    is_settled: bool = True
    """False where RQ may be about to note the end of the attempt before: RQ 2 puts a job where it waits for its retry first."""
    is_unlisted: bool = False
    """Whether it is scheduled and in no list of what is."""
    is_between: bool = False
    """Whether nothing but its status may be told yet of its waiting again. Then it is not settled either."""


class Reader:
    """Reads jobs of one Redis, and remembers what those call that were read last."""

    def __init__(self, client: redis.Redis, mask: Mask, damage: Damage) -> None:
        self._redis = client
        self._damage = damage
        self._mask = mask
        self._calls: OrderedDict[tuple[bytes, bytes | None], Call] = OrderedDict()
        self._scales = Scales()

    def read(self, ids: Sequence[bytes]) -> tuple[list[ReadJob], list[bytes]]:
        """Some hundred jobs at most, and the ids of those of which Redis knows nothing any more. Raises BrokerError."""
        found, gone = rq_hashes.read(self._redis, ids, self._damage)
        return [self._read(one) for one in found], gone

    def functions(self, ids: Sequence[bytes]) -> dict[bytes, str | None]:
        """What these jobs call, however many: those that Redis knows. Raises BrokerError."""
        found = dict[bytes, str | None]()
        for at in range(0, len(ids), READ):
            part = ids[at : at + READ]
            found |= self._remembered(part)
            if unknown := [id for id in part if id not in found]:
                read, _ = rq_hashes.read(self._redis, unknown, self._damage)
                found |= {one.id: self._call(one).function for one in read}
        return found

    def _remembered(self, ids: Sequence[bytes]) -> dict[bytes, str | None]:
        """What those of them call whose payload was read already. An id may be another job's by now."""
        with asking(), self._redis.pipeline(transaction=False) as pipeline:
            for id in ids:
                pipeline.hget(rq_keys.JOB + id, "created_at")
            told = zip(ids, pipeline.execute(raise_on_error=False), strict=True)
        return {id: call.function for id, created in told if (call := self._calls.get((id, created))) is not None}

    def _call(self, one: Hash) -> Call:
        key = one.id, one.fields[b"created_at"]
        if (call := self._calls.get(key)) is not None:
            self._calls.move_to_end(key)
            return call
        call = call_of(one.fields.get(b"data"), one.fields.get(b"description"), b"data" in one.long, self._mask)
        self._calls[key] = call
        if len(self._calls) > MOST_REMEMBERED:
            self._calls.popitem(last=False)
        return call

    def _read(self, one: Hash) -> ReadJob:
        fields, state = one.fields, one.state
        call = self._call(one)
        meta, meta_unreadable = meta_of(fields.get(b"meta"), b"meta" in one.long, self._mask)
        told = self._scales.told(call.function, meta)
        ended = _ended(one, self._mask)
        worker = text(fields[b"worker_name"]) or None
        began_ms = moment_ms(fields[b"started_at"])
        was_at_work = state == "started" or state in ENDED
        tags = meta.get("tags")
        unreadable = call.unreadable or meta_unreadable or ended.unreadable
        job = EngineJob(
            id=text(one.id),
            state=state,
            queue=one.queue or None,
            function=call.function,
            title=call.title,
            worker=worker if was_at_work else None,
            created_ms=moment_ms(fields[b"created_at"]),
            enqueued_ms=moment_ms(fields[b"enqueued_at"]),
            started_ms=began_ms if was_at_work else None,
            ended_ms=_ended_ms(one, began_ms, ended),
            due_ms=None if one.due_s is None else ms_of(one.due_s),
            stage=told.stage if was_at_work else None,
            progress=told.progress if was_at_work else None,
            message=told.message if was_at_work else None,
            error=ended.error,
            error_type=ended.error_type,
            result=ended.result if was_at_work else None,
            metadata=_metadata(one, call, meta, unreadable),
            tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        )
        if not one.was_at_work:
            return ReadJob(job, is_unlisted=one.is_unlisted)
        went_well = ended.error is None and ended.at_ms is not None and ended.at_ms >= (began_ms or 0)
        last = EngineJob(
            id=job.id,
            state="finished" if went_well else "started",
            queue=job.queue,
            function=job.function,
            title=job.title,
            worker=worker,
            created_ms=job.created_ms,
            started_ms=began_ms,
            ended_ms=job.ended_ms if went_well else None,
            progress=told.progress,
            stage=told.stage,
            result=ended.result if went_well else None,
        )
        ended_ms = moment_ms(fields[b"ended_at"])
        is_settled = not one.is_between and (state != "scheduled" or (ended_ms or 0) >= (began_ms or 0))
        return ReadJob(job, last, is_settled, one.is_unlisted, one.is_between)


def _ended(one: Hash, mask: Mask) -> Ended:
    if not one.may_have_results:
        return Ended()
    if one.entry is not None:
        return rq_results.of_entry(one.entry, mask)
    if (one.results_bytes or 0) > MOST_RESULTS:
        return Ended(unreadable=f"result: it takes {one.results_bytes:,} bytes, more than {MOST_RESULTS:,}")
    return rq_results.of_fields(one.fields.get(b"exc_info"), one.fields.get(b"result"), mask)


def _ended_ms(one: Hash, began_ms: int | None, ended: Ended) -> int | None:
    """RQ notes no end where it was the worker that died: that of an earlier attempt may stand there. Of a job that waits again it is its
    last attempt's."""
    if one.state not in ENDED and not one.was_at_work:
        return None
    ended_ms = moment_ms(one.fields[b"ended_at"])
    return ended_ms if ended_ms is not None and ended_ms >= (began_ms or 0) else ended.at_ms


def _metadata(one: Hash, call: Call, meta: dict[str, Any], unreadable: str | None) -> dict[str, Any]:
    fields = one.fields
    depends_on = texts(fields.get(b"dependency_ids"), MOST_DEPENDENCIES)
    if not depends_on and fields[b"dependency_id"]:
        depends_on = [text(fields[b"dependency_id"])]
    told: dict[str, Any] = {
        **call.arguments,
        "depends_on": depends_on,
        "retries_left": whole(fields[b"retries_left"]),
        "retries": whole(fields[b"number_of_retries"]),
        "repeats_left": whole(fields[b"repeats_left"]),
        "repeat_intervals_s": [real(number.encode()) for number in texts(fields.get(b"repeat_intervals"), 20)],
        "timeout_s": whole(fields[b"timeout"]),
        "result_ttl_s": whole(fields[b"result_ttl"]),
        "failure_ttl_s": whole(fields[b"failure_ttl"]),
        "ttl_s": whole(fields[b"ttl"]),
        "group": text(fields[b"group_id"]) or None,
        "rate_limit": text(fields[b"rate_limit_key"]) or None,
        "meta": {name: value for name, value in meta.items() if name not in UNDERSTOOD},
        "unreadable": unreadable,
    }
    return {name: value for name, value in told.items() if value not in (None, [], {})}
