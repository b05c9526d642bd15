"""One sample of every figure, of a real site: each has its series, and each series what it says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from core import keys, metrics
from core.site import Site
from core.store import Store
from services import (
    history_service,
    job_metrics_service,
    job_series_service,
    jobs_service,
    series_catalog,
    series_sampling,
    series_service,
    tiles_service,
)
from services.brokers.model import QueueNow, WorkerNow
from services.series_catalog import MOST_AGENTS, MOST_TILES, SERIES
from services.series_store import GAUGE_BYTES, SLOTS, histogram_bytes
from services.windows import Window
from tests.conftest import Valkey
from tests.services.alert_rules import Clock, declaring
from tests.services.sampled_series import START, at
from tests.told import fails, mirrors, stands

HOUR = Window(int(START), 3_600, 1)
HISTOGRAMS = ("request_duration", "job_duration:mail")


@pytest.fixture
def wide(site: Site) -> Iterator[Site]:
    """The site with three partitions."""
    store = Store(site.store.url, partitions=3)
    yield replace(site, store=store)
    store.close()


def report(site: Site, *lines: dict[str, Any]) -> None:
    jobs_service.batch(site, enumerate((json.dumps(line).encode() for line in lines), 1), jobs_service.BatchReport())


def sample(site: Site, clock: Clock) -> None:
    clock.now += 5
    history_service.sample(site)


def test_in_a_small_store_the_first_figures_are_kept_and_the_rest_leaves_room_for_jobs(
    own_valkey: Callable[..., Valkey], site: Site
) -> None:
    store = Store(own_valkey("--maxmemory", "25mb").url)
    small, clock = at(replace(site, store=store))
    try:
        for _ in range(2):
            sample(small, clock)
        kept = series_service.names(small)
        assert {"redis_latency_ms", "jobs_queued"} <= set(kept)
        assert len(kept) * SLOTS * GAUGE_BYTES <= 25 * 1024 * 1024 / 16
    finally:
        store.close()


def latest(site: Site, *names: str) -> dict[str, float | None]:
    found = series_service.read(site, names, HOUR)
    return {name: None if step is None else step.last for name, (step,) in found.items()}


def fell(site: Site, name: str) -> float | None:
    (counts,) = series_service.histograms(site, [name], HOUR)[name]
    return None if counts is None else counts.total


def test_every_series_of_the_catalog_is_sampled_and_says_what_it_is(client: FlaskClient, site: Site) -> None:
    site, clock = at(site)
    stands(site)
    sample(site, clock)
    client.get("/dashboard/api/stats")
    sample(site, clock)
    assert set(SERIES) <= set(series_service.names(site))
    for name in series_service.names(site):
        told = series_catalog.of(name)
        assert told.meaning and (told.kind == "histogram") == bool(told.bounds)
        assert (fell(site, name) if told.bounds else latest(site, name)[name]) is not None, name
    assert latest(site, "requests", "dashboard_refreshes") == {"requests": 0.2, "dashboard_refreshes": 0.2}
    assert fell(site, "request_duration") == 1


def test_jobs_agents_and_tiles_are_told_as_they_stand(wide: Site) -> None:
    site, clock = at(wide)
    report(site, *({"agent": agent, "id": f"{agent}-1"} for agent in "abcd"))
    report(site, *({"agent": agent, "id": f"{agent}-1", "status": "processing"} for agent in "ab"))
    tiles_service.set_value(site, "requests.total", 12.5)
    sample(site, clock)
    assert latest(site, "jobs_queued", "jobs_processing", "agents_busy", "tile:requests.total", "tile:users") == {
        "jobs_queued": 2, "jobs_processing": 2, "agents_busy": 2, "tile:requests.total": 12.5, "tile:users": None,
    }  # fmt: skip


def test_what_waits_is_what_the_engines_say_and_the_reported_jobs(wide: Site) -> None:
    site, clock = at(wide)
    for state in ("scheduled", "deferred", "queued"):
        mirrors(site, state, x=state, qu="mails")
    report(site, {"agent": "studio", "id": "one"})
    since_ms = int((site.clock() - 1e9) * 1000)  # before the reported one, whose time is the store's
    stands(site, queues=[QueueNow(name="mails", counts={"queued": 3, "scheduled": 1}, oldest_ms=since_ms)])
    sample(site, clock)
    assert latest(site, "jobs_queued", "longest_wait_s") == {"jobs_queued": 4, "longest_wait_s": 1e9 + 5}
    assert job_series_service.depths(site, int(clock.now // 60), int(clock.now // 60))[0][1] == 4


def test_live_workers_are_told_of_brokers_that_answer(site: Site) -> None:
    site, clock = at(site)
    workers = [WorkerNow(name=state, state=state) for state in ("busy", "idle", "dead")]
    for broker in ("rq", "away"):
        stands(site, broker, workers=workers)
        fails(site, "nothing listens at its address", broker)
    sample(site, clock)
    assert latest(site, "workers", "workers_busy") == {"workers": None, "workers_busy": None}
    stands(site, workers=workers)
    sample(site, clock)
    assert latest(site, "workers", "workers_busy") == {"workers": 2, "workers_busy": 1}


def test_answers_with_a_servers_fault_are_errors_and_others_are_not(site: Site) -> None:
    site, clock = at(site)
    sample(site, clock)
    for status in ("200", "404", "500", "503"):
        metrics.HTTP_REQUESTS.labels(method="GET", route="/x", status=status).inc(5)
    sample(site, clock)
    assert latest(site, "requests", "request_errors") == {"requests": 4.0, "request_errors": 2.0}


def test_durations_are_told_of_the_agents_with_most_ends_and_of_the_others_together(wide: Site) -> None:
    site, clock = at(wide)
    ends = {f"agent{number:02}": number for number in range(1, MOST_AGENTS + 4)}
    _end(site, ends)
    sample(site, clock)
    _end(site, dict.fromkeys(ends, 1))
    sample(site, clock)
    told = {name: fell(site, name) for name in series_service.names(site) if name.startswith("job_duration:")}
    assert len(told) == MOST_AGENTS + 1
    assert Counter(told.values()) == {1: MOST_AGENTS, 3: 1}
    assert told["job_duration:other"] == 3 and "job_duration:agent03" not in told
    _end(site, {"agent03": 100})
    sample(site, clock)
    _end(site, {"agent01": 2, "agent03": 1})
    sample(site, clock)
    # agent03 came among those with the most ends, and agent04 among the others, which had four before.
    assert (fell(site, "job_duration:other"), fell(site, "job_duration:agent03")) == (5, 1)


def test_the_first_job_of_a_new_agent_counts_and_what_there_was_before_the_first_sample_does_not(site: Site) -> None:
    site, clock = at(site)
    _end(site, {"old": 40})
    sample(site, clock)
    _end(site, {"old": 1, "new": 2})
    sample(site, clock)
    assert (fell(site, "job_duration:old"), fell(site, "job_duration:new")) == (1, 2)
    clock.now += 2 * 3_600
    _end(site, {"late": 5})
    sample(site, clock)
    assert "job_duration:late" in series_service.names(site)
    found = series_service.histograms(site, ["job_duration:late"], Window(int(START), 3_600, 3))
    assert found == {"job_duration:late": (None,) * 3}


def test_what_this_process_knows_alone_is_not_taken_for_the_fleets(site: Site) -> None:
    site, clock = at(site)
    figures = site.fleet.figures()
    series_sampling.take(site, clock.now, 0.1, replace(figures, values={}, families={}, away="the store is away"))
    assert "requests" not in series_service.names(site) and "jobs_queued" in series_service.names(site)


def test_of_many_tiles_the_first_fifty_have_a_series(site: Site) -> None:
    site, clock = at(site)
    for number in range(MOST_TILES + 10):
        tiles_service.set_value(site, f"tile{number:03}", number)
    sample(site, clock)
    # The usual four come first, and none of those has a value.
    assert sum(name.startswith("tile:") for name in series_service.names(site)) == MOST_TILES - 4


def test_a_tile_whose_source_gives_no_value_is_not_told_by_its_last_one(site: Site) -> None:
    clock = Clock(START)
    site = declaring(site, '[[tiles]]\nid = "oldest"\nsource = { kind = "jobs", figure = "oldest" }\n', clock)
    tiles_service.note_value(site, "oldest", 3, 0.1)
    sample(site, clock)
    tiles_service.note_value(site, "oldest", 9, 0.1)
    tiles_service.note_failure(site, "oldest", "its source is away", 0.1)
    sample(site, clock)
    assert latest(site, "tile:oldest") == {"tile:oldest": 3.0}


def test_a_sample_of_a_site_that_does_nothing_says_zero_where_it_knows(site: Site) -> None:
    site, clock = at(site)
    sample(site, clock)
    assert set(latest(site, "jobs_queued", "longest_wait_s", "agents_busy", "archive_behind").values()) == {0.0}
    assert fell(site, "request_duration") is None
    sample(site, clock)
    assert fell(site, "request_duration") == 0


def _end(site: Site, ends: dict[str, int]) -> None:
    for agent, many in ends.items():
        key = keys.TOTALS.at(site.store.partition_of(agent))
        for field in ("completed", "le\t5"):
            site.store.redis.hincrbyfloat(key, f"{agent}\t{field}", many)
    assert job_metrics_service.finished(site)[0].keys() >= ends.keys()


def test_the_catalog_is_documented_with_what_each_series_takes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "series.md").read_text(encoding="utf-8")
    for told in SERIES.values():
        assert f"| `{told.name}` | {told.unit} | {told.kind} | {told.meaning} |" in text
    for bytes_ in (GAUGE_BYTES, *(histogram_bytes(len(series_catalog.of(name).bounds)) for name in HISTOGRAMS)):
        assert f"{SLOTS * bytes_:,}" in text
