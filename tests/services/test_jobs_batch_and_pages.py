"""Batches of updates, lists by page, and jobs over several partitions, in a real store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from core.fields import check
from core.site import Site
from core.store import Store
from services import job_calls, job_rules, jobs_service
from services.job_changes import JobRef
from tests.services.reports import NOW, batch, create, events, iso, tell


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
        count = job_calls.CHUNK * 2 + 7
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
        assert calls() - before >= 300 * 16_000 // job_calls.CHUNK_BYTES
        assert batch(site, *lines[:20]).accepted == 20
        assert calls() - before <= 300 * 16_000 // job_calls.CHUNK_BYTES + 3


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
    new = check(job_rules.NewJob, {"id": "same"})
    with ThreadPoolExecutor(8) as pool:
        kinds = [o.kind for o in pool.map(lambda _: jobs_service.create(site, new), range(40))]
    assert sorted(kinds) == ["created"] + ["kept"] * 39
    assert jobs_service.page(site).total == 1
