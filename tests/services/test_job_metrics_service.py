"""What Prometheus is told of jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from core import keys, metrics
from core.fields import check
from core.fleet import Fleet
from core.site import Site
from core.store import Store
from services import job_metrics_service, job_rules, jobs_service
from services.job_changes import Change, JobRef
from tests.core.fleets import assert_valid


def report(site: Site, agent: str, status: str) -> None:
    job = jobs_service.create(site, check(job_rules.NewJob, {"agent": agent})).job
    assert job is not None
    jobs_service.update(site, JobRef(number=job.number), check(job_rules.Update, {"status": status}))


def samples(site: Site) -> dict[str, dict[frozenset[Any], float]]:
    """By sample name: by labels' values, the value."""
    found: dict[str, dict[frozenset[Any], float]] = {}
    for family in job_metrics_service.families(site):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.values())] = sample.value
    return found


def text(site: Site, *, openmetrics: bool = False) -> str:
    fresh = replace(site, fleet=Fleet(site.store, metrics.CollectorRegistry()))
    fresh.fleet.sources.append(lambda: job_metrics_service.families(site))
    return metrics.to_prometheus_format(fresh, openmetrics=openmetrics)


def test_an_empty_store_has_no_job(site: Site) -> None:
    assert samples(site) == {
        "headway_label_overflow_total": {frozenset(["agent"]): 0},
    }


def test_jobs_count_by_agent_and_status(site: Site) -> None:
    for agent, status in (("a", "queued"), ("a", "processing"), ("a", "completed"), ("b", "failed"), ("b", "queued")):
        report(site, agent, status)
    found = samples(site)
    assert found["headway_jobs"] == {
        frozenset([agent, status]): number
        for agent, numbers in (("a", (1, 1, 1, 0)), ("b", (1, 0, 0, 1)))
        for status, number in zip(job_rules.STATUSES, numbers, strict=True)
    }
    assert found["headway_jobs_finished_total"] == {
        frozenset(["a", "completed"]): 1, frozenset(["a", "failed"]): 0,
        frozenset(["b", "completed"]): 0, frozenset(["b", "failed"]): 1,
    }  # fmt: skip
    assert found["headway_job_duration_seconds_count"] == {frozenset(["a"]): 1, frozenset(["b"]): 1}


def test_jobs_that_were_canceled_have_a_status_of_their_own_where_there_are_any(site: Site) -> None:
    report(site, "calm", "failed")
    for id, state in (("a", "canceled"), ("b", "deleted"), ("c", "failed")):
        jobs_service.apply(site, 0, Change("put", a="rq", i=id, en="rq", s="failed", x=state))
    jobs = samples(site)["headway_jobs"]
    assert (jobs[frozenset(["rq", "failed"])], jobs[frozenset(["rq", "canceled"])]) == (1, 2)
    assert frozenset(["calm", "canceled"]) not in jobs
    assert sum(jobs.values()) == 4
    assert_valid(text(site), text(site, openmetrics=True))


def test_durations_are_a_histogram_with_every_bucket(site: Site, store: Store) -> None:
    counted = {"a\tle\t0.5": 2, "a\tle\t60": 1, "a\tle\tinf": 1, "a\tsum": 9_000.5, "a\tcompleted": 4}
    store.redis.hset(keys.TOTALS.at(), mapping=counted)  # type: ignore[arg-type]
    buckets = samples(site)["headway_job_duration_seconds_bucket"]
    assert {next(iter(labels - {"a"})): value for labels, value in buckets.items()} == {
        "0.1": 0, "0.5": 2, "1.0": 2, "5.0": 2, "15.0": 2, "60.0": 3, "300.0": 3, "1800.0": 3, "7200.0": 3, "+Inf": 4,
    }  # fmt: skip
    assert samples(site)["headway_job_duration_seconds_sum"] == {frozenset(["a"]): 9_000.5}


def test_agents_past_the_latest_fifty_count_under_other(site: Site) -> None:
    for number in range(60):
        report(site, f"agent-{number}", "queued")
    jobs = samples(site)["headway_jobs"]
    assert len(jobs) == 51 * 4
    assert jobs[frozenset(["other", "queued"])] == 10
    assert sum(jobs.values()) == 60


def test_an_agent_that_is_called_other_is_one_of_the_others(site: Site) -> None:
    for number in range(job_metrics_service.MOST_AGENTS + 3):
        report(site, f"agent-{number}", "queued")
    report(site, "other", "queued")
    assert samples(site)["headway_jobs"][frozenset(["other", "queued"])] == 5, "itself and four more than are told"
    assert_valid(text(site), text(site, openmetrics=True))


def test_counts_of_very_many_agents_stay_bounded_and_complete(site: Site) -> None:
    for number in range(300):
        report(site, f"agent-{number}", "completed")
    finished = samples(site)["headway_jobs_finished_total"]
    assert sum(finished.values()) == 300
    assert len(finished) == 2 * 201
    assert finished[frozenset(["other", "completed"])] == 100
    assert samples(site)["headway_label_overflow_total"][frozenset(["agent"])] == 100


def test_hostile_agents_pass_every_parser(site: Site) -> None:
    hostile = ['quote"', "back\\slash", "\\n", "{}", "é\U0001f600", "\u202ebidi", 'a="b",c', "# EOF", "x" * 128]
    for agent in hostile:
        report(site, agent, "completed")
    plain = text(site)
    assert_valid(plain, text(site, openmetrics=True))
    told = {sample.labels.get("agent") for family in parse_plain(plain) for sample in family.samples}
    assert set(hostile) <= told


@pytest.mark.parametrize("damage", [{"a\tcompleted": "1"}, {"a\tsum": "0.5"}, {"odd": "x", "a\tle\t99": "3"}])
def test_counters_of_which_some_are_missing_are_taken_as_zero(site: Site, store: Store, damage: dict[str, str]) -> None:
    store.redis.hset(keys.TOTALS.at(), mapping=damage)  # type: ignore[arg-type]
    assert_valid(text(site), text(site, openmetrics=True))


def test_partitions_add_up(site: Site, store: Store) -> None:
    wide = replace(site, store=Store(store.url, partitions=4))
    for agent in "abcdefgh":
        report(wide, agent, "completed")
    assert sum(samples(wide)["headway_jobs_finished_total"].values()) == 8
    assert len(samples(wide)["headway_jobs"]) == 32
    wide.store.close()


def test_every_update_counts_by_what_became_of_it(site: Site) -> None:
    def counted(outcome: str) -> float:
        return metrics.REGISTRY.get_sample_value("headway_ingest_updates_total", {"outcome": outcome}) or 0

    created, applied, missing = counted("created"), counted("applied"), counted("missing")
    report(site, "a", "completed")
    jobs_service.update(site, JobRef(number=10**9), check(job_rules.Update, {"progress": 5}))
    assert (counted("created"), counted("applied"), counted("missing")) == (created + 1, applied + 1, missing + 1)
