"""What the types of headway.toml can't say: names that must differ, or be those of others, and values that need another."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import pairwise
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import JMESPathError

from core.config import alerts, sources
from core.config.allowed import Allowed
from core.config.broker_checks import check_broker, either
from core.config.brokers import DISCOVERED
from core.config.channels import check_channels
from core.config.model import Alert, Config, PrometheusServer, Target, Tile
from core.fields import FieldError
from core.settings import REDIS, Settings

RESERVED = ("notifications", "timestamp")
"""What the stream of tiles says itself."""
LONGEST_WITHIN_S = 7 * 86_400.0
MOST_TILES = 200
"""Each that is read has a thread of its own while it is."""


def check_together(config: Config, settings: Settings | None) -> None:
    """`settings` fill in for what tiles leave out; None where that does not matter. Raises FieldError."""
    _check_ids(config)
    if len(config.tiles or ()) > MOST_TILES:
        raise FieldError("tiles", f"holds {len(config.tiles or ())}: {MOST_TILES} is the most")
    for number, tile in enumerate(config.tiles or ()):
        _check_bounds(tile, f"tiles[{number}]")
        _check_source(tile, f"tiles[{number}]", settings)
    for number, target in enumerate(config.targets):
        _check_target(target, f"targets[{number}]")
    for number, alert in enumerate(config.alerts):
        _check_alert(alert, f"alerts[{number}]", config)
    check_channels(config)
    for number, channel in enumerate(config.channels):
        if channel.quiet is not None:
            _check_zone(channel.quiet.zone, f"channels[{number}].quiet.zone")
    for number, redaction in enumerate(config.logs.redact):
        _check_pattern(redaction.pattern, f"logs.redact[{number}].pattern")
    for number, broker in enumerate(config.queues):
        check_broker(broker, f"queues[{number}]")
        for at, redaction in enumerate(broker.masking.patterns):
            _check_pattern(redaction.pattern, f"queues[{number}].masking.patterns[{at}].pattern")
    _check_prometheus(config.prometheus)
    for number, entry in enumerate(config.outgoing.allow):
        try:
            Allowed.of(entry)
        except ValueError as fault:
            raise FieldError(f"outgoing.allow[{number}]", str(fault)) from None


def path_faults(ids: Iterable[str]) -> tuple[str, str] | None:
    """An id that can't stand beside the others and why, as the path of a value in the stream of tiles."""
    known = set(ids)
    return next(((id, fault) for id in sorted(known, reverse=True) if (fault := path_fault(id, known))), None)


def path_fault(id: str, others: Collection[str]) -> str | None:
    """Why an id can't stand beside others as the path of a value in the stream of tiles; None where it can."""
    if id.split(".")[0] in RESERVED:
        return f"begins with {id.split('.')[0]}, which the stream of tiles says itself"
    for other in others:
        if id.startswith(f"{other}."):
            return f"can't stand beside {other}: that is a value and can't hold others"
        if other.startswith(f"{id}."):
            return f"can't stand beside {other}: what holds others can't be a value"
    return None


def _check_ids(config: Config) -> None:
    for name, ids in (
        ("tiles", [tile.id for tile in config.tiles or ()]),
        ("targets", [target.name for target in config.targets]),
        ("alerts", [alert.id for alert in config.alerts]),
        ("channels", [channel.name for channel in config.channels]),
        ("queues", [broker.agent for broker in config.queues]),
    ):
        for id, times in Counter(ids).items():
            if times > 1:
                raise FieldError(name, f"holds {id} twice: give one another name")
    if fault := path_faults(tile.id for tile in config.tiles or ()):
        raise FieldError(f"tiles: {fault[0]}", fault[1])


def _check_bounds(tile: Tile, path: str) -> None:
    bounds = [(name, bound) for name in ("good", "warn", "bad") if (bound := getattr(tile, name)) is not None]
    for name, bound in bounds:
        if not math.isfinite(bound):
            raise FieldError(f"{path}.{name}", "should be a finite number")
    for (name, bound), (worse_name, worse) in pairwise(bounds):
        if bound > worse if tile.better == "lower" else bound < worse:
            order = "below" if tile.better == "lower" else "above"
            raise FieldError(
                f"{path}.{worse_name}", f'is {worse:g}, {order} {name} ({bound:g}), while better = "{tile.better}"'
            )


