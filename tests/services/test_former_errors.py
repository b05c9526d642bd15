"""Failures as the version before RQ and Celery kept them are found by the type of their error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from core import keys
from core.site import Site
from services import former_errors, job_lists, job_query, jobs_service, queue_figures, retention_service
from services.archive_service import Archiver
from services.job_changes import JobRef
from services.job_model import Job
from services.job_rules import NewJob, Update
from services.live_search import Conditions, find
from tests.archive import archived

AT_MS = 1_795_313_221_870
LOST = 'Traceback (most recent call last):\n  File "a.py", line 3\napp.Lost: no 7'


@pytest.fixture
def filed(site: Site) -> Iterator[Site]:
    with archived(site) as one:
        yield one


def before(site: Site, number: int, error: str | None = "Boom: no 17", **fields: Any) -> int:
    """A job as the version a29103d stores it; the number behind those of other partitions."""
    agent, id = str(fields.get("agent", "default")), f"o{number}"
    partition = site.store.partition_of(agent)
    number = number * site.store.partitions + (partition if site.store.partitions > 1 else 0)
    record = {
        "started": AT_MS, "metadata": '{"queue":"mail"}', "status": "failed", "id": id, "error": error, "agent": agent,
        "created": AT_MS, "title": "T", "message": error, "updated": AT_MS + 1, "finished": AT_MS + 1, "attempt": 1,
        "progress": 0, **fields,
    }  # fmt: skip
    record = {name: value for name, value in record.items() if value is not None}
    with site.store.raw.pipeline() as pipeline:
        pipeline.set(keys.JOB.at(partition, number), msgspec.msgpack.encode(record))
        pipeline.hset(keys.IDS.at(partition, agent), id, str(number))
        for index in (
            keys.STATUS.at(partition, record["status"]),
            keys.AGENT_STATUS.at(partition, record["status"], agent),
        ):
            pipeline.zadd(index, {str(number): number})
        pipeline.zadd(keys.FINISHED.at(partition), {str(number): AT_MS + 1})
        pipeline.zadd(keys.AGENTS.at(partition), {agent: AT_MS + 1})
        pipeline.execute()
    return number


def found(site: Site, error: str) -> list[int]:
    return [job.number for job in find(site, Conditions(error=(error,)), limit=500).items]


def test_failures_of_before_are_found_by_their_type_beside_later_ones(parted_site: Site) -> None:
    site = parted_site
    booms = [before(site, number, agent=f"a{number % 3}") for number in range(1, 4)]
    lost = before(site, 4, LOST, agent="a1")
    before(site, 5, "it broke")
    before(site, 6, None)
    before(site, 7, status="completed", error=None)
    site.store.redis.set(keys.NUMBER.at(), 10)
    assert found(site, "Boom") == []
    former_errors.run(site)
    assert found(site, "Boom") == sorted(booms, reverse=True)
    assert found(site, "app.Lost") == [lost]
    new = jobs_service.create(site, NewJob(title="new")).job
    assert new is not None
    jobs_service.update(site, JobRef(number=new.number), Update(status="failed", error="Boom: x"))
    assert found(site, "Boom") == [new.number, *sorted(booms, reverse=True)]
    assert set(queue_figures.named(site, "error", "", 10)) == {"Boom", "app.Lost"}, "and typing offers them"
    job = jobs_service.get(site, JobRef(number=lost))
    assert isinstance(job, Job)
    assert (job.error_type, job.error, job.title) == ("app.Lost", LOST, "T")


def test_it_goes_through_them_once_in_steps(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(former_errors, "AT_ONCE", 2)
    made = [before(site, number) for number in range(1, 6)]
    former_errors._step(site, 0, 0)
    assert found(site, "Boom") == [2, 1], "and the next run goes on behind them"
    former_errors.run(site)
    assert found(site, "Boom") == made[::-1]
    calls = site.store.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    former_errors.run(site)
    assert site.store.redis.info("commandstats")["cmdstat_evalsha"]["calls"] == calls, "all are done"


def test_a_job_that_went_on_meanwhile_is_left_as_it_is(site: Site) -> None:
    tried = before(site, 1)
    site.store.redis.set(keys.NUMBER.at(), 1)
    jobs_service.update(site, JobRef(number=tried), Update(attempt=2, status="failed", error="out of luck"))
    call = {"jobs": [(tried, 1, "Boom"), (7, 1, "Boom")], "place": former_errors.DONE}
    site.store.scripts.run("name_errors", 0, call)
    assert found(site, "Boom") == []
    job = jobs_service.get(site, JobRef(number=tried))
    assert isinstance(job, Job)
    assert (job.attempt, job.error_type) == (2, None)


def test_the_list_has_them_until_and_after_the_store_lets_go_of_them(filed: Site) -> None:
    made = [before(filed, number) for number in range(1, 4)]
    Archiver().run(filed)
    former_errors.run(filed)
    query = job_query.parse("status:failed error:Boom")
    assert [item.job.number for item in job_lists.page(filed, query).items] == made[::-1]
    late = replace(filed, clock=lambda: AT_MS / 1000 + 400 * 86_400)
    assert retention_service.run(late) == 3
    assert filed.store.redis.exists(keys.BY.at(0, "error", "Boom")) == 0
    assert sorted(item.job.number for item in job_lists.page(filed, query).items) == made
