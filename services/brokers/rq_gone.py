"""What became of jobs that RQ knows no longer: it deletes at once what ended well and is not to be kept, and whatever somebody deletes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import redis

from services.brokers import rq_keys
from services.brokers.connections import asking
from services.brokers.mirror_records import Known

FORGOTTEN = "RQ kept nothing of it (result_ttl 0)"
UNSEEN = "RQ knows it no longer: it may have ended well unseen, as with result_ttl 0 nothing is kept"


def has_ended(record: Known, was_at_work: bool, is_held: bool | None) -> bool:
    """Whether its worker came to its end and RQ kept nothing of it. `is_held` says whether the worker is at it still, as it is at a job that
    somebody deleted meanwhile; None where there is no such worker any more."""
    ttl_s = result_ttl_s(record)
    if ttl_s:
        return False
    if record.status != "processing":
        return was_at_work and record.state == "queued"  # what waits for a time was told after its attempt
    return not is_held if ttl_s == 0 else is_held is False  # a worker may have a result_ttl of its own


def why_deleted(record: Known) -> str | None:
    """What is to be said of one that was deleted, where it may have ended well."""
    ttl_s = result_ttl_s(record)
    return UNSEEN if ttl_s == 0 or (ttl_s is None and record.status == "processing") else None


def result_ttl_s(record: Known) -> Any:
    """How long its result was to be kept; None where the job leaves that to its worker, whose own is 500 s unless it is told otherwise."""
    try:
        return msgspec.json.decode(record.metadata or "{}").get("result_ttl_s")
    except (msgspec.DecodeError, AttributeError):
        return None


def held(client: redis.Redis, at_work: Sequence[tuple[bytes, str]]) -> Mapping[bytes, bool | None]:
    """Of jobs with their workers: whether these say that they are at them. Raises BrokerError."""
    if not at_work:
        return {}
    with asking(), client.pipeline(transaction=False) as pipeline:
        for _, worker in at_work:
            key = rq_keys.WORKER + worker.encode()
            pipeline.hmget(key, "last_heartbeat", "state", "current_job")
            pipeline.smembers(key + rq_keys.AT_WORK)
        answers = pipeline.execute(raise_on_error=False)
    found = dict[bytes, bool | None]()
    for (id, _), one, several in zip(at_work, answers[::2], answers[1::2], strict=True):
        heartbeat, state, current = one if isinstance(one, list) else (None, None, None)
        named = {each.split(b":")[0] for each in several} if isinstance(several, set) else set()
        named |= {current} if current else set()
        # RQ 3 takes what is deleted from its worker too, which is busy with it all the same.
        found[id] = (id in named or (state == b"busy" and not named)) if heartbeat else None
    return found
