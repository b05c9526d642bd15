"""Agents in a real store: their jobs by page, their figures, and what goes with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from core import keys
from core.site import Site
from services import agents_service, job_events, jobs_service, retention_service
from services.agents_service import AgentStats
from services.job_model import DamagedJob, Job
from tests.services.told_agents import (
    AGENT,
    counts,
    create,
    discover,
    job_events_of,
    made,
    start,
    tell,
    told,
)


@pytest.fixture
def site(parted_site: Site) -> Site:
    return parted_site


class TestJobs:
    def test_a_job_keeps_its_video_and_its_stage_none_while_it_waits(self, site: Site) -> None:
        job = create(site, videoId="v1", videoTitle="Tïtle", stage="queued")
        assert (job.video_id, job.title, job.stage, job.status) == ("v1", "Tïtle", None, "queued")
        assert [event.kind for event in job_events_of(site)] == ["created"]
        assert (
            job_events_of(site)[0].video_id,
            job_events_of(site)[0].episode_id,
            job_events_of(site)[0].published,
        ) == ("v1", "", False)

    def test_a_job_created_at_a_stage_is_announced_before_it_and_at_it(self, site: Site) -> None:
        job = create(site, stage="speech_detection", message="listening")
        assert (job.status, job.stage, job.progress) == ("processing", "speech_detection", 30)
        events = job_events_of(site)
        assert [(event.kind, event.was, event.status, event.progress, event.message) for event in events] == [
            ("created", "", "queued", 0, ""), ("begun", "queued", "processing", 30, "listening"),
        ]  # fmt: skip

    def test_a_job_created_at_its_end_tells_of_both(self, site: Site) -> None:
        assert create(site, stage="completed").progress == 100
        assert [(event.kind, event.status) for event in job_events_of(site)] == [
            ("created", "queued"),
            ("updated", "completed"),
        ]

    @pytest.mark.parametrize(
        "stage,percent",
        [("downloading", 10), ("speech_detection", 30), ("ai_analysis", 50), ("audio_processing", 70),
         ("uploading", 90), ("completed", 100), ("mixing", 42)],
    )  # fmt: skip
    def test_a_stage_alone_brings_the_progress_that_is_known_of_it(self, site: Site, stage: str, percent: int) -> None:
        job = create(site)
        tell(site, job, progress=42)
        assert told(site, job, stage=stage).progress == percent

    def test_a_stage_with_a_progress_has_that_and_a_failure_keeps_the_last(self, site: Site) -> None:
        job = create(site)
        assert told(site, job, stage="uploading", progress=12.5).progress == 12.5
        failed = told(site, job, stage="failed", error="no space")
        assert (failed.progress, failed.error, failed.failed_stage) == (12.5, "no space", "uploading")

    def test_an_id_that_exists_stays_as_it_is(self, site: Site) -> None:
        create(site, id="x", videoTitle="first")
        again = create(site, id="x", videoTitle="second")
        assert again.title == "first"
        assert len(job_events_of(site)) == 1

    def test_a_job_is_found_and_changed_by_number_and_by_id_of_its_own_agent_only(self, site: Site) -> None:
        job, other = create(site, id="x"), create(site, "another")
        assert agents_service.get_job(site, AGENT, "x") == agents_service.get_job(site, AGENT, str(job.number)) == job
        for ref in (str(other.number), other.id, "nobody", "9" * 40, "٣", "999999"):
            assert agents_service.get_job(site, AGENT, ref) is None
        changed = agents_service.update_job(site, AGENT, str(job.number), agents_service.AgentUpdate(progress=3))
        assert isinstance(changed.job, Job) and changed.job.progress == 3
        other_way = agents_service.update_job(site, AGENT, str(other.number), agents_service.AgentUpdate(progress=3))
        assert other_way.kind == "missing"

    def test_any_page_is_found_whatever_the_jobs_status(self, site: Site) -> None:
        made_jobs = [create(site) for _ in range(23)]
        create(site, "another")
        for place, job in enumerate(made_jobs):
            if place % 4:
                tell(site, job, status=("processing", "completed", "failed")[place % 4 - 1])
        newest_first = [job.number for job in reversed(made_jobs)]
        for skip in range(25):
            for limit in (1, 4, 30):
                page = agents_service.jobs(site, AGENT, limit=limit, skip=skip)
                assert [job.number for job in page.jobs] == newest_first[skip : skip + limit]
                assert page.total == 23
        assert agents_service.jobs(site, AGENT, limit=1, skip=2**53).jobs == ()
        assert agents_service.jobs(site, "nobody", limit=9) == agents_service.Listed((), 0)

    def test_a_deep_page_reads_no_more_than_the_first(self, site: Site) -> None:
        report = jobs_service.BatchReport()
        line = b'{"agent":"%s"}' % AGENT.encode()
        jobs_service.batch(site, ((n, line) for n in range(3_000)), report)

        def reads(skip: int) -> int:
            site.store.redis.config_resetstat()
            assert len(agents_service.jobs(site, AGENT, limit=20, skip=skip).jobs) == 20
            stats: Any = site.store.redis.info("commandstats")
            return sum(one["calls"] for name, one in stats.items() if name.startswith("cmdstat_z"))

        assert max(reads(100), reads(1_500), reads(2_980)) < 100

    def test_active_jobs_are_those_that_wait_or_work_and_those_at_work_always(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = [create(site) for _ in range(6)]
        tell(site, jobs[0], progress=1)
        tell(site, jobs[2], status="completed")
        assert [job.number for job in agents_service.active_jobs(site, AGENT)] == [
            jobs[place].number for place in (5, 4, 3, 1, 0)
        ]
        monkeypatch.setattr(agents_service, "MOST_ACTIVE", 3)
        assert [job.number for job in agents_service.active_jobs(site, AGENT)] == [jobs[p].number for p in (5, 4, 0)]

    def test_a_damaged_job_is_shown_and_harms_no_other(self, site: Site) -> None:
        job, lost = create(site), create(site, id="x")
        site.store.redis.delete(keys.JOB.at(site.store.partition_of(AGENT), lost.number))
        assert agents_service.jobs(site, AGENT, limit=9).jobs == (DamagedJob(lost.number), job)
        for ref in ("x", str(lost.number)):
            outcome = agents_service.update_job(site, AGENT, ref, agents_service.AgentUpdate(progress=3))
            assert (outcome.kind, outcome.job) == ("damaged", DamagedJob(lost.number))


class TestAgents:
    def test_figures_of_an_agent_that_nobody_knows_are_zeros(self, site: Site) -> None:
        assert agents_service.stats(site, "nobody") == AgentStats(0, 0, 0, 0, 0, None)

    def test_an_agents_figures_are_of_its_own_jobs(self, site: Site) -> None:
        for status in ("completed", "completed", "failed", "processing", "pending"):
            tell(site, create(site), status=status)
        create(site, "another")
        now = agents_service.stats(site, AGENT)
        assert (now.active_jobs, now.failed_jobs, now.success_rate) == (2, 1, 66.67)

    def test_an_agent_is_known_from_its_first_video_on(self, site: Site) -> None:
        discover(site, "v1", "scout")
        start(site, "archivist")
        assert {one.agent for one in agents_service.agents(site)} == {"scout", "archivist"}

    def test_all_of_an_agent_goes_once_it_has_no_job_and_was_not_seen_for_long(self, site: Site) -> None:
        job = create(site, videoId="v1")
        for stage in ("downloading", "uploading"):
            tell(site, job, stage=stage)
        tell(site, job, stage="completed", episodeId="e1", published=True)
        discover(site, "v1")
        start(site, id="b1")
        discover(site, "v2", "scout")
        later = replace(site, clock=lambda: site.clock() + 31 * 86_400)
        assert retention_service.run(site) == 0
        assert retention_service.run(later) == 1
        left = {str(key).partition("}:")[2] for key in site.store.redis.keys("headway:*")}
        times = (keys.MINUTE.suffix, keys.HOUR.suffix, keys.AGENT_MINUTE.suffix, keys.AGENT_HOUR.suffix)
        assert {key for key in left if not key.startswith(times)} == {"number", "events", "totals"}

    def test_an_agent_with_a_job_that_never_ended_keeps_all(self, site: Site) -> None:
        create(site, videoId="v1")
        made(site, "e1")
        later = replace(site, clock=lambda: site.clock() + 31 * 86_400)
        assert retention_service.run(later) == 1
        assert counts(site) == (1, 1, 0, 1)

    def test_agents_that_were_not_seen_for_long_all_go_however_many(self, site: Site) -> None:
        for number in range(retention_service.STEP + 50):
            discover(site, "v", f"scout {number}")
        later = replace(site, clock=lambda: site.clock() + 31 * 86_400)
        for _ in range(4):
            retention_service.run(later)
        assert agents_service.agents(site) == ()


def test_events_of_an_earlier_version_are_still_read() -> None:
    old = ["updated", 1, "x", "a", "", "processing", "queued", "read", 5, "", "", "", 1, 1_700_000_000_000]
    event = job_events.decode(msgspec.msgpack.encode(old))
    assert (event.video_id, event.episode_id, event.published) == ("", "", False)
