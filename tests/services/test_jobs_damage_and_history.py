"""Records that were lost or spoiled, and rows of jobs that ended long ago, in a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from core import keys
from core.fields import check
from core.site import Site
from services import job_rules, jobs_service
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job
from tests.services.reports import NOW, batch, create, events, iso, tell, told


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
            ("stages", [[None, 5, 0]]),
            ("videoId", 5),
            ("published", "yes"),
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
        return check(job_rules.HistoryRow, {n: iso(v) if isinstance(v, datetime) else v for n, v in given.items()})

    def test_a_row_keeps_its_own_times_and_stages(self, site: Site) -> None:
        stages = [{"name": "read", "started_at": iso(NOW - timedelta(hours=1)), "finished_at": iso(NOW)}]
        assert jobs_service.store_rows(site, [self.row(stages=stages, error=None, result={"rows": 5})]) == ["applied"]
        job = jobs_service.get(site, JobRef(id="h1"))
        assert isinstance(job, Job)
        assert job.finished_at is not None and job.started_at is not None
        assert abs((job.finished_at - job.started_at) - timedelta(minutes=30)) < timedelta(seconds=1)
        assert [span.name for span in job.stages] == ["read"]
        assert (job.progress, job.result) == (100, '{"rows":5}')

    def test_a_row_that_tells_not_when_it_was_created_was_so_by_its_start(self, site: Site) -> None:
        jobs_service.store_rows(site, [self.row(created_at=None)])
        job = jobs_service.get(site, JobRef(id="h1"))
        assert isinstance(job, Job)
        assert job.created_at == job.started_at

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
        tell(site, create(site, id="h1", timestamp=iso(NOW - timedelta(hours=2))), progress=50)
        assert jobs_service.store_rows(site, [self.row()]) == ["applied"]
        assert jobs_service.counts(site) == {"queued": 0, "processing": 0, "completed": 1, "failed": 0, "canceled": 0}

    @pytest.mark.parametrize("said", [{}, {"finished_at": None}, {"attempt": 2}], ids=["whole", "no end", "attempt 2"])
    def test_a_row_of_an_earlier_job_leaves_the_one_alone_that_has_its_id_now(self, site: Site, said: Any) -> None:
        job = create(site, id="h1", title="New")
        row = self.row(title="Old", **said)
        assert jobs_service.store_rows(site, [row]) == ["unchanged"]
        assert jobs_service.get(site, JobRef(number=job.number)) == job

    def test_a_row_ends_a_job_whose_clock_is_behind_or_whose_beginning_no_row_told(self, site: Site) -> None:
        create(site, id="h1")
        bare = self.row(id="h2", status="queued", created_at=None, started_at=None, finished_at=None)
        rows = [bare, self.row(finished_at=datetime.now(UTC) - timedelta(seconds=30)), self.row(id="h2")]
        assert jobs_service.store_rows(site, rows) == ["applied"] * 3
        assert jobs_service.counts(site)["completed"] == 2
