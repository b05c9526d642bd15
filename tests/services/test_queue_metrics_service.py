"""What Prometheus is told of brokers, queues and workers."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from core import keys, metrics
from core.fleet import Fleet
from core.site import Site
from services import alert_queues, queue_metrics_service
from services.brokers.model import WorkerNow
from services.queue_metrics_service import MOST_QUEUES
from tests.core.fleets import assert_valid
from tests.services.alert_rules import rules
from tests.services.brokers_told import note, queue
from tests.services.reports import batch, create, tell
from tests.told import mirrors


def samples(site: Site) -> dict[str, dict[tuple[str, ...], float]]:
    """By sample name without `headway_`: by labels' values in the order of their names, the value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in queue_metrics_service.families(site):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("headway_"), {})[labels] = round(sample.value, 1)
    return found


def test_a_site_without_brokers_tells_of_what_is_reported_alone(site: Site) -> None:
    assert samples(site) == {"queue_depth": {("reported",): 0}, "queue_oldest_seconds": {("reported",): 0}}
    create(site, agent="studio")
    later = site.clock() + 60
    found = samples(replace(site, clock=lambda: later))
    assert found["queue_depth"] == {("reported",): 1}
    assert 59 < found["queue_oldest_seconds"]["reported",] <= 61


def test_a_broker_tells_of_its_queues_and_workers(site: Site) -> None:
    at = site.clock()
    site = replace(site, clock=lambda: at)
    workers = tuple(WorkerNow(name=f"w{n}", state="busy" if n else "dead") for n in range(3))
    note(
        site,
        "rq",
        queue(site, "mails", 120, waits_s=90, workers=0, paused=True),
        queue(site, "video", 0, workers=2),
        workers=workers,
    )
    create(site, agent="rq", queue="mails")
    create(site, agent="studio", queue="mails")
    found = samples(site)
    assert found["broker_up"] == {("rq",): 1}
    assert found["workers"] == {
        ("rq", state): many
        for state, many in (("busy", 2), ("idle", 0), ("suspended", 0), ("starting", 0), ("dead", 1))
    }
    assert found["queue_depth"] == {("reported",): 1, ("rq", "mails"): 120, ("rq", "video"): 0}, "each job once"
    assert found["queue_oldest_seconds"] == {("reported",): 0, ("rq", "mails"): 90, ("rq", "video"): 0}
    assert found["queue_jobs"] == {
        ("rq", "mails", "queued"): 120, ("rq", "mails", "started"): 1, ("rq", "video", "queued"): 0, ("rq", "video", "started"): 1,
        ("studio", "mails", "queued"): 1, ("studio", "mails", "processing"): 0, ("studio", "mails", "completed"): 0,
        ("studio", "mails", "failed"): 0,
    }  # fmt: skip
    assert found["queue_workers"] == {("rq", "mails"): 0, ("rq", "video"): 2}
    assert found["queue_paused"] == {("rq", "mails"): 1, ("rq", "video"): 0}


def test_of_a_broker_that_is_away_nothing_old_is_told(site: Site) -> None:
    note(site, "rq", queue(site, "mails", 120, workers=0), workers=(WorkerNow(name="w", state="idle"),))
    mirrors(site, "waits", x="queued", qu="mails", ca=1)
    note(site, "rq", why="it refused the connection")
    found = samples(site)
    assert found["broker_up"] == {("rq",): 0}
    assert found["queue_depth"] == found["queue_oldest_seconds"] == {("reported",): 0}
    assert not {"workers", "queue_jobs", "queue_workers", "queue_paused"} & found.keys()


def test_what_ended_counts_by_queue_and_whose_it_is(parted_site: Site) -> None:
    for agent, outcome in (
        ("studio", "completed"),
        ("studio", "failed"),
        ("night", "completed"),
        ("night", "completed"),
    ):
        tell(parted_site, create(parted_site, agent=agent, queue="mails"), status=outcome)
    found = samples(parted_site)["queue_jobs_finished_total"]
    assert found == {
        (broker, outcome, "mails"): many
        for broker, outcome, many in (
            ("night", "completed", 2), ("night", "failed", 0), ("studio", "completed", 1), ("studio", "failed", 1),
        )
    }  # fmt: skip


