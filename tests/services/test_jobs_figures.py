"""What the store counts of jobs as they end: minutes and hours, durations by bucket, and how long each stage took."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from core import keys
from core.fields import check
from core.site import Site
from services import job_rules, jobs_service
from services.job_changes import JobRef
from tests.services.reports import NOW, batch, create, iso, tell


def kept(site: Site, key: keys.Key) -> dict[str, int]:
    """What stands in all the hashes of a unit of time, summed."""
    sums: dict[str, int] = {}
    for name in site.store.redis.keys(f"{key.at()}*"):
        fields: Any = site.store.redis.hgetall(name)
        for field, value in fields.items():
            sums[field] = sums.get(field, 0) + int(value)
    return sums


def stage_times(site: Site, agent: str) -> dict[str, list[Any]]:
    fields: Any = site.store.raw.hgetall(keys.STAGE_TIMES.at(0, agent))
    return {name.decode(): msgspec.msgpack.decode(times) for name, times in fields.items()}


def passing(site: Site, id: str, *stages: str, ends: str = "completed", s: float = 0.5) -> None:
    """A job of agent `a` that takes `s` seconds for each stage."""
    create(site, id=id, agent="a")
    begun = NOW - timedelta(minutes=5)
    for place, stage in enumerate(stages):
        at = begun + timedelta(seconds=place * s)
        batch(site, {"agent": "a", "id": id, "stage": stage, "timestamp": iso(at)})
    end = begun + timedelta(seconds=len(stages) * s)
    batch(site, {"agent": "a", "id": id, "status": ends, "timestamp": iso(end)})


@pytest.mark.parametrize("key", [keys.MINUTE, keys.HOUR])
def test_each_end_counts_with_its_duration_in_its_minute_and_hour(site: Site, key: keys.Key) -> None:
    begun = NOW - timedelta(minutes=2)
    for ms, status in ((0, "completed"), (1_000, "failed"), (60_000, "completed")):
        job = create(site, timestamp=iso(begun))
        tell(site, job, status="processing", timestamp=iso(begun))
        tell(site, job, status=status, timestamp=iso(begun + timedelta(milliseconds=ms)))
    bucket = {ms: f"d{math.floor(math.log(max(ms, 1)) / math.log(1.1))}" for ms in (0, 1_000, 60_000)}
    assert kept(site, key) == {
        "created": 3, "completed": 2, "failed": 1, "duration_ms": 61_000,
        bucket[0]: 1, bucket[1_000]: 1, bucket[60_000]: 1,
    }  # fmt: skip


def test_minutes_go_after_a_day_and_hours_after_three_months(site: Site) -> None:
    tell(site, create(site), status="completed")
    lives = {key: [site.store.redis.ttl(name) for name in site.store.redis.keys(f"{key.at()}*")]
             for key in (keys.MINUTE, keys.HOUR)}  # fmt: skip
    assert all(24 * 3600 < ttl <= 25 * 3600 for ttl in lives[keys.MINUTE])
    assert all(90 * 86_400 < ttl <= 91 * 86_400 for ttl in lives[keys.HOUR])
    assert lives[keys.MINUTE] and lives[keys.HOUR]


def test_a_row_of_last_week_counts_in_its_hour_and_in_no_minute(site: Site) -> None:
    ended = NOW - timedelta(days=3)
    row = {"id": "h", "status": "completed", "started_at": iso(ended - timedelta(minutes=1)), "finished_at": iso(ended)}
    jobs_service.store_rows(site, [check(job_rules.HistoryRow, row)])
    assert kept(site, keys.MINUTE) == {}
    assert kept(site, keys.HOUR)["completed"] == 1


def test_the_durations_of_stages_are_kept_and_the_order_of_the_newest_job(site: Site) -> None:
    passing(site, "one", "read", "encode", "read")
    passing(site, "two", "read", "encode", "order", s=0.25)
    assert stage_times(site, "a") == {
        "read": [500, 500, 250], "encode": [500, 250], "order": [250], "": ["read", "encode", "order"]
    }  # fmt: skip


def test_the_stage_in_which_a_job_failed_is_no_measure_and_neither_is_its_order(site: Site) -> None:
    passing(site, "one", "read", "encode", ends="failed")
    assert stage_times(site, "a") == {"read": [500]}


def test_rows_of_history_tell_no_stage_times(site: Site) -> None:
    past = [{"name": "read", "started_at": iso(NOW - timedelta(hours=1)), "finished_at": iso(NOW)}]
    row = {"id": "h", "agent": "a", "status": "completed", "stages": past, "finished_at": iso(NOW)}
    jobs_service.store_rows(site, [check(job_rules.HistoryRow, row)])
    assert stage_times(site, "a") == {}


def test_the_last_32_durations_of_a_stage_stay(site: Site) -> None:
    for number in range(34):
        passing(site, f"j{number}", "read", s=number / 1000)
    assert stage_times(site, "a")["read"] == list(range(2, 34))


def test_stages_that_no_job_has_any_more_make_room_for_others(site: Site) -> None:
    passing(site, "long", *(f"old {n}" for n in range(90)))
    assert 50 < len(stage_times(site, "a")) <= 66
    passing(site, "first", "read", "write")
    passing(site, "second", "read", "write")
    assert stage_times(site, "a").keys() == {"read", "write", ""}


def test_what_somebody_else_wrote_there_is_replaced(site: Site) -> None:
    site.store.redis.hset(keys.STAGE_TIMES.at(0, "a"), mapping={"read": "fast", "": "any"})
    passing(site, "one", "read")
    assert stage_times(site, "a") == {"read": [500], "": ["read"]}


def test_stage_times_go_with_the_agents_last_job(site: Site) -> None:
    passing(site, "one", "read")
    create(site, agent="a", id="waits")
    later = NOW + timedelta(days=31)
    retire = {"before": int(later.timestamp() * 1000), "keep": 100, "most": 10}
    assert site.store.scripts.run("retire", 0, {**retire, "before": 0}) == [0, 0]
    assert site.store.scripts.run("retire", 0, retire) == [1, 1]
    assert stage_times(site, "a")
    jobs_service.update(site, JobRef(agent="a", id="waits"), job_rules.Update(status="failed"))
    assert site.store.scripts.run("retire", 0, retire) == [1, 1]
    assert stage_times(site, "a") == {}


def test_an_agent_that_was_seen_lately_stays_listed_without_a_job(site: Site) -> None:
    for number in range(3):
        tell(site, create(site, agent="a"), status="completed")
        tell(site, create(site, agent=f"b{number}"), status="completed")
    gone = {"before": int((NOW - timedelta(days=30)).timestamp() * 1000), "keep": 1, "most": 100}
    assert site.store.scripts.run("retire", 0, gone) == [5, 5]
    assert {agent.agent for agent in jobs_service.agents(site)} == {"a", "b0", "b1", "b2"}
    unseen = {**gone, "before": int((NOW + timedelta(days=1)).timestamp() * 1000), "keep": 0}
    assert site.store.scripts.run("retire", 0, unseen) == [1, 1]
    assert jobs_service.agents(site) == ()
