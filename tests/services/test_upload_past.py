"""Rows of jobs that only the archive has still: they come in once, and new jobs under their ids do too."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from core import keys
from core.database import Database
from core.site import Site
from services import archive_export, jobs_service, retention_service, uploads_service
from services.archive_filter import Filter
from services.archive_service import Archiver
from services.upload_records import Upload
from tests import archive
from tests.conftest import free_port
from tests.services.reports import NOW, create, iso
from tests.services.upload_files import as_ndjson

ROWS: list[dict[str, Any]] = [
    {
        "id": f"j{n}",
        "agent": f"a{n % 3}",
        "status": "completed",
        "created_at": iso(NOW - timedelta(minutes=60, seconds=n)),
        "started_at": iso(NOW - timedelta(minutes=50, seconds=n)),
        "finished_at": iso(NOW - timedelta(minutes=40, seconds=n)),
    }
    for n in range(30)
]


def receive(site: Site, *rows: dict[str, Any]) -> Upload:
    return uploads_service.receive(site, "jobs.ndjson", "anyone", [as_ndjson(list(rows))])


def retire(site: Site, keep: int = 1) -> None:
    """The store keeps the last jobs alone; the archive has them all."""
    Archiver().run(site)
    retention_service.run(replace(site, settings=replace(site.settings, keep_jobs=keep)))
    assert sum(jobs_service.counts(site).values()) == keep


def minutes(site: Site) -> dict[str, Any]:
    found = sorted(map(str, site.store.redis.keys(keys.MINUTE.at() + "*")))
    return {key: site.store.redis.hgetall(key) for key in found}


def test_an_export_into_the_same_site_changes_nothing_and_counts_nothing_again(archived_site: Site) -> None:
    receive(archived_site, *ROWS)
    retire(archived_site)
    before, counted = archive.rows(archived_site), minutes(archived_site)
    assert len(before) == len(ROWS)
    file = b"".join(archive_export.export(archived_site, Filter(), "csv"))
    done = uploads_service.receive(archived_site, "history.csv", "anyone", [file])
    assert (done.state, done.reason, done.accepted, done.unchanged) == ("stored", None, len(ROWS), len(ROWS))
    # The file that they came from tells the same, and so does one that is from before they ended.
    earlier = [{**row, "status": "queued", "started_at": None, "finished_at": None} for row in ROWS[:9]]
    bare = [{"id": row["id"], "agent": row["agent"], "status": "completed"} for row in ROWS[9:]]
    for rows in (ROWS, [*earlier, *bare]):
        again = receive(archived_site, *rows)
        assert (again.accepted, again.unchanged) == (len(ROWS), len(ROWS))
    Archiver().run(archived_site)
    assert (archive.rows(archived_site), minutes(archived_site)) == (before, counted)


def test_what_began_after_the_archived_end_or_is_a_higher_attempt_or_another_agents_comes_in(
    archived_site: Site,
) -> None:
    receive(archived_site, *ROWS)
    retire(archived_site)
    late = {name: iso(NOW - timedelta(minutes=ago)) for name, ago in (("started_at", 9), ("finished_at", 5))}
    done = receive(
        archived_site,
        {**ROWS[7], **late},
        {**ROWS[8], "attempt": 2, "finished_at": late["finished_at"]},
        {**ROWS[9], "agent": "other"},
        ROWS[10],
    )
    assert (done.accepted, done.unchanged) == (4, 1)
    Archiver().run(archived_site)
    assert len(archive.rows(archived_site)) == len(ROWS) + 3


def test_a_row_still_ends_a_job_in_the_store_whose_id_an_archived_one_had(archived_site: Site) -> None:
    receive(archived_site, *ROWS)
    retire(archived_site)
    create(archived_site, id="j20", agent="a2")
    assert receive(archived_site, ROWS[20]).unchanged == 1
    assert jobs_service.counts(archived_site)["queued"] == 1
    assert receive(archived_site, {"id": "j20", "agent": "a2", "status": "failed"}).unchanged == 0
    assert jobs_service.counts(archived_site) == {
        "queued": 0,
        "processing": 0,
        "completed": 1,
        "failed": 1,
        "canceled": 0,
    }


def test_while_the_archive_is_away_rows_are_taken_and_the_upload_says_so(site: Site) -> None:
    settings = replace(site.settings, database_url=f"postgresql://headway@127.0.0.1:{free_port()}/x")
    away = replace(site, settings=settings, database=Database(settings))
    done = receive(away, *ROWS)
    assert (done.state, done.accepted, done.unchanged) == ("stored", len(ROWS), 0)
    assert (done.reason or "").startswith("PostgreSQL can't be reached")
