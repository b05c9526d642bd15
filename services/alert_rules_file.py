"""The rules of headway.toml as a rules file for Prometheus, over the metrics that Headway exports."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from core.config import Alert
from core.config import alerts as kinds
from core.site import Site
from services import alert_limits, alert_words
from services.alerts_service import link
from services.brokers import standings

FEWEST_S = 120.0
"""Over less, `increase` and `rate` may find less than two scrapes."""
EACH = "on(broker, queue)"


OnQueue = (
    kinds.OnFailedJobs | kinds.OnFailureRate | kinds.OnQueueDepth | kinds.OnQueueAge | kinds.OnNoWorker | kinds.OnNoJob
)


def text(site: Site) -> str:
    """YAML that `promtool check rules` accepts; a group without rules where none is declared. Raises StoreError."""
    brokers = [one.broker for one in standings.read(site)]
    rules = [_rule(rule, site, brokers) for rule in site.config.alerts]
    groups = [{"name": "headway", "rules": rules}]
    return yaml.safe_dump({"groups": groups}, sort_keys=False, allow_unicode=True, width=120)


def _rule(rule: Alert, site: Site, brokers: Collection[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"alert": rule.id, "expr": expression(rule, brokers)}
    if rule.for_:
        found["for"] = _duration(rule.for_)
    found["keep_firing_for"] = _duration(rule.keep)
    found["labels"] = {"severity": rule.severity}
    found["annotations"] = {
        "summary": _literal(alert_words.title(rule, site.config)),
        "description": _literal(alert_words.explain(rule, site.config)),
        "link": _literal(link(rule, site)),
    }
    return found


def expression(rule: Alert, brokers: Collection[str]) -> str:
    """PromQL that has a sample while the rule's condition holds. One that fires does so until it comes back to its `clear`. `brokers` are
    the agents whose queues an engine tells of."""
    limit, figure = alert_limits.of(rule.when), _figure(rule.when, brokers)
    sign, bound = (">", limit.above) if limit.above is not None else ("<", limit.below)
    crossed = f"{figure} {sign} {bound:.15g}"
    if isinstance(rule.when, kinds.OnFailureRate):
        crossed = f"{crossed} and {_ended(rule.when, None)} >= {rule.when.at_least}"
    if limit.clear is not None:
        firing = _series("ALERTS", {"alertname": rule.id, "alertstate": "firing"})
        crossed = f"({crossed}) or ({figure} {sign} {limit.clear:.15g} and on() {firing})"
    return crossed


def _left_waiting(when: kinds.OnNoWorker, brokers: Collection[str]) -> str:
    """For how long that waits which nobody takes: of a broker that knows who listens, queue by queue; elsewhere by what is done."""
    parts = list[str]()
    if when.queue is not None:
        parts += _nobody_listens(when), _nobody_works_at(when)
    elif when.agent in brokers or (when.agent is None and brokers):
        parts.append(_nobody_listens(when))
    if when.queue is None and when.agent not in brokers:
        parts.append(_nobody_works(when, brokers if when.agent is None else ()))
    return f"max({' or '.join(f'({part})' for part in parts)})"


def _nobody_listens(when: kinds.OnNoWorker) -> str:
    oldest, listen, paused = (_of_queues(name, when) for name in ("oldest_seconds", "workers", "paused"))
    return f"{oldest} and {EACH} {listen} == 0 unless {EACH} {paused} == 1"


def _nobody_works_at(when: kinds.OnNoWorker) -> str:
    """All queues of a name together of which nobody knows who listens."""
    unheard = f"unless {EACH} {_of_queues('workers', when)} unless {EACH} {_of_queues('paused', when)} == 1"
    at_work = _of_queues("jobs", when, state="processing|started")
    ended = f"increase({_of_queues('jobs_finished_total', when)}[{_duration(max(when.within, FEWEST_S))}])"
    none = " and on() ".join(f"(sum({figure} {unheard}) or vector(0)) == 0" for figure in (at_work, ended))
    return f"{_of_queues('oldest_seconds', when)} {unheard} and on() {none}"


def _of_queues(name: str, when: kinds.OnNoWorker, state: str | None = None) -> str:
    broker, queue = ({label: said} if said else {} for label, said in (("broker", when.agent), ("queue", when.queue)))
    found = _series(f"headway_queue_{name}", {**broker, **queue})
    return found if state is None else f"{found.removesuffix('}')},state=~{_text(state)}}}"


def _nobody_works(when: kinds.OnNoWorker, others: Collection[str]) -> str:
    waits = _series("headway_queue_oldest_seconds", {"queue": "reported"})
    if when.agent is not None:
        waits = _series("headway_agent_oldest_queued_seconds", _of(when.agent))
    at_work = _series("headway_jobs", {**_of(when.agent), "status": "processing"}, others)
    ended = f"({_ended(when, None, others)} or vector(0))"
    return f"{waits} and on() sum({at_work}) == 0 and on() {ended} == 0"


def _figure(when: kinds.When, brokers: Collection[str]) -> str:
    match when:
        case kinds.OnTile():
            return _series("headway_tile", {"tile": when.tile})
        case kinds.OnTileUnavailable():
            return f"1 - {_series('headway_tile_up', {'tile': when.tile})}"
        case kinds.OnFailedJobs():
            return _ended(when, "failed")
        case kinds.OnFailureRate():
            return f"100 * ({_ended(when, 'failed')} or vector(0)) / {_ended(when, None)}"
        case kinds.OnQueueDepth() if when.queue is not None:
            return f"sum({_series('headway_queue_jobs', {**_queue(when), 'state': 'queued'})})"
        case kinds.OnQueueDepth() if when.agent in brokers:
            return f"sum({_series('headway_queue_jobs', {'broker': when.agent or '', 'state': 'queued'})})"
        case kinds.OnQueueDepth() if when.agent is not None:
            return _series("headway_jobs", {"agent": when.agent, "status": "queued"})
        case kinds.OnQueueDepth():
            return "sum(headway_queue_depth)"
        case kinds.OnQueueAge():
            if when.queue is not None:
                return f"max({_series('headway_queue_oldest_seconds', _queue(when))})"
            if when.agent is not None:
                return _series("headway_agent_oldest_queued_seconds", {"agent": when.agent})
            return "max(headway_queue_oldest_seconds)"
        case kinds.OnNoWorker():
            return _left_waiting(when, brokers)
        case kinds.OnNoJob():
            return f"({_ended(when, 'completed')} or vector(0))"
        case kinds.OnStalledJobs():
            return _series("headway_jobs_stalled", {"agent": when.agent or "", "after": f"{when.after:g}"})
        case kinds.OnBrokerUnavailable():
            return f"1 - {_series('headway_broker_up', {'broker': when.broker})}"
        case kinds.OnTargetDown():
            return f"1 - {_series('headway_target_up', {'target': when.target})}"
        case kinds.OnStoreLatency():
            name, over = "headway_redis_latency_seconds", f"[{_duration(FEWEST_S)}]"
            return f"rate({name}_sum{over}) / rate({name}_count{over})"


def _ended(
    when: kinds.OnFailedJobs | kinds.OnFailureRate | kinds.OnNoWorker | kinds.OnNoJob,
    outcome: str | None,
    others: Collection[str] = (),
) -> str:
    """How many jobs ended within the span of a rule."""
    name = "headway_jobs_finished_total" if when.queue is None else "headway_queue_jobs_finished_total"
    labels = (_of(when.agent) if when.queue is None else _queue(when)) | ({"outcome": outcome} if outcome else {})
    span = _duration(max(when.within, FEWEST_S))
    return f"sum(increase({_series(name, labels, others)}[{span}]))"


def _queue(when: OnQueue) -> dict[str, str]:
    return ({} if when.agent is None else {"broker": when.agent}) | {"queue": when.queue or ""}


def _of(agent: str | None) -> dict[str, str]:
    return {} if agent is None else {"agent": agent}


def _series(name: str, labels: Mapping[str, str], others: Collection[str] = ()) -> str:
    """`others` are brokers, whose names are letters, digits, - and _, that are not meant."""
    said = [f"{label}={_text(value)}" for label, value in labels.items()]
    said += [f"agent!~{_text('|'.join(others))}"] if others else []
    return f"{name}{{{','.join(said)}}}" if said else name


def _text(value: str) -> str:
    # A JSON string is a PromQL string too.
    return json.dumps(value, ensure_ascii=False)


def _duration(seconds: float) -> str:
    ms = max(round(seconds * 1000), 1)
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"


def _literal(text: str) -> str:
    """A text in which Prometheus finds no template."""
    return text.replace("{{", '{{"{{"}}')
