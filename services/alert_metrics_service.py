"""What Prometheus is told of alerts, and the figures that the rules of `alert_rules_file` need besides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core.config import alerts as kinds
from core.site import Site
from services import alert_readings, broker_states, waiting_jobs
from services.alerts_service import alerts

SEVERITIES = ("info", "warning", "error")
STATES = ("ok", "pending", "firing", "unknown")
AFTER_S = 600.0


def families(site: Site) -> Iterator[Metric]:
    """`headway_alerts`, `headway_alerts_muted`, `headway_agent_oldest_queued_seconds`, `headway_jobs_stalled`; those of agents and spans are the ones that rules name. Raises StoreError."""
    now = site.clock()
    standing = alerts(site)
    by_state = Counter[tuple[str, str]]((one.rule.severity, one.shown) for one in standing)
    told = GaugeMetricFamily("headway_alerts", "Alerts by how they stand.", labels=("severity", "state"))
    for severity in SEVERITIES:
        for state in STATES:
            told.add_metric((severity, state), by_state[severity, state])
    yield told
    muted = sum(one.muted_until(now) is not None for one in standing)
    yield GaugeMetricFamily("headway_alerts_muted", "Alerts of which nothing is told for now.", value=muted)
    yield _waiting(site)
    yield _stalled(site, now)


def _waiting(site: Site) -> Metric:
    of_agents = GaugeMetricFamily(
        "headway_agent_oldest_queued_seconds",
        "For how long the oldest job that waits has waited, of agents that alerts name.",
        labels=("agent",),
    )
    watched = {
        rule.when.agent
        for rule in site.config.alerts
        if isinstance(rule.when, kinds.OnQueueAge | kinds.OnNoWorker) and rule.when.agent is not None
    }
    away = {broker.state.agent for broker in broker_states.brokers(site) if broker.state.why is not None}
    for agent in sorted(watched - away):
        of_agents.add_metric((agent,), waiting_jobs.longest_wait_s(site, agent) or 0.0)
    return of_agents


def _stalled(site: Site, now: float) -> Metric:
    stalled = GaugeMetricFamily(
        "headway_jobs_stalled", "Jobs at work that have told nothing for so long (s).", labels=("agent", "after")
    )
    asked = {(None, AFTER_S)} | {
        (rule.when.agent, float(rule.when.after))
        for rule in site.config.alerts
        if isinstance(rule.when, kinds.OnStalledJobs)
    }
    for agent, after_s in sorted(asked, key=lambda one: (one[0] or "", one[1])):
        silent = alert_readings.stalled(site, now - after_s, agent)
        stalled.add_metric((agent or "", f"{after_s:g}"), silent)
    return stalled
