"""A job's life in a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import keys
from core.fields import check
from core.site import Site
from services import job_rules, jobs_service
from services.job_changes import JobRef
from services.job_model import Job
from tests.services.reports import NOW, batch, create, events, iso, tell, told


def test_a_new_job_is_queued_at_zero_and_announced_so(site: Site) -> None:
    job = create(site, title="a.mp4", agent="studio", metadata={"size": 3})
    assert (job.status, job.progress, job.attempt, job.agent, job.title) == ("queued", 0, 1, "studio", "a.mp4")
    assert job.metadata == '{"size":3}'
    (event,) = events(site)
    assert (event.kind, event.status, event.progress, event.number, event.was) == ("created", "queued", 0, 1, "")


def test_numbers_rise_and_ids_are_uuids_unless_named(site: Site) -> None:
    first, second, named = create(site), create(site), create(site, id="my.job:1")
    assert first.number < second.number < named.number
    assert len(first.id) == 36
    assert first.id != second.id
    assert named.id == "my.job:1"


def test_creating_an_id_that_exists_changes_nothing(site: Site) -> None:
    job = create(site, id="x", title="first")
    again = jobs_service.create(site, check(job_rules.NewJob, {"id": "x", "title": "second"}))
    assert again.kind == "kept"
    assert again.job == job
    assert len(events(site)) == 1


def test_an_id_is_unique_within_its_agent_only(site: Site) -> None:
    assert create(site, id="x", agent="a").number != create(site, id="x", agent="b").number


@pytest.mark.parametrize("fields", [{"progress": 1}, {"current_step": "read"}, {"stage": "read"}])
def test_a_first_stage_or_progress_turns_a_queued_job_to_processing(site: Site, fields: dict[str, Any]) -> None:
    job = told(site, create(site), **fields)
    assert job.status == "processing"
    assert job.started_at is not None


def test_a_message_alone_leaves_a_job_queued(site: Site) -> None:
    job = told(site, create(site), message="waiting for disk")
    assert (job.status, job.message) == ("queued", "waiting for disk")


def test_a_stage_alone_leaves_the_progress_as_it_was(site: Site) -> None:
    job = create(site)
    tell(site, job, progress=40.5)
    assert told(site, job, current_step="write").progress == 40.5


def test_stages_keep_their_times_and_the_last_ends_with_the_job(site: Site) -> None:
    job = create(site)
    for stage in ("read", "read", "write"):
        tell(site, job, current_step=stage)
    done = told(site, job, status="completed")
    assert [span.name for span in done.stages] == ["read", "write"]
    assert done.stages[0].finished_at == done.stages[1].started_at
    assert done.stages[1].finished_at == done.finished_at


def test_completed_sets_progress_100_and_failed_keeps_it(site: Site) -> None:
    good, bad = create(site), create(site)
    tell(site, good, progress=30)
    tell(site, bad, progress=30, current_step="upload")
    assert told(site, good, status="completed").progress == 100
    failed = told(site, bad, status="failed", error="disk full")
    assert (failed.progress, failed.error, failed.failed_stage) == (30, "disk full", "upload")


@pytest.mark.parametrize("final", ["completed", "failed"])
def test_a_stage_named_like_an_end_is_that_status(site: Site, final: str) -> None:
    job = create(site)
    tell(site, job, current_step="upload")
    job = told(site, job, current_step=final)
    assert job.status == final
    assert job.finished_at is not None
    assert [span.name for span in job.stages] == ["upload"]
    assert job.failed_stage == ("upload" if final == "failed" else None)


def test_a_failure_without_a_message_shows_its_error(site: Site) -> None:
    job = create(site)
    tell(site, job, message="half way")
    assert told(site, job, status="failed", error="no space").message == "no space"
    assert events(site)[-1].message == "no space"


def test_an_item_shows_the_last_message_and_an_event_only_its_own(site: Site) -> None:
    job = create(site, message="hello")
    job = told(site, job, progress=5)
    assert job.message == "hello"
    assert events(site)[-1].message == ""


@pytest.mark.parametrize("final", ["completed", "failed"])
@pytest.mark.parametrize("late", [{"progress": 5}, {"status": "processing"}, {"status": "failed"}, {"message": "x"}])
def test_nothing_changes_a_job_after_the_end_of_its_attempt(site: Site, final: str, late: dict[str, Any]) -> None:
    done = told(site, create(site), status=final)
    outcome = tell(site, done, **late)
    assert outcome.kind == "kept"
    assert outcome.job == done


def test_a_late_progress_by_seq_never_moves_a_job_backwards(site: Site) -> None:
    job = create(site)
    tell(site, job, progress=50, seq=5)
    assert tell(site, job, progress=40, seq=4).kind == "kept"
    assert tell(site, job, progress=50, seq=5).kind == "kept"
    assert told(site, job, progress=60, seq=6).progress == 60


def test_a_late_progress_by_time_never_moves_a_job_backwards(site: Site) -> None:
    job = create(site)
    tell(site, job, progress=50, timestamp=iso(NOW - timedelta(seconds=5)))
    assert tell(site, job, progress=40, timestamp=iso(NOW - timedelta(seconds=6))).kind == "kept"
    assert told(site, job, progress=60, timestamp=iso(NOW - timedelta(seconds=4))).progress == 60


def test_an_end_in_the_same_millisecond_as_the_last_progress_counts(site: Site) -> None:
    job, time = create(site), iso(NOW - timedelta(seconds=5))
    tell(site, job, progress=100, timestamp=time)
    assert tell(site, job, progress=100, timestamp=time).kind == "kept"
    assert told(site, job, status="completed", timestamp=time).status == "completed"


def test_the_same_update_of_the_same_time_counts_once_whatever_it_says(site: Site) -> None:
    job, time = create(site), iso(NOW - timedelta(seconds=5))
    said: dict[str, Any] = {
        "progress": 5,
        "message": "m",
        "title": "t",
        "metadata": {"a": 1},
        "result": [1],
        "error": "e",
    }
    tell(site, job, **said, timestamp=time)
    before = len(events(site))
    assert tell(site, job, **said, timestamp=time).kind == "kept"
    assert len(events(site)) == before
    for name, value in {"message": "n", "title": "u", "metadata": {}, "result": [], "error": "f"}.items():
        assert tell(site, job, **{**said, name: value}, timestamp=time).kind == "applied", name


def test_a_clock_that_is_behind_never_ends_a_job_or_a_stage_before_it_began(site: Site) -> None:
    job = create(site)
    tell(site, job, current_step="read")
    done = told(site, job, status="completed", timestamp=iso(NOW - timedelta(hours=1)))
    assert done.started_at is not None and done.finished_at is not None
    assert done.started_at <= done.finished_at
    assert [span.seconds for span in done.stages] == [0.0]


def test_a_clock_that_is_behind_begins_no_job_before_it_was_created(site: Site) -> None:
    job = create(site)
    begun = told(site, job, progress=5, timestamp=iso(NOW - timedelta(minutes=10)))
    assert begun.started_at is not None
    assert begun.created_at == begun.started_at < job.created_at


def test_without_an_order_that_of_arrival_counts(site: Site) -> None:
    job = create(site)
    tell(site, job, progress=50, seq=5)
    assert told(site, job, progress=40).progress == 40


def test_a_higher_attempt_starts_anew_and_keeps_what_the_earlier_did(site: Site) -> None:
    job = create(site, id="x")
    tell(site, job, progress=30, current_step="read", seq=9)
    tell(site, job, status="failed", error="timeout", seq=10)
    job = told(site, job, attempt=2, progress=10, seq=1)
    assert (job.status, job.attempt, job.progress, job.error, job.failed_stage) == ("processing", 2, 10, None, None)
    assert (job.finished_at, job.stages, job.message) == (None, (), None)
    (first,) = job.attempts
    assert (first.attempt, first.status, first.error, first.failed_stage) == (1, "failed", "timeout", "read")
    assert [span.name for span in first.stages] == ["read"]
    assert tell(site, job, attempt=1, status="completed").kind == "kept"
    assert jobs_service.counts(site) == {"queued": 0, "processing": 1, "completed": 0, "failed": 0, "canceled": 0}
    assert site.store.redis.zcard(keys.FINISHED.at()) == 0


def test_a_clock_that_is_ahead_is_brought_back_to_now_and_flagged(site: Site) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    job = told(site, create(site), progress=5, timestamp=iso(ahead))
    assert job.updated_at <= datetime.now(UTC) + timedelta(seconds=1)
    assert job.skew_seconds is not None and 3500 < job.skew_seconds <= 3600
    # The clock was set right meanwhile: what comes now still counts.
    assert told(site, job, progress=6, timestamp=iso(datetime.now(UTC))).progress == 6


def test_of_two_times_ahead_of_our_clock_the_later_counts(site: Site) -> None:
    job = create(site)
    told(site, job, progress=50, timestamp=iso(NOW + timedelta(hours=1)))
    assert tell(site, job, progress=40, timestamp=iso(NOW + timedelta(minutes=59))).kind == "kept"
    assert tell(site, job, progress=50, timestamp=iso(NOW + timedelta(hours=1))).kind == "kept"
    assert told(site, job, progress=60, timestamp=iso(NOW + timedelta(minutes=61))).progress == 60
    assert told(site, job, attempt=2, progress=5, timestamp=iso(NOW + timedelta(minutes=58))).progress == 5


@pytest.mark.parametrize("year", [1970, 9999])
def test_an_impossible_time_counts_as_that_of_arrival_and_is_flagged(site: Site, year: int) -> None:
    job = told(site, create(site), status="completed", timestamp=f"{year}-01-01T00:00:00Z")
    assert job.finished_at is not None and abs(job.finished_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert job.skew_seconds


def test_an_unknown_number_is_missing_and_an_unknown_id_too(site: Site) -> None:
    update = check(job_rules.Update, {"progress": 1})
    assert jobs_service.update(site, JobRef(number=99), update).kind == "missing"
    assert jobs_service.update(site, JobRef(id="nobody"), update).kind == "missing"
    assert jobs_service.get(site, JobRef(number=99)) is None
    assert jobs_service.get(site, JobRef(id="nobody")) is None


def test_a_job_is_found_by_number_and_by_id(site: Site) -> None:
    job = create(site, agent="studio", id="x")
    assert jobs_service.get(site, JobRef(number=job.number)) == job
    assert jobs_service.get(site, JobRef(agent="studio", id="x")) == job
    assert jobs_service.get(site, JobRef(id="x")) is None


def test_the_counters_of_the_minute_and_of_the_agent_move_with_each_end(site: Site) -> None:
    for status in ("completed", "completed", "failed"):
        tell(site, create(site, agent="a"), status=status)
    totals: Any = site.store.redis.hgetall(keys.TOTALS.at())
    assert (totals["a\tcompleted"], totals["a\tfailed"]) == ("2", "1")
    assert sum(int(count) for name, count in totals.items() if name.startswith("a\tle\t")) == 3
    minutes = [site.store.redis.hgetall(key) for key in site.store.redis.keys("headway:{0}:minute:*")]  # type: ignore[union-attr]
    assert sum(int(m.get("created", 0)) for m in minutes) == 3  # type: ignore[union-attr]
    assert sum(int(m.get("completed", 0)) for m in minutes) == 2  # type: ignore[union-attr]


def test_earlier_attempts_take_bounded_room_and_the_latest_stays(site: Site) -> None:
    lines: list[dict[str, Any]] = []
    for attempt in range(1, 13):
        lines += [{"id": "x", "attempt": attempt, "stage": f"{n}" + "x" * 90} for n in range(100)]
        lines += [{"id": "x", "attempt": attempt, "status": "failed", "error": "x" * 16_000}]
    assert batch(site, *lines, {"id": "x", "attempt": 13, "progress": 1}).rejected == []
    job = jobs_service.get(site, JobRef(id="x"))
    assert isinstance(job, Job)
    assert [one.attempt for one in job.attempts] == [11, 12]
    assert len(job.attempts[-1].stages) == 100
    assert site.store.redis.strlen(keys.JOB.at(0, job.number)) < 66 * 1024
