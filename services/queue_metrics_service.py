"""What Prometheus is told of brokers, their queues and workers, and of the queues that reported jobs name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from core import keys
from core.config import alerts as kinds
from core.site import Site
from services import alert_queues, broker_states, queue_depths, waiting_jobs
from services.alert_queues import Queues
from services.broker_states import Broker
from services.brokers.model import QueueNow, WorkerNow
from services.job_metrics_service import OTHER
from services.job_rules import FINAL

MOST_QUEUES = 100
"""Queues of brokers, and as many of other agents, that are told one by one, those that alerts name before others; the rest counts under
`other`: of each broker, and of all other agents together, since there may be any number of them."""
REPORTED_STATES = ("queued", "processing", "completed", "failed")
WORKER_STATES: tuple[str, ...] = get_args(get_type_hints(WorkerNow)["state"])


@dataclass(frozen=True)
class _Queue:
    """A queue as it is told. `engine` is None for one of reported jobs; `oldest_s` is known of brokers' queues alone."""

    broker: str
    name: str
    jobs: Mapping[str, int]
    engine: QueueNow | None
    oldest_s: float | None

    @property
    def labels(self) -> dict[str, str]:
        return {"broker": self.broker, "queue": self.name}


def families(site: Site) -> Iterator[Metric]:
    """`headway_broker_up`, `headway_workers`, `headway_queue_depth`, `headway_queue_oldest_seconds`, `headway_queue_jobs`,
    `headway_queue_workers`, `headway_queue_paused`, `headway_queue_jobs_finished`. Of a broker that can't be read nothing else
    is told but what has ended. Raises StoreError."""
    brokers = broker_states.brokers(site)
    yield _up(brokers)
    yield _workers(brokers)
    engines = [queue for broker in brokers for queue in _of_broker(site, broker)]
    told, rest = _bounded(engines, _named(site))
    watched = Queues(site)
    reported, others = _bounded(list(_reported(watched, {broker.state.agent for broker in brokers})), _named(site))
    yield _depth(site, brokers, told, rest)
    yield _oldest(watched, brokers, told, rest, reported)
    yield _jobs([*told, *reported], [*rest, *others])
    yield _listeners(told)
    yield _paused(told)
    yield _finished(site)


def _up(brokers: Iterable[Broker]) -> Metric:
    up = GaugeMetricFamily("headway_broker_up", "Whether a broker of RQ or Celery answers.", labels=("broker",))
    for broker in brokers:
        up.add_metric((broker.state.agent,), broker.state.why is None)
    return up


def _workers(brokers: Iterable[Broker]) -> Metric:
    workers = GaugeMetricFamily("headway_workers", "Workers of a broker.", labels=("broker", "state"))
    for broker in brokers:
        if broker.state.why is None and broker.snapshot is not None:
            states = Counter[str](worker.state for worker in broker.snapshot.workers)
            for state in WORKER_STATES:
                workers.add_metric((broker.state.agent, state), states[state])
    return workers


def _of_broker(site: Site, broker: Broker) -> Iterator[_Queue]:
    if broker.state.why is not None:
        return
    agent = broker.state.agent
    waiting = {f"{agent}/{name}": queue for name, queue in broker.queues.items() if queue.depth}
    waits_s = {key: waiting_jobs.waited_s(site, since) for key, since in waiting_jobs.since_ms(site, waiting).items()}
    states = sorted({"queued", *(state for queue in broker.queues.values() for state in queue.counts)})
    for name, queue in broker.queues.items():
        jobs: Any = {state: queue.counts.get(state, 0) for state in states}
        yield _Queue(agent, name, jobs, queue, waits_s.get(f"{agent}/{name}", 0.0))


def _reported(watched: Queues, brokers: set[str]) -> Iterator[_Queue]:
    """Those that were seen last, and of those that alerts name as many as can be told."""
    site, names = watched.site, dict[str, None]()
    for partition in range(site.store.partitions):
        newest: Any = site.store.redis.zrange(keys.QUEUES.at(partition), 0, 2 * MOST_QUEUES - 1, desc=True)
        names |= dict.fromkeys(newest)
    ruled = {
        (queue.agent, queue.name)
        for rule in site.config.alerts
        if alert_queues.whose(rule.when)[1] is not None and not watched.are_too_many(rule.when)
        for queue in watched.watched(rule.when)
        if queue.agent not in brokers
    }
    names |= dict.fromkeys("/".join(place) for place in sorted(ruled)[:MOST_QUEUES])
    asked = [name for name in names if name.partition("/")[0] not in brokers]
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for name in asked:
            partition = site.store.partition_of(name.partition("/")[0])
            for state in REPORTED_STATES:
                pipeline.zcard(keys.QUEUE_STATE.at(partition, state, name))
        cards = iter(pipeline.execute())
    for name in asked:
        agent, _, queue = name.partition("/")
        yield _Queue(agent, queue, {state: next(cards) for state in REPORTED_STATES}, None, None)


