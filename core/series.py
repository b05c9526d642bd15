"""Series: the samples of a registry as plain values with names, and back into metrics in the order of the formats.

A series' name is JSON, `[family, suffix, label, value, label, value, …]` with the labels sorted, so that every process
spells it alike and it can be a field in the store.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric

SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}
"""The samples of each type, in the order in which they are shown."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str]).decode


class Family(msgspec.Struct, frozen=True):
    """What is known of a metric besides its values. `merge`: how processes' gauges become one; `add` for the rest."""

    type: str
    help: str
    merge: str = "add"


class Series(NamedTuple):
    family: str
    suffix: str
    labels: dict[str, str]


class Reading(NamedTuple):
    families: dict[str, Family]
    growing: dict[str, float]
    """Counters and histograms, which only grow while the process lives."""
    gauges: dict[str, float]


def spell(family: str, suffix: str, labels: Mapping[str, str]) -> str:
    return _encode([family, suffix, *itertools.chain.from_iterable(sorted(labels.items()))]).decode()


@lru_cache(maxsize=16_384)
def parse(name: str) -> Series:
    family, suffix, *pairs = _decode(name)
    return Series(family, suffix, dict(zip(pairs[::2], pairs[1::2], strict=True)))


@lru_cache(maxsize=16_384)
def spill(name: str) -> str:
    """The series that counts in this one's stead once there are too many: every label but a bucket's is `other`."""
    series = parse(name)
    return spell(series.family, series.suffix, {k: v if k == "le" else "other" for k, v in series.labels.items()})


def read(registry: CollectorRegistry) -> Reading:
    """All that a registry holds now."""
    merges = _gauge_merges(registry)
    reading = Reading({}, {}, {})
    for metric in registry.collect():
        gauge = metric.type == "gauge"
        reading.families[metric.name] = Family(
            metric.type, metric.documentation, merges.get(metric.name, "sum") if gauge else "add"
        )
        values = reading.gauges if gauge else reading.growing
        for sample in metric.samples:
            if math.isnan(sample.value):
                continue
            values[spell(metric.name, sample.name[len(metric.name) :], sample.labels)] = sample.value
    return reading


def _gauge_merges(registry: CollectorRegistry) -> dict[str, str]:
    """By the `multiprocess_mode` that a gauge was declared with, prometheus-client's own word for this."""
    collectors = list(registry._collector_to_names)
    return {
        gauge._name: gauge._multiprocess_mode.removeprefix("live") for gauge in collectors if isinstance(gauge, Gauge)
    }


def merge_gauges(families: Mapping[str, Family], processes: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """One value a gauge from what each process says, the process heard last coming last."""
    merged: dict[str, float] = {}
    for gauges in processes:
        for name, value in gauges.items():
            family = families.get(parse(name).family)
            how = family.merge if family else "sum"
            before = merged.get(name)
            if before is None or how == "mostrecent":
                merged[name] = value
            elif how in ("max", "min"):
                merged[name] = max(before, value) if how == "max" else min(before, value)
            else:
                merged[name] = before + value
    return merged


def metrics(families: Mapping[str, Family], values: Mapping[str, float]) -> Iterator[Metric]:
    """Metrics by name, each one's samples by labels, then buckets by their bound, count and sum."""
    samples: dict[str, list[tuple[Series, float]]] = {name: [] for name in sorted(families)}
    for name, value in values.items():
        series = parse(name)
        family = families.get(series.family)
        if family and series.suffix in SUFFIXES.get(family.type, ()):
            samples[series.family].append((series, value))
    for name, found in samples.items():
        family = families[name]
        metric = Metric(name, family.help, family.type)
        for series, value in sorted(found, key=_order):
            metric.add_sample(name + series.suffix, series.labels, value)
        yield metric


def _order(sample: tuple[Series, float]) -> tuple[list[tuple[str, str]], str, float]:
    series = sample[0]
    labels = [pair for pair in series.labels.items() if pair[0] != "le"]
    return labels, series.suffix, float(series.labels.get("le", 0))