def test_a_queue_is_called_the_same_in_all_families(site: Site) -> None:
    note(site, "rq", queue(site, " mails\nof Ann", 3, waits_s=5, workers=2))
    tell(site, create(site, agent="rq", queue="mails of Ann"), status="completed")
    found = samples(site)
    assert found["queue_depth"]["rq", "mails of Ann"] == 3
    assert found["queue_workers"] == {("rq", "mails of Ann"): 2}
    assert found["queue_jobs_finished_total"]["rq", "completed", "mails of Ann"] == 1
    assert {labels[1] for labels in found["queue_jobs"]} == {"mails of Ann"}


def test_names_are_bounded_and_those_that_alerts_name_are_told(site: Site) -> None:
    note(site, "rq", *(queue(site, f"q{n:04}", 1, waits_s=n, workers=1) for n in range(MOST_QUEUES + 50)))
    declared = rules('[[alerts]]\nid = "a"\nwhen = { kind = "queue_depth", above = 1, queue = "q0149" }')
    watching = replace(site, config=msgspec.structs.replace(site.config, alerts=declared))
    found = samples(watching)
    assert len(found["queue_depth"]) == MOST_QUEUES + 2
    assert found["queue_depth"]["rq", "q0149"] == 1
    assert found["queue_depth"]["other",] == 50
    assert found["queue_jobs"]["rq", "other", "queued"] == 50
    assert 147 < found["queue_oldest_seconds"]["other",] < 160
    mirrors(site, "waits", x="queued", qu="past-what-its-engine-tells")
    assert samples(watching)["queue_depth"]["other",] == 51
    partition = site.store.partition_of("studio")
    batch(site, *({"id": f"job-{n}", "agent": "studio", "queue": f"mails-{n}", "status": "failed"} for n in range(420)))
    ended = samples(site)["queue_jobs_finished_total"]
    assert sum(ended.values()) == 420
    assert ended["", "failed", "other"] == 18
    assert site.store.redis.hlen(keys.QUEUE_TOTALS.at(partition)) <= 404


def test_a_reported_queue_that_alerts_name_is_told_however_many_others_came_later(site: Site) -> None:
    create(site, agent="studio", queue="a-quiet")
    batch(site, *({"agent": "studio", "queue": f"mails-{n}"} for n in range(2 * MOST_QUEUES + 1)))
    declared = rules('[[alerts]]\nid = "a"\nwhen = { kind = "queue_age", above = "1m", queue = "a-quiet" }')
    found = samples(replace(site, config=msgspec.structs.replace(site.config, alerts=declared)))
    assert found["queue_jobs"]["studio", "a-quiet", "queued"] == 1
    assert ("studio", "a-quiet") in found["queue_oldest_seconds"]
    assert ("studio", "a-quiet", "queued") not in samples(site)["queue_jobs"]


def test_of_any_number_of_agents_with_a_queue_that_alerts_name_the_rest_is_told_as_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_metrics_service, "MOST_QUEUES", 3)
    first = create(site, agent="z", queue="mails")
    batch(site, *({"agent": f"agent-{n}", "queue": "mails"} for n in range(9)))
    declared = rules('[[alerts]]\nid = "a"\nwhen = { kind = "queue_age", above = "1m", queue = "mails" }')
    later = replace(site, config=msgspec.structs.replace(site.config, alerts=declared), clock=lambda: at + 600)
    at = first.created_at.timestamp()
    found = samples(later)
    told = {("agent-0", "mails"), ("agent-1", "mails"), ("agent-2", "mails")}
    assert {labels[:2] for labels in found["queue_jobs"]} == {*told, ("", "other")}
    assert found["queue_oldest_seconds"].keys() == {("reported",), *told, ("", "mails")}
    assert found["queue_oldest_seconds"]["", "mails"] == 600
    monkeypatch.setattr(alert_queues, "MOST_AGENTS", 9)
    assert samples(later)["queue_oldest_seconds"].keys() == {("reported",)}, "no rule can tell of so many"


def test_hostile_names_are_told_in_both_formats(site: Site) -> None:
    name = 'a"b\\c\nd{e}="\u202e'
    note(site, "rq", queue(site, name, 3, waits_s=5, workers=0))
    fresh = replace(site, fleet=Fleet(site.store, CollectorRegistry()))
    fresh.fleet.sources.append(lambda: queue_metrics_service.families(site))
    for openmetrics in (False, True):
        assert_valid(metrics.to_prometheus_format(fresh, openmetrics=openmetrics))
