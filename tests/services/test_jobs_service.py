"""A job's life in a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from core import keys
from core.site import Site
from core.store import Store
from services import job_events, job_rules, jobs_service
from services.job_changes import JobRef
from services.job_events import JobEvent
from services.job_model import DamagedJob, Job
from services.jobs_service import BatchReport, Outcome


def create(site: Site, **fields: Any) -> Job:
    job = jobs_service.create(site, job_rules.check(job_rules.NewJob, fields)).job
    assert isinstance(job, Job)
    return job


def tell(site: Site, job: Job, **fields: Any) -> Outcome:
    return jobs_service.update(site, JobRef(number=job.number), job_rules.check(job_rules.Update, fields))


def told(site: Site, job: Job, **fields: Any) -> Job:
    after = tell(site, job, **fields).job
    assert isinstance(after, Job)
    return after


def batch(site: Site, *lines: dict[str, Any]) -> BatchReport:
    report = BatchReport()
    jobs_service.batch(site, ((n, json.dumps(line).encode()) for n, line in enumerate(lines, 1)), report)
    return report


def events(site: Site) -> list[JobEvent]:
    return [job_events.decode(fields[b"e"]) for _, fields in site.store.raw.xrange(keys.EVENTS.at())]  # type: ignore[union-attr, index]


def iso(time: datetime) -> str:
    return time.isoformat()


NOW = datetime.now(UTC)


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
    again = jobs_service.create(site, job_rules.check(job_rules.NewJob, {"id": "x", "title": "second"}))
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
    assert jobs_service.counts(site) == {"queued": 0, "processing": 1, "completed": 0, "failed": 0}
    assert site.store.redis.zcard(keys.FINISHED.at()) == 0


def test_a_clock_that_is_ahead_is_brought_back_to_now_and_flagged(site: Site) -> None:
    job = told(site, create(site), progress=5, timestamp=iso(NOW + timedelta(hours=1)))
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
    update = job_rules.check(job_rules.Update, {"progress": 1})
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


class TestBatch:
    def test_a_line_creates_or_updates_by_what_it_names(self, site: Site) -> None:
        old = create(site, id="old")
        report = batch(site, {"queue_id": old.number, "progress": 10}, {"id": "old", "progress": 20},
                       {"id": "new", "progress": 5, "current_step": "read"}, {"title": "unnamed"})  # fmt: skip
        assert (report.accepted, report.rejected) == (4, [])
        assert jobs_service.get(site, JobRef(id="old")).progress == 20  # type: ignore[union-attr]
        assert jobs_service.get(site, JobRef(id="new")).status == "processing"  # type: ignore[union-attr]
        assert jobs_service.page(site).total == 3

    def test_good_lines_count_even_when_others_are_bad(self, site: Site) -> None:
        report = batch(site, {"id": "a"}, {"id": "b", "progress": 101}, {"queue_id": 77}, {"id": "c"}, {"colour": 1})
        assert report.accepted == 2
        assert [(r.line, r.detail.split(":")[0]) for r in report.rejected] == [
            (2, "progress"), (3, "queue_id"), (5, "colour")]  # fmt: skip

    def test_the_same_lines_twice_change_nothing_where_they_name_their_order(self, site: Site) -> None:
        lines = [{"id": f"j{i}", "progress": i, "seq": 1} for i in range(5)]
        batch(site, *lines)
        before = jobs_service.page(site), len(events(site))
        assert batch(site, *lines).accepted == 5
        assert (jobs_service.page(site), len(events(site))) == before

    def test_more_lines_than_a_chunk_are_taken_in_their_order(self, site: Site) -> None:
        count = jobs_service.CHUNK * 2 + 7
        report = batch(site, *({"id": "one", "progress": i % 100, "message": str(i)} for i in range(count)))
        assert report.accepted == count
        assert jobs_service.get(site, JobRef(id="one")).message == str(count - 1)  # type: ignore[union-attr]

    def test_large_lines_are_taken_in_smaller_calls(self, site: Site) -> None:
        def calls() -> int:
            return int(site.store.redis.info("commandstats")["cmdstat_evalsha"]["calls"])  # type: ignore[index]

        create(site)
        before = calls()
        lines = [{"id": f"j{i}", "metadata": {"a": "x" * 16_000}} for i in range(300)]
        assert batch(site, *lines).accepted == 300
        assert calls() - before >= 300 * 16_000 // jobs_service.CHUNK_BYTES
        assert batch(site, *lines[:20]).accepted == 20
        assert calls() - before <= 300 * 16_000 // jobs_service.CHUNK_BYTES + 3


class TestPages:
    def test_pages_go_through_all_jobs_newest_first_and_back(self, site: Site) -> None:
        for i in range(25):
            job = create(site, id=f"j{i}", agent="ab"[i % 2])
            if i % 3:
                tell(site, job, status=("completed", "failed")[i % 2])
        seen, before = [], None
        while True:
            page = jobs_service.page(site, limit=10, before=before)
            assert page.total == 25
            seen += [job.number for job in page.items]
            if page.next_cursor is None:
                break
            before = page.next_cursor
        assert seen == sorted(seen, reverse=True)
        assert len(seen) == 25
        newer = jobs_service.page(site, limit=10, after=seen[-1])
        assert [job.number for job in newer.items] == seen[-11:-1]
        oldest = jobs_service.page(site, limit=10, after=0)
        assert [job.number for job in oldest.items] == seen[-10:]
        assert oldest.next_cursor is None
        assert oldest.previous_cursor == seen[-10]

    def test_filters_narrow_the_page_and_its_total(self, site: Site) -> None:
        for i in range(6):
            tell(site, create(site, agent="ab"[i % 2]), **({"status": "failed"} if i < 3 else {"progress": 1}))
        page = jobs_service.page(site, status="failed", agent="a")
        assert page.total == 2
        assert {(job.status, job.agent) for job in page.items} == {("failed", "a")}  # type: ignore[union-attr]
        assert jobs_service.page(site, agent="nobody").items == ()

    def test_an_agent_was_last_seen_at_its_latest_update_in_whatever_order_they_come(self, site: Site) -> None:
        at = [iso(NOW - timedelta(seconds=seconds)) for seconds in (1, 50)]
        batch(site, {"agent": "a", "timestamp": at[0]}, {"agent": "a", "timestamp": at[1]})
        (agent,) = jobs_service.agents(site)
        assert abs(agent.last_seen_ms - int((NOW.timestamp() - 1) * 1000)) < 1000

    def test_agents_come_latest_first_with_their_counts(self, site: Site) -> None:
        tell(site, create(site, agent="a"), progress=1, timestamp=iso(NOW - timedelta(minutes=1)))
        create(site, agent="b")
        tell(site, create(site, agent="b"), status="failed")
        first, second = jobs_service.agents(site)
        assert (first.agent, first.queued, first.failed) == ("b", 1, 1)
        assert (second.agent, second.processing) == ("a", 1)


class TestDamage:
    def test_a_lost_record_shows_as_damaged_and_harms_no_other(self, site: Site) -> None:
        job, other = create(site, id="x"), create(site, id="y")
        site.store.redis.delete(keys.JOB.at(0, job.number))
        assert jobs_service.get(site, JobRef(number=job.number)) == DamagedJob(job.number)
        assert jobs_service.page(site).items == (other, DamagedJob(job.number))
        assert tell(site, job, progress=1).kind == "damaged"
        assert told(site, other, progress=1).progress == 1

    def test_a_key_of_the_wrong_type_shows_as_damaged(self, site: Site) -> None:
        job = create(site, id="x")
        site.store.redis.delete(keys.JOB.at(0, job.number))
        site.store.redis.set(keys.JOB.at(0, job.number), "no record")
        assert jobs_service.get(site, JobRef(id="x")) == DamagedJob(job.number)
        assert jobs_service.page(site).items == (DamagedJob(job.number),)
        assert batch(site, {"id": "x", "progress": 1}, {"id": "z"}).accepted == 1

    def test_creating_a_lost_job_anew_gives_it_a_new_number_and_ends_the_damage(self, site: Site) -> None:
        job = create(site, id="x")
        site.store.redis.delete(keys.JOB.at(0, job.number))
        assert create(site, id="x").number > job.number
        assert jobs_service.page(site).total == 1

    @pytest.mark.parametrize(
        "field,value",
        [
            ("created", "soon"),
            ("stages", "[["),
            ("stages", [1]),
            ("status", 5),
            ("status", "odd"),
            ("progress", ""),
            ("id", None),
            ("started", "x"),
        ],
    )
    def test_a_record_with_odd_content_is_damaged_and_harms_no_other(self, site: Site, field: str, value: Any) -> None:
        job = create(site, id="x")
        key = keys.JOB.at(0, job.number)
        record = msgspec.msgpack.decode(site.store.raw.get(key))  # type: ignore[arg-type]
        site.store.raw.set(key, msgspec.msgpack.encode({**record, field: value}))
        assert jobs_service.page(site).items == (DamagedJob(job.number),)
        report = batch(site, {"id": "y"}, {"id": "x", "status": "completed", "current_step": "read"}, {"id": "z"})
        assert (report.accepted, [rejected.line for rejected in report.rejected]) == (2, [2])

    def test_a_record_that_is_no_messagepack_is_damaged(self, site: Site) -> None:
        job = create(site, id="x")
        site.store.raw.set(keys.JOB.at(0, job.number), b"\xc1garbage")
        assert tell(site, job, progress=1).kind == "damaged"
        assert jobs_service.get(site, JobRef(id="x")) == DamagedJob(job.number)


class TestHistory:
    def row(self, **fields: Any) -> job_rules.HistoryRow:
        past = {"created_at": NOW - timedelta(hours=2), "started_at": NOW - timedelta(hours=1),
                "finished_at": NOW - timedelta(minutes=30)}  # fmt: skip
        given = {"id": "h1", "status": "completed", **past, **fields}
        return job_rules.check(
            job_rules.HistoryRow, {n: iso(v) if isinstance(v, datetime) else v for n, v in given.items()}
        )

    def test_a_row_keeps_its_own_times_and_stages(self, site: Site) -> None:
        stages = [{"name": "read", "started_at": iso(NOW - timedelta(hours=1)), "finished_at": iso(NOW)}]
        assert jobs_service.store_rows(site, [self.row(stages=stages, error=None, result={"rows": 5})]) == ["applied"]
        job = jobs_service.get(site, JobRef(id="h1"))
        assert isinstance(job, Job)
        assert job.finished_at is not None and job.started_at is not None
        assert abs((job.finished_at - job.started_at) - timedelta(minutes=30)) < timedelta(seconds=1)
        assert [span.name for span in job.stages] == ["read"]
        assert (job.progress, job.result) == (100, '{"rows":5}')

    def test_a_row_that_tells_only_its_last_stage_invents_no_times(self, site: Site) -> None:
        jobs_service.store_rows(site, [self.row(stage="write", status="failed")])
        job = jobs_service.get(site, JobRef(id="h1"))
        assert isinstance(job, Job)
        assert (job.stage, job.failed_stage, job.stages) == ("write", "write", ())

    @pytest.mark.parametrize("status", ["queued", "processing", "completed", "failed"])
    def test_the_same_row_again_changes_nothing(self, site: Site, status: str) -> None:
        row = self.row(status=status, **({} if status in job_rules.FINAL else {"finished_at": None}))
        assert jobs_service.store_rows(site, [row]) == ["applied"]
        before = jobs_service.page(site), len(events(site))
        assert jobs_service.store_rows(site, [row, row]) == ["unchanged", "unchanged"]
        assert (jobs_service.page(site), len(events(site))) == before

    def test_rows_move_the_lists_and_not_the_live_counters(self, site: Site) -> None:
        jobs_service.store_rows(site, [self.row(id=f"h{i}") for i in range(3)])
        assert jobs_service.counts(site)["completed"] == 3
        assert site.store.redis.exists(keys.TOTALS.at()) == 0

    def test_a_row_counts_in_the_minute_that_it_names_and_in_none_when_it_names_none(self, site: Site) -> None:
        rows = [self.row(id="timed"), self.row(id="untimed", created_at=None, started_at=None, finished_at=None)]
        assert jobs_service.store_rows(site, rows) == ["applied", "applied"]
        ended = int(rows[0].finished_at.timestamp() // 60)  # type: ignore[union-attr]
        minutes = {int(key.rpartition(":")[2]) for key in site.store.redis.keys(keys.MINUTE.at() + "*")}  # type: ignore[union-attr]
        assert minutes == {ended, int(rows[0].created_at.timestamp() // 60)}  # type: ignore[union-attr]

    def test_a_row_ends_a_job_that_was_still_running(self, site: Site) -> None:
        tell(site, create(site, id="h1"), progress=50)
        assert jobs_service.store_rows(site, [self.row()]) == ["applied"]
        assert jobs_service.counts(site) == {"queued": 0, "processing": 0, "completed": 1, "failed": 0}


@pytest.fixture
def many(site: Site, valkey_url: str) -> Iterator[Site]:
    """The same store, of five partitions."""
    site.store.redis.flushall()
    store = Store(valkey_url, partitions=5)
    yield replace(site, store=store)
    store.close()


def test_with_several_partitions_numbers_tell_theirs_and_lists_are_one(many: Site) -> None:
    for i in range(40):
        job = create(many, agent=f"agent-{i % 7}", id=f"j{i}")
        assert job.number % 5 == many.store.partition_of(job.agent)
        tell(many, job, status="completed")
    assert [int(job.id[1:]) for job in jobs_service.page(many, limit=40).items] == list(range(39, -1, -1))  # type: ignore[union-attr]
    page = jobs_service.page(many, limit=15)
    assert page.total == 40
    assert jobs_service.counts(many)["completed"] == 40
    numbers = [job.number for job in page.items]
    before = page.next_cursor
    while before is not None:
        page = jobs_service.page(many, limit=15, before=before)
        numbers += [job.number for job in page.items]
        before = page.next_cursor
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(numbers) == 40
    assert len(jobs_service.agents(many)) == 7
    assert batch(many, *({"queue_id": n, "progress": 1} for n in numbers)).accepted == 40


def test_creating_one_id_from_many_sides_at_once_makes_one_job(site: Site) -> None:
    new = job_rules.check(job_rules.NewJob, {"id": "same"})
    with ThreadPoolExecutor(8) as pool:
        kinds = [o.kind for o in pool.map(lambda _: jobs_service.create(site, new), range(40))]
    assert sorted(kinds) == ["created"] + ["kept"] * 39
    assert jobs_service.page(site).total == 1
