"""Finished jobs go when they are too old or too many; nothing of them stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import app
from core import keys
from core.database import Database
from core.metrics import ARCHIVE_MISSED
from core.site import Site
from services import job_rules, jobs_service, retention_service
from services.archive_service import Archiver
from services.job_changes import JobRef
from tests import archive
from tests.conftest import free_port

DAY = 86_400.0


@pytest.fixture
def site(site: Site) -> Iterator[Site]:
    """One with an archive, where jobs go before they leave the store."""
    with archive.archived(site) as made:
        yield made


def finish(site: Site, count: int, *, agent: str = "a", start: int = 0) -> None:
    for i in range(start, start + count):
        jobs_service.create(site, job_rules.NewJob(agent=agent, id=f"j{i}"))
        when = datetime.now(UTC) - timedelta(minutes=1) + timedelta(milliseconds=i)
        jobs_service.update(site, JobRef(agent=agent, id=f"j{i}"), job_rules.Update(status="completed", timestamp=when))


def keeping(site: Site, **settings: int) -> Site:
    return replace(site, settings=replace(site.settings, **settings))


def later(site: Site, days: float) -> Site:
    return replace(site, clock=lambda: site.clock() + days * DAY)


def test_jobs_beyond_the_count_go_oldest_first(site: Site) -> None:
    finish(site, 10)
    assert retention_service.run(keeping(site, keep_jobs=4)) == 6
    assert [job.id for job in jobs_service.page(site).items] == ["j9", "j8", "j7", "j6"]  # type: ignore[union-attr]


def test_jobs_older_than_the_days_go_and_younger_stay(site: Site) -> None:
    finish(site, 5)
    assert retention_service.run(later(site, 29.9)) == 0
    assert retention_service.run(later(site, 30.1)) == 5
    assert jobs_service.page(site).total == 0


def test_unfinished_jobs_stay_however_old_and_many(site: Site) -> None:
    jobs_service.create(site, job_rules.NewJob(id="waits"))
    finish(site, 3)
    assert retention_service.run(keeping(later(site, 400), keep_jobs=1)) == 3
    assert [job.id for job in jobs_service.page(site).items] == ["waits"]  # type: ignore[union-attr]


def test_nothing_of_a_retired_job_stays_behind(site: Site) -> None:
    finish(site, 3)
    retention_service.run(later(site, 31))
    left = set(site.store.redis.keys("*"))  # type: ignore[arg-type]
    counted = tuple(each.at() for each in (keys.MINUTE, keys.HOUR, keys.AGENT_MINUTE, keys.AGENT_HOUR))
    times = {key for key in left if key.startswith(counted)}
    assert left - times == {keys.NUMBER.at(), keys.TOTALS.at(), keys.EVENTS.at()}
    finish(site, 1)
    assert jobs_service.counts(site)["completed"] == 1


def test_an_agent_with_other_jobs_stays_listed(site: Site) -> None:
    finish(site, 2)
    jobs_service.create(site, job_rules.NewJob(agent="a", id="waits"))
    retention_service.run(later(site, 31))
    assert [agent.agent for agent in jobs_service.agents(site)] == ["a"]


@pytest.mark.parametrize("count", [0, 1, retention_service.STEP, retention_service.STEP + 1])
def test_it_goes_in_steps_until_nothing_is_left_to_do(site: Site, count: int) -> None:
    rows = [job_rules.HistoryRow(id=f"j{i}", status="completed") for i in range(count)]
    jobs_service.store_rows(site, rows)
    assert retention_service.run(later(site, 31)) == count
    assert jobs_service.page(site).total == 0


def test_a_full_store_still_lets_old_jobs_go(site: Site) -> None:
    finish(site, 3)
    site.store.redis.config_set("maxmemory", "1")
    try:
        assert retention_service.run(later(site, 31)) == 3
    finally:
        site.store.redis.config_set("maxmemory", "0")
    (duty,) = [duty for duty in app.DUTIES if duty.name == "retention"]
    assert duty.makes_room


def test_a_damaged_job_is_retired_like_any_other(site: Site) -> None:
    finish(site, 2)
    site.store.redis.delete(keys.JOB.at(0, 1))
    assert retention_service.run(later(site, 31)) == 2
    assert jobs_service.page(site).total == 0


def test_retention_keeps_up_with_jobs_that_end_by_the_thousand_a_second() -> None:
    (duty,) = [duty for duty in app.DUTIES if duty.name == "retention"]
    assert retention_service.STEP * retention_service.MOST_STEPS / duty.every_s >= 5_000


def away(site: Site) -> Site:
    """Its archive can't be reached."""
    url = f"postgresql://headway:hush@127.0.0.1:{free_port()}/postgres"
    return replace(site, database=Database(replace(site.settings, database_url=url)))


