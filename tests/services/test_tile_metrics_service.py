"""What Prometheus is told of tiles."""

from __future__ import annotations

from dataclasses import replace

from core import metrics
from core.fleet import Fleet
from core.site import Site
from services import tile_metrics_service, tiles_service
from tests.core.fleets import assert_valid
from tests.services.told_tiles import NOW, declaring

PULLED = "".join(
    f'[[tiles]]\nid = "{id}"\nsource = {{kind = "redis", command = "LLEN", key = "x"}}\n'
    for id in ("good", "bad", "new")
)


def samples(site: Site) -> dict[str, dict[str, float]]:
    """By sample name: by tile, the value."""
    found: dict[str, dict[str, float]] = {}
    for family in tile_metrics_service.families(site):
        for sample in family.samples:
            found.setdefault(sample.name, {})[sample.labels["tile"]] = sample.value
    return found


def test_a_tile_without_a_value_is_no_series(site: Site) -> None:
    assert samples(site) == {}


def test_values_are_told_and_how_their_sources_fare(site: Site) -> None:
    site = declaring(site, PULLED + '[[tiles]]\nid = "a.pushed"\n', NOW)
    tiles_service.note_value(site, "good", 3, 0.1)
    tiles_service.note_value(site, "bad", 2.5, 0.1)
    later = replace(site, clock=lambda: NOW + 60)
    for _ in range(2):
        tiles_service.note_failure(later, "bad", "no", 0.1)
    tiles_service.set_value(site, "a.pushed", -1)
    tiles_service.set_value(site, "undeclared", 7)
    assert samples(later) == {
        "headway_tile": {"good": 3, "bad": 2.5, "a.pushed": -1, "undeclared": 7},
        "headway_tile_up": {"good": 1, "bad": 0},
        "headway_tile_good_timestamp_seconds": {"good": NOW, "bad": NOW, "a.pushed": NOW, "undeclared": NOW},
        "headway_tile_failures_total": {"good": 0, "bad": 2},
    }


def test_the_texts_are_valid_with_as_many_as_there_may_be(site: Site) -> None:
    many = "".join(f'[[tiles]]\nid = "d{number}"\n' for number in range(200))
    site = declaring(site, many)
    for number in range(200):
        tiles_service.set_value(site, f"d{number}", number)
        tiles_service.set_value(site, f"u{number}", 1e300)
    fresh = replace(site, fleet=Fleet(site.store, metrics.CollectorRegistry()))
    fresh.fleet.sources.append(lambda: tile_metrics_service.families(site))
    plain = metrics.to_prometheus_format(fresh)
    assert plain.count("\nheadway_tile{") == 400
    assert_valid(plain, metrics.to_prometheus_format(fresh, openmetrics=True))
