"""The headline figures at a frozen clock, and the health of each part."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from core import draining, keys, metrics, uptime
from core.duties import Duties, Duty
from core.fleet import Fleet
from core.site import Site
from core.store import Store, StoreError
from services import history_service, system_service
from tests.conftest import Valkey, wait_until

ROOT = Path(__file__).parent.parent.parent


def at(site: Site, seconds_after_start: float) -> Site:
    return replace(site, clock=lambda: uptime.STARTED_AT + seconds_after_start)


@pytest.fixture
def away(site: Site) -> Site:
    store = Store("unix:///tmp/no-such-socket")
    return replace(site, store=store, fleet=Fleet(store, CollectorRegistry()))


@pytest.fixture
def fragile(own_valkey: Callable[..., Valkey]) -> Valkey:
    return own_valkey("--maxmemory-policy", "noeviction")


def test_uptime_is_counted_from_the_fleet_s_start(site: Site) -> None:
    pulse = system_service.pulse(at(site, 2 * 3_600))
    assert pulse.uptime_hours == 2.0


def test_the_oldest_process_tells_the_fleet_s_uptime(site: Site) -> None:
    registry = CollectorRegistry()
    older = metrics.Gauge("headway_start_time_seconds", "x", registry=registry, multiprocess_mode="livemin")
    older.set(uptime.STARTED_AT - 3_600)
    Fleet(site.store, registry).figures()
    assert system_service.pulse(at(site, 3_600)).uptime_hours == 2.0


def test_a_clock_that_was_set_back_makes_no_negative_uptime(site: Site) -> None:
    assert system_service.pulse(at(site, -600)).uptime_hours == 0


def test_the_pulse_counts_what_the_metrics_count(site: Site) -> None:
    before = system_service.pulse(site)
    metrics.DASHBOARD_REFRESH.labels(panel="stats").inc(3)
    metrics.HTMX_EVENTS.labels(panel="stats").inc(2)
    metrics.CACHE_HITS.labels(cache="x").inc(3)
    metrics.CACHE_MISSES.labels(cache="x").inc(1)
    after = system_service.pulse(site)
    assert after.dashboard_refresh_total - before.dashboard_refresh_total == 3
    assert after.htmx_events_total - before.htmx_events_total == 2
    assert after.cache_hits_total - before.cache_hits_total == 3
    assert after.cache_misses_total - before.cache_misses_total == 1
    assert after.cache_hit_rate == metrics.hit_rate(after.cache_hits_total, after.cache_misses_total)
    assert after.redis_latency_ms > 0


def test_each_headline_figure_has_a_trend_once_there_is_history(site: Site) -> None:
    metrics.CACHE_HITS.labels(cache="x").inc()
    for second in range(0, 400, 5):
        history_service.sample(at(site, second))
    pulse = system_service.pulse(at(site, 400))
    for trend in (pulse.uptime_trend, pulse.requests_trend, pulse.latency_trend, pulse.hit_rate_trend):
        assert trend.delta is not None
        assert trend.over_s == 300
    assert pulse.requests_per_second == 0
    assert msgspec.json.decode(msgspec.json.encode(pulse))["latency_trend"]["unit"] == "ms"


def test_its_times_are_rfc_3339_in_utc(site: Site) -> None:
    pulse = system_service.pulse(replace(site, clock=lambda: 1_800_000_000.25))
    assert pulse.timestamp == "2027-01-15T08:00:00.250Z"
    assert pulse.started_at.endswith("Z")


def test_without_a_store_there_is_no_pulse_and_the_reason_is_raised(away: Site) -> None:
    with pytest.raises(StoreError):
        system_service.pulse(away)


def test_health_tells_the_store_its_kind_and_what_it_uses(site: Site) -> None:
    store = system_service.health(site).store
    assert store.unavailable is None
    assert (store.kind, store.persistence, store.memory_limit_bytes) == ("Valkey", "no append-only file", None)
    assert store.version
    assert store.version[0].isdigit()
    assert store.memory_used_bytes
    assert store.memory_used_bytes > 100_000
    assert store.latency_ms
    assert store.latency_ms > 0


def test_health_tells_that_what_is_stored_survives(site: Site, own_valkey: Callable[..., Valkey]) -> None:
    keeping = own_valkey("--appendonly", "yes")
    assert system_service.health(replace(site, store=Store(keeping.url))).store.persistence == "append-only file"


def test_health_with_the_store_away_says_why_and_raises_nothing(away: Site) -> None:
    health = system_service.health(away)
    assert health.store.unavailable == "the store can't be reached"
    assert (health.duties, health.processes, health.leader) == ((), (), None)
    assert health.versions["headway"]


def test_health_tells_who_leads_and_how_each_duty_fared(site: Site) -> None:
    def broken(_site: Site) -> None:
        raise ValueError("no such thing")

    one = Duties(site, (Duty("fine", 5, lambda _site: None), Duty("broken", 5, broken)))
    site.fleet.figures()
    one.start()
    wait_until(lambda: len(system_service.health(site).duties) == 2)
    health = system_service.health(site)
    one.stop()
    failing, fine = health.duties
    assert (failing.name, failing.failures, failing.error) == ("broken", 1, "ValueError: no such thing")
    assert failing.failed_at == failing.ran_at
    assert (fine.name, fine.failures, fine.error, fine.failed_at) == ("fine", 0, None, None)
    (process,) = health.processes
    assert process.leads
    assert health.leader == f"{process.host}:{process.pid}"
    assert process.rss_mb > 1


def test_a_damaged_note_of_a_duty_is_passed_over(site: Site, store: Store) -> None:
    store.redis.hset(keys.DUTIES.at(), "broken", "{not json")
    assert system_service.health(site).duties == ()


def test_health_names_every_version_and_ours_is_the_project_s(site: Site) -> None:
    versions = system_service.health(site).versions
    assert set(versions) == {"headway", "python", "gunicorn", "flask", "gevent", "redis"}
    assert versions["headway"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_nothing_is_wrong_with_a_store_that_takes_writes(site: Site) -> None:
    assert system_service.faults(site) == {}


def test_a_store_that_can_not_be_reached_is_a_fault(away: Site) -> None:
    assert system_service.faults(away) == {"store": "the store can't be reached"}


def test_a_store_that_refuses_writes_is_a_fault(site: Site, fragile: Valkey) -> None:
    full = replace(site, store=Store(fragile.url))
    full.store.redis.config_set("maxmemory", "1")
    assert system_service.faults(full) == {"store": "the store is out of memory (maxmemory)"}


def test_a_process_that_is_about_to_end_is_a_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_begun", False)
    draining.begin()
    assert system_service.faults(site) == {"process": "this process is about to end"}