def test_what_goes_is_in_the_archive_before_it_leaves_the_store(site: Site) -> None:
    finish(site, 3)
    site.store.raw.set(keys.JOB.at(0, 2), b"\x00nonsense")
    assert retention_service.run(later(site, 31)) == 3
    assert [row["id"] for row in archive.rows(site)] == ["j0", "j2"]


def test_while_the_archive_is_away_twice_as_many_stay_and_no_more(site: Site) -> None:
    finish(site, 10)
    assert retention_service.run(keeping(away(site), keep_jobs=5)) == 0
    before = ARCHIVE_MISSED._value.get()
    assert retention_service.run(keeping(away(site), keep_jobs=4)) == 2
    assert ARCHIVE_MISSED._value.get() == before + 2
    assert retention_service.run(keeping(site, keep_jobs=4)) == 4
    assert [row["id"] for row in archive.rows(site)] == ["j2", "j3", "j4", "j5"]


def test_what_is_archived_already_is_not_missed_and_what_is_not_is_missed_once(site: Site) -> None:
    archiver = Archiver()
    archiver.run(site)
    finish(site, 6)
    archiver.run(site)
    finish(site, 3, start=6)
    before = ARCHIVE_MISSED._value.get()
    assert retention_service.run(keeping(away(site), keep_jobs=2)) == 5
    assert ARCHIVE_MISSED._value.get() == before
    assert retention_service.run(keeping(away(site), keep_jobs=1)) == 2
    assert ARCHIVE_MISSED._value.get() == before + 1
    archiver.run(site)
    assert [row["id"] for row in archive.rows(site)] == ["j0", "j1", "j2", "j3", "j4", "j5", "j7", "j8"]
    assert ARCHIVE_MISSED._value.get() == before + 1


def test_what_a_comparison_came_past_is_not_missed(site: Site) -> None:
    finish(site, 6)
    first = jobs_service.page(site, after=0, limit=1).items[0].number
    assert site.store.scripts.run("archive", 0, {"of": "x", "most": 10, "bytes": 1000})[1]
    was, done, _ = site.store.scripts.run("sweep", 0, {"of": "x", "most": 3})
    site.store.scripts.run("sweep", 0, {"of": "x", "most": 3, "was": was.decode(), "done": done.decode()})
    assert site.store.scripts.run("retire", 0, {"before": 0, "keep": 2, "most": 10}) == [4, 1]
    assert not site.store.redis.exists(keys.JOB.at(0, first))


def test_while_the_archive_is_away_jobs_stay_for_twice_as_long_and_no_longer(site: Site) -> None:
    finish(site, 2)
    assert retention_service.run(later(away(site), 59)) == 0
    assert retention_service.run(later(away(site), 61)) == 2


def test_a_full_store_does_not_wait_for_an_archive_that_is_away(site: Site) -> None:
    finish(site, 3)
    site.fleet.refused = "the store is out of memory (maxmemory)"
    assert retention_service.run(later(away(site), 31)) == 3


def test_what_is_said_of_a_job_while_it_is_archived_keeps_it_in_the_store(site: Site) -> None:
    finish(site, 2)
    limits = {"before": 0, "keep": 1, "most": 10}
    due = site.store.scripts.run("due", 0, limits)
    tell_facts = jobs_service.Change(o="update", n=1, ep="e-1")
    jobs_service.apply(site, 0, tell_facts)
    assert site.store.scripts.run("retire", 0, limits | {"sure": {1: due[2]}}) == [0, 0]
    due = site.store.scripts.run("due", 0, limits)
    assert site.store.scripts.run("retire", 0, limits | {"sure": {1: due[2]}}) == [1, 0]