def _check_source(tile: Tile, path: str, settings: Settings | None) -> None:
    source = tile.source
    if isinstance(source, sources.Redis):
        _check_redis(source, f"{path}.source")
    if isinstance(source, sources.Jobs) and source.agent and source.figure in ("jobs_per_minute", "p50", "p95"):
        raise FieldError(
            f"{path}.source.agent", f"goes with counts, success_rate and oldest; {source.figure} is of all agents"
        )
    if settings is not None and isinstance(source, sources.Prometheus) and not (source.url or settings.prometheus_url):
        raise FieldError(f"{path}.source.url", "is missing, and PROMETHEUS_URL is not set")
    if settings is not None and isinstance(source, sources.Sql) and not (source.url or settings.database_url):
        raise FieldError(f"{path}.source.url", "is missing, and DATABASE_URL is not set")
    if (
        isinstance(source, sources.Sql)
        and source.url
        and not source.url.startswith(("postgresql://", "postgres://", "sqlite:///"))
    ):
        raise FieldError(f"{path}.source.url", "should begin with postgresql:// or sqlite:///")
    if isinstance(source, sources.Metrics):
        for label, wanted in source.labels.items():
            if wanted.startswith("~"):
                _check_pattern(wanted[1:], f"{path}.source.labels.{label}")
    if isinstance(source, sources.Http):
        _check_json_path(source.path, f"{path}.source.path")
    if isinstance(source, sources.Prometheus | sources.Metrics | sources.Http) and source.url:
        _check_web(source.url, f"{path}.source.url")
    if tile.timeout > 60:
        raise FieldError(f"{path}.timeout", "should be 60s at most")


def _check_target(target: Target, path: str) -> None:
    _check_web(target.url, f"{path}.url")
    if target.timeout > 60:
        raise FieldError(f"{path}.timeout", "should be 60s at most")


def _check_prometheus(server: PrometheusServer) -> None:
    for label, wanted in server.match.items():
        if wanted.startswith("~"):
            _check_pattern(wanted[1:], f"prometheus.match.{label}")
    if server.timeout > 10:
        raise FieldError("prometheus.timeout", "should be 10s at most: so long a page waits")
    if server.every > 300:
        raise FieldError(
            "prometheus.every", "should be 5m at most: between scrapes that are further apart it sees gaps"
        )


def _check_web(url: str, path: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise FieldError(path, "is no address that can be read") from None
    if parts.scheme not in ("http", "https"):
        raise FieldError(path, "should begin with http:// or https://")
    if "@" in parts.netloc:
        raise FieldError(path, "holds a user or a password: send them in headers, such as Authorization")
    if not parts.hostname:
        raise FieldError(path, "names no host")


def _check_json_path(text: str, path: str) -> None:
    try:
        jmespath.compile(text)
    except JMESPathError as fault:
        raise FieldError(path, f"is no JMESPath: {str(fault).splitlines()[0]}") from fault


def _check_redis(source: sources.Redis, path: str) -> None:
    takes = sources.READING_COMMANDS.get(source.command.upper())
    if takes is None:
        raise FieldError(f"{path}.command", f"should be one of {', '.join(sources.READING_COMMANDS)}")
    if len(source.args) != len(takes):
        wanted = f"takes {', '.join(takes)}" if takes else "takes nothing"
        raise FieldError(
            f"{path}.args", f"has {len(source.args)}, and {source.command.upper()} {wanted} behind its key"
        )
    if source.url and urlsplit(source.url).scheme not in REDIS:
        raise FieldError(f"{path}.url", f"should begin with {either(REDIS)}")


def _check_alert(alert: Alert, path: str, config: Config) -> None:
    when = alert.when
    if alert.channel and alert.channel not in [channel.name for channel in config.channels]:
        raise FieldError(f"{path}.channel", f"names {alert.channel}, which is none of the channels")
    if isinstance(when, alerts.OnTargetDown) and when.target not in [target.name for target in config.targets]:
        raise FieldError(f"{path}.when.target", f"names {when.target}, which is none of the targets")
    if isinstance(when, alerts.OnBrokerUnavailable) and config.queues:
        names = [broker.agent for broker in config.queues]
        if when.broker not in (*names, *DISCOVERED):
            known = ", ".join(names)
            raise FieldError(f"{path}.when.broker", f"names {when.broker}, which is none of the brokers: {known}")
    if isinstance(when, alerts.OnTile) and (when.above is None) == (when.below is None):
        raise FieldError(f"{path}.when", "should have one of above and below")
    _check_limits(when, f"{path}.when")


def _check_limits(when: alerts.When, path: str) -> None:
    above, below, clear = (getattr(when, name, None) for name in ("above", "below", "clear"))
    for name, bound in (("above", above), ("below", below), ("clear", clear)):
        if bound is not None and not math.isfinite(bound):
            raise FieldError(f"{path}.{name}", "should be a finite number")
    if clear is not None and above is not None and clear > above:
        raise FieldError(f"{path}.clear", f"should be {above:.15g} or less: it is what the figure has to come back to")
    if clear is not None and below is not None and clear < below:
        raise FieldError(f"{path}.clear", f"should be {below:.15g} or more: it is what the figure has to come back to")
    within = getattr(when, "within", None)
    if within is not None and within > LONGEST_WITHIN_S:
        raise FieldError(f"{path}.within", "should be 7d at most: of what was before, nothing is counted")


def _check_zone(zone: str, path: str) -> None:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError) as fault:
        raise FieldError(path, "should be a time zone's name, such as Europe/Berlin") from fault


def _check_pattern(pattern: str, path: str) -> None:
    try:
        re.compile(pattern)
    except re.error as fault:
        raise FieldError(path, f"is no regular expression: {fault}") from fault
