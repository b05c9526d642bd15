"""Schedules, and jobs that wait for a time, soonest first."""

from __future__ import annotations

from dataclasses import replace

from core import keys
from core.site import Site
from core.store import Store
from services import due_jobs, schedules_service
from services.brokers.model import ScheduleNow
from tests.panels.boards import at_noon
from tests.told import fails, mirrors, now_ms, stands


def ids(site: Site, limit: int = 10) -> list[str]:
    return [job.id for job in due_jobs.soonest(site, limit).jobs]


def test_entries_come_soonest_first_and_those_of_which_nothing_is_known_last(site: Site) -> None:
    site = at_noon(site)
    now = now_ms(site)
    entries = [
        ScheduleNow(name="unknown", spec="@yearly"),
        ScheduleNow(name="later", spec="0 3 * * *", next_ms=now + 60_000, alive=True),
        ScheduleNow(name="soon", spec="every 30 s", next_ms=now + 1_000, alive=False),
    ]
    stands(site, schedules=entries)
    found = schedules_service.schedules(site)
    assert [one.now.name for one in found.schedules] == ["soon", "later", "unknown"]
    assert found.unkept == 1
    fails(site, "nothing listens at its address")
    assert all(one.is_old for one in schedules_service.schedules(site).schedules)


def test_jobs_that_wait_for_a_time_come_soonest_first_whichever_came_in_first(site: Site) -> None:
    site = replace(at_noon(site), store=Store(site.store.url, partitions=3))
    now = now_ms(site)
    for place, (agent, due_s) in enumerate((("rq", 90), ("celery", 30), ("third", 60), ("rq", 3_600))):
        mirrors(site, f"j{place}", agent=agent, qu="mail", x="scheduled", du=now + due_s * 1000)
    found = due_jobs.soonest(site, 3)
    assert ([job.id for job in found.jobs], found.total) == (["j1", "j2", "j0"], 4)
    site.store.close()


def test_a_job_leaves_the_list_when_it_waits_no_more_and_moves_in_it_when_its_time_does(site: Site) -> None:
    now = now_ms(site)
    for id in "abcd":
        mirrors(site, id, qu="mail", x="scheduled", du=now + 60_000)
    mirrors(site, "d", du=now + 1_000)
    assert ids(site) == ["d", "a", "b", "c"]
    mirrors(site, "d", s="processing", x="started", sa=now)
    mirrors(site, "a", x="queued", du=0)
    mirrors(site, "b", s="failed", x="canceled", fa=now)
    assert ids(site) == ["c"]
    mirrors(site, "d", t=2, s="queued", x="retrying", du=now + 30_000)
    assert ids(site) == ["d", "c"]


def test_a_job_that_ended_at_once_or_whose_record_is_gone_is_not_told_of(site: Site) -> None:
    now = now_ms(site)
    mirrors(site, "ended", qu="mail", s="completed", x="finished", du=now + 60_000, sa=now, fa=now)
    mirrors(site, "gone", qu="mail", x="scheduled", du=now + 60_000)
    (job,) = due_jobs.soonest(site, 10).jobs
    site.store.redis.delete(keys.JOB.at(0, job.number))
    assert ids(site) == []
