"""What is told of jobs whose attempts passed unseen, by what RQ still knows of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.brokers import rq_attempts
from services.brokers.mirror_records import Known
from services.brokers.model import EngineJob, State
from services.brokers.rq_jobs import ReadJob


def job(state: State, left: int | None = None, **fields: Any) -> EngineJob:
    return EngineJob(id="a", state=state, metadata={} if left is None else {"retries_left": left}, **fields)


def record(status: Any, left: int | None = None, **fields: Any) -> Known:
    metadata = "{}" if left is None else msgspec.json.encode({"retries_left": left}).decode()
    return Known(id="a", status=status, created=1_000, metadata=metadata, **fields)


def starts(read: ReadJob, known: Known | None) -> list[tuple[str, int | None]]:
    return [(one.state, one.started_ms) for one in rq_attempts.told(read, known)]


def test_a_job_that_is_as_it_was_is_told_alone() -> None:
    waiting = ReadJob(job("queued", 3, enqueued_ms=2_000))
    assert starts(waiting, record("queued", 3, enqueued=2_000)) == [("queued", None)]
    assert starts(waiting, None) == [("queued", None)]


def test_the_start_that_rq_notes_at_the_end_once_more_is_the_same_start() -> None:
    ended = ReadJob(job("finished", enqueued_ms=2_000, started_ms=3_040, ended_ms=4_000))
    assert starts(ended, record("processing", enqueued=2_000, started=3_000)) == [("finished", 3_000)]
    later = ReadJob(job("finished", enqueued_ms=3_500, started_ms=3_600, ended_ms=4_000))
    assert starts(later, record("processing", enqueued=2_000, started=3_000)) == [("finished", 3_600)]


def test_an_attempt_of_which_only_the_end_was_seen_is_told_before_the_wait() -> None:
    last = job("started", started_ms=3_000)
    waiting = ReadJob(job("scheduled", 0, enqueued_ms=2_000), last)
    assert starts(waiting, None) == [("started", 3_000), ("scheduled", None)]
    assert starts(waiting, record("queued", 1, enqueued=2_000)) == [("started", 3_000), ("scheduled", None)]
    assert starts(waiting, record("processing", 1, enqueued=2_000, started=2_990)) == [("scheduled", None)]
    assert starts(waiting, record("queued", 0, enqueued=2_000)) == [("scheduled", None)], "it was told before"


def test_attempts_of_which_nothing_is_known_lie_where_they_must_have_been() -> None:
    failed = ReadJob(job("failed", 0, enqueued_ms=5_000, started_ms=6_000, ended_ms=7_000))
    assert starts(failed, record("queued", 2, enqueued=2_000)) == [
        ("started", 3_333),
        ("started", 4_667),
        ("failed", 6_000),
    ]
    assert starts(failed, record("processing", 1, enqueued=2_000, started=3_000)) == [("failed", 6_000)]


def test_starts_of_which_nothing_is_known_say_what_the_job_is() -> None:
    what: dict[str, Any] = {"created_ms": 1_000, "queue": "mail", "function": "app.send", "title": "app.send(1)"}
    failed = ReadJob(job("failed", 0, enqueued_ms=5_000, started_ms=6_000, ended_ms=7_000, **what))
    for one in rq_attempts.told(failed, record("queued", 2, enqueued=2_000)):
        assert {name: getattr(one, name) for name in what} == what


def test_of_one_that_waits_in_no_list_after_an_attempt_the_end_is_told_only_where_it_was_in_one() -> None:
    last = job("started", started_ms=3_000)
    off = ReadJob(job("scheduled"), last, is_settled=False, is_unlisted=True, is_between=True)
    assert starts(off, record("queued", state="scheduled", due=9_000)) == [("canceled", None)]
    for known in (record("queued", state="scheduled"), record("processing", state="started", started=3_000), None):
        assert starts(off, known) == [], "RQ notes in a moment when it is due, and what became of its retries"


def test_a_repeat_that_went_well_unseen_ends_the_attempt_that_was_seen() -> None:
    last = EngineJob(id="a", state="finished", started_ms=3_040, ended_ms=4_000)
    waiting = ReadJob(EngineJob(id="a", state="scheduled", metadata={"repeats_left": 1}), last)
    known = Known(id="a", status="processing", created=1_000, started=3_000, metadata='{"repeats_left":2}')
    assert starts(waiting, known) == [("finished", 3_000), ("scheduled", None)]


@pytest.mark.parametrize("metadata", ["[1]", "{", '{"retries_left":"many"}', None])
def test_damaged_metadata_of_a_record_count_nothing(metadata: str | None) -> None:
    known = Known(id="a", status="queued", created=1_000, metadata=metadata)
    assert starts(ReadJob(job("failed", 0, started_ms=6_000)), known) == [("failed", 6_000)]


def test_very_many_retries_are_told_up_to_a_bound() -> None:
    failed = ReadJob(job("failed", 0, started_ms=900_000_000, ended_ms=900_000_001))
    assert len(starts(failed, record("queued", 1_000_000, enqueued=2_000))) == rq_attempts.MOST + 1
