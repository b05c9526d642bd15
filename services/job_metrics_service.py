"""What Prometheus is told of jobs, from the counters that the store keeps: nothing here grows with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from core import keys
from core.site import Site
from services import jobs_service
from services.job_counts import COUNTED, Counted
from services.job_rules import FINAL, STATUSES

MOST_AGENTS = 50
"""Agents of which the jobs by status are told one by one, besides those that alerts name; the rest counts under `other`."""
BOUNDS_S = ("0.1", "0.5", "1", "5", "15", "60", "300", "1800", "7200", "inf")
OTHER = "other"


@dataclass
class Finished:
    """An agent's finished jobs: how many by outcome, and how long they took, by bucket and in sum (s)."""

    outcomes: Counter[str] = field(default_factory=Counter)
    buckets: Counter[str] = field(default_factory=Counter)
    sum_s: float = 0.0


def families(site: Site) -> Iterator[Metric]:
    """`headway_jobs`, `headway_jobs_finished`, `headway_job_duration_seconds`, `headway_label_overflow`. Raises StoreError."""
    yield _jobs(site, jobs_service.counts(site))
    by_agent, overflow = finished(site)
    outcomes = CounterMetricFamily("headway_jobs_finished", "Jobs that ended.", labels=("agent", "outcome"))
    durations = HistogramMetricFamily(
        "headway_job_duration_seconds", "Seconds from a job's start to its end.", labels=("agent",)
    )
    for agent, ended in sorted(by_agent.items()):
        for outcome in FINAL:
            outcomes.add_metric((agent, outcome), ended.outcomes[outcome])
        durations.add_metric((agent,), buckets=_cumulative(ended.buckets), sum_value=ended.sum_s)
    yield outcomes
    yield durations
    spilt = CounterMetricFamily(
        "headway_label_overflow", "Counted under other, since too many names came before.", labels=("label",)
    )
    spilt.add_metric(("agent",), overflow)
    yield spilt


def finished(site: Site) -> tuple[dict[str, Finished], int]:
    """By agent, bounded by the script that counts, and how many ends went to `other` for that. Raises StoreError."""
    by_agent: dict[str, Finished] = {}
    overflow = 0
    for partition in range(site.store.partitions):
        for text, value in site.store.redis.hgetall(keys.TOTALS.at(partition)).items():
            agent, tab, what = str(text).partition("\t")
            if not tab:  # a figure of the table itself: how many agents it names, how much went past them
                overflow += int(value) if agent == "overflow" else 0
                continue
            ended = by_agent.setdefault(agent, Finished())
            if what in FINAL:
                ended.outcomes[what] += int(float(value))
            elif what == "sum":
                ended.sum_s += float(value)
            elif what.removeprefix("le\t") in BOUNDS_S:
                ended.buckets[what.removeprefix("le\t")] += int(float(value))
    return by_agent, overflow


def _jobs(site: Site, counts: dict[Counted, int]) -> Metric:
    jobs = GaugeMetricFamily("headway_jobs", "Jobs in the store.", labels=("agent", "status"))
    rest = Counter[str](counts)
    seen = {
        each.agent: {status: getattr(each, status) for status in COUNTED}
        for each in jobs_service.agents(site, MOST_AGENTS)
    }
    watched = {rule.agent for rule in site.config.alerts if rule.agent is not None}
    seen |= {agent: jobs_service.counts(site, agent) for agent in sorted(watched - seen.keys())}
    for agent, by_status in seen.items():
        if agent != OTHER:
            for status in COUNTED:
                _count(jobs, agent, status, by_status[status])
                rest[status] -= by_status[status]
    if any(rest[status] > 0 for status in COUNTED):
        for status in COUNTED:
            _count(jobs, OTHER, status, max(0, rest[status]))
    return jobs


def _count(jobs: GaugeMetricFamily, agent: str, status: Counted, number: int) -> None:
    if number or status in STATUSES:  # most agents never cancel a job
        jobs.add_metric((agent, status), number)


def _cumulative(buckets: Counter[str]) -> list[tuple[str, float]]:
    total, cumulative = 0, list[tuple[str, float]]()
    for bound in BOUNDS_S:
        total += buckets[bound]
        cumulative.append(("+Inf" if bound == "inf" else str(float(bound)), total))
    return cumulative
