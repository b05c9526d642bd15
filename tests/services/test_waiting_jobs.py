"""How many jobs wait and for how long the first has, of brokers and of reported jobs together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.site import Site
from services import jobs_service, queue_depths, waiting_jobs
from services.job_model import Job
from tests.services.brokers_told import note, queue
from tests.services.reports import create, tell, told
from tests.told import mirrors

LATER = ("scheduled", "deferred", "reserved", "retrying")


def ahead(site: Site, by_s: float) -> Site:
    at = site.clock() + by_s
    return replace(site, clock=lambda: at)


def test_what_waits_for_a_time_or_in_a_worker_is_not_counted_and_each_job_once(parted_site: Site) -> None:
    note(parted_site, "rq", queue(parted_site, "mails", 5), queue(parted_site, "video", 2))
    for state in (*LATER, "queued"):
        mirrors(parted_site, state, x=state, qu="mails")
    create(parted_site, agent="studio")
    create(parted_site, agent="studio", queue="mails")
    assert jobs_service.counts(parted_site)["queued"] == 7
    assert waiting_jobs.depth(parted_site) == 5 + 2 + 2
    note(parted_site, "rq", why="it refused the connection")
    assert waiting_jobs.depth(parted_site) == 2, "nobody knows how many wait there"


def test_what_waits_in_a_queue_that_its_engine_does_not_tell_of_counts_by_the_indexes(parted_site: Site) -> None:
    note(parted_site, "rq", queue(parted_site, "mails", 5))
    for state in (*LATER, "queued", "started"):
        mirrors(parted_site, state, x=state, qu="past-the-limit")
    mirrors(parted_site, "told", x="queued", qu="mails")
    mirrors(parted_site, "elsewhere", agent="away", x="queued", qu="past-the-limit")
    note(parted_site, "away", why="it refused the connection")
    create(parted_site, agent="studio", queue="past-the-limit")
    assert waiting_jobs.depth(parted_site) == 5 + 1 + 1


def test_what_waits_in_many_queues_is_counted_now_and_then(parted_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_depths, "MOST_QUEUES", 2)
    monkeypatch.setattr(queue_depths, "UNTOLD_S", 60)
    note(parted_site, "rq", queue(parted_site, "mails", 5))
    for n, depth in enumerate((6, 7, 8, 8), 1):
        mirrors(parted_site, f"job-{n}", x="queued", qu=f"past-the-limit-{n}")
        assert waiting_jobs.depth(parted_site) == depth
    note(parted_site, "rq", why="it refused the connection")
    assert waiting_jobs.depth(parted_site) == 0, "at once"


def test_the_longest_wait_is_of_whatever_waits_longest(parted_site: Site) -> None:
    site = parted_site
    assert waiting_jobs.longest_wait_s(site) is None
    for state in LATER:
        mirrors(site, state, x=state, qu="mails", ca=1)
    note(site, "rq", queue(site, "mails", 0))
    assert waiting_jobs.longest_wait_s(site) is None
    create(site, agent="studio")
    later = ahead(site, 60)
    note(later, "rq", queue(later, "mails", 1, waits_s=10))
    assert waiting_jobs.longest_wait_s(later, "rq") == pytest.approx(10, abs=1)
    assert (
        waiting_jobs.longest_wait_s(later) == waiting_jobs.longest_wait_s(later, "studio") == pytest.approx(60, abs=1)
    )
    note(later, "rq", queue(later, "mails", 1, waits_s=90), queue(later, "video", 0, waits_s=900))
    assert waiting_jobs.longest_wait_s(later) == waiting_jobs.longest_wait_s(later, "rq") == pytest.approx(90, abs=1)
    note(later, "rq", why="it refused the connection")
    assert waiting_jobs.longest_wait_s(later, "rq") is None
    assert waiting_jobs.longest_wait_s(later) == pytest.approx(60, abs=1)


def test_the_first_reported_job_is_found_behind_any_number_of_a_brokers(parted_site: Site) -> None:
    agents = [f"agent-{n}" for n in range(6)]
    for broker in agents[:4]:
        note(parted_site, broker)
        for n in range(20):
            mirrors(parted_site, f"job-{n}", agent=broker, x="scheduled", qu="mails", ca=1)
    expected = {agent: create(parted_site, agent=agent) for agent in agents[4:]}
    for broker in agents[:4]:
        mirrors(parted_site, "last", agent=broker, x="scheduled", qu="mails", ca=1)
    later = ahead(parted_site, 600)
    assert waiting_jobs.longest_wait_s(later) == pytest.approx(600, abs=5)
    for job in expected.values():
        tell(parted_site, job, status="processing")
    assert waiting_jobs.longest_wait_s(later) is None


def test_a_job_that_was_put_back_waits_since_then_and_another_may_have_waited_longer(site: Site) -> None:
    jobs = [create(site, agent="studio") for _ in range(3)]
    back = replace(site, clock=lambda: again.updated_at.timestamp() + 60)
    for job in jobs[:2]:
        again: Job = told(site, job, attempt=2, status="queued")
    assert waiting_jobs.longest_wait_s(back) == round(back.clock() - jobs[2].created_at.timestamp(), 3)


def test_what_was_a_brokers_and_is_held_is_not_the_first_that_waits(site: Site) -> None:
    mirrors(site, "later", agent="former", x="scheduled", qu="mails", ca=1)
    assert waiting_jobs.longest_wait_s(site) is None
    create(site, agent="studio")
    assert (waiting_jobs.longest_wait_s(ahead(site, 60)) or 0.0) < 70