def _named(site: Site) -> set[str]:
    """Queues that alerts name."""
    return {queue for rule in site.config.alerts if (queue := alert_queues.whose(rule.when)[1])}


def _bounded(queues: list[_Queue], named: set[str]) -> tuple[list[_Queue], list[_Queue]]:
    ordered = sorted(queues, key=lambda one: (one.name not in named, one.broker, one.name))
    return ordered[:MOST_QUEUES], ordered[MOST_QUEUES:]


def _depth(site: Site, brokers: Collection[Broker], told: list[_Queue], rest: list[_Queue]) -> Metric:
    depth = GaugeMetricFamily("headway_queue_depth", "Jobs that wait; `reported` are those told to us.")
    depth.add_sample(depth.name, {"queue": "reported"}, waiting_jobs.reported(site, brokers))
    for queue in told:
        depth.add_sample(depth.name, queue.labels, queue.jobs["queued"])
    others = sum(queue.jobs["queued"] for queue in rest) + queue_depths.untold(site, brokers)
    if rest or others:
        depth.add_sample(depth.name, {"queue": OTHER}, others)
    return depth


def _oldest(
    watched: Queues, brokers: Collection[Broker], told: list[_Queue], rest: list[_Queue], reported: list[_Queue]
) -> Metric:
    oldest = GaugeMetricFamily(
        "headway_queue_oldest_seconds",
        "For how long the oldest job that waits has waited; `reported`: of those told to us.",
    )
    site, now = watched.site, watched.site.clock()
    oldest.add_sample(oldest.name, {"queue": "reported"}, waiting_jobs.reported_wait_s(site, brokers) or 0.0)
    waits_s = {(queue.broker, queue.name): queue.oldest_s for queue in told if queue.oldest_s is not None}
    alone = {(queue.broker, queue.name) for queue in reported}
    for rule in site.config.alerts:
        if isinstance(rule.when, kinds.OnQueueAge | kinds.OnNoWorker) and watched.away(rule.when) is None:
            unheard = [one for one in watched.watched(rule.when) if one.engine is None]
            for one, wait_s in watched.waits_s(unheard, now):
                is_alone = one.agent in watched.brokers or (one.agent, one.name) in alone
                place = one.agent if is_alone else "", one.name
                waits_s[place] = max(wait_s, waits_s.get(place, 0.0))
    for (broker, queue), wait_s in sorted(waits_s.items()):
        oldest.add_sample(oldest.name, {"broker": broker, "queue": queue}, wait_s)
    if known := [queue.oldest_s for queue in rest if queue.oldest_s is not None]:
        oldest.add_sample(oldest.name, {"queue": OTHER}, max(known))
    return oldest


def _jobs(told: list[_Queue], rest: list[_Queue]) -> Metric:
    jobs = GaugeMetricFamily(
        "headway_queue_jobs", "Jobs of a queue, of a broker or of an agent.", labels=("broker", "queue", "state")
    )
    for queue in told:
        for state, many in queue.jobs.items():
            jobs.add_metric((queue.broker, queue.name, state), many)
    others = Counter[tuple[str, str]]()
    for queue in rest:
        for state, many in queue.jobs.items():
            others[queue.broker if queue.engine else "", state] += many
    for (broker, state), many in sorted(others.items()):
        jobs.add_metric((broker, OTHER, state), many)
    return jobs


def _listeners(told: list[_Queue]) -> Metric:
    listeners = GaugeMetricFamily(
        "headway_queue_workers", "Workers that listen to a broker's queue.", labels=("broker", "queue")
    )
    for queue in told:
        if queue.engine is not None and queue.engine.workers is not None:
            listeners.add_metric((queue.broker, queue.name), queue.engine.workers)
    return listeners


def _paused(told: list[_Queue]) -> Metric:
    paused = GaugeMetricFamily(
        "headway_queue_paused", "Whether a broker's queue is paused.", labels=("broker", "queue")
    )
    for queue in told:
        if queue.engine is not None:
            paused.add_metric((queue.broker, queue.name), queue.engine.paused)
    return paused


def _finished(site: Site) -> Metric:
    """Bounded by the script that counts."""
    ended = CounterMetricFamily(
        "headway_queue_jobs_finished", "Jobs of a queue that ended.", labels=("broker", "queue", "outcome")
    )
    others = Counter[str]()
    found = dict[tuple[str, str], dict[str, int]]()
    for partition in range(site.store.partitions):
        counted: Any = site.store.redis.hgetall(keys.QUEUE_TOTALS.at(partition))
        for field, many in counted.items():
            outcome, _, name = str(field).partition("\t")
            broker, _, queue = name.partition("/")
            if outcome in FINAL and queue:
                found.setdefault((broker, queue), {})[outcome] = int(many)
            elif outcome in FINAL:
                others[outcome] += int(many)
    for (broker, queue), outcomes in sorted(found.items()):
        for outcome in FINAL:
            ended.add_metric((broker, queue, outcome), outcomes.get(outcome, 0))
    for outcome, many in sorted(others.items()):
        ended.add_metric(("", OTHER, outcome), many)
    return ended
