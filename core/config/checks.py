"""What the types of headway.toml can't say: names that must differ, or be those of others, and values that need another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from core.config import alerts, sources
from core.config.model import Alert, Config, Tile
from core.fields import FieldError
from core.settings import Settings

RESERVED = ("notifications", "timestamp")
"""What the stream of tiles says itself."""


def check_together(config: Config, settings: Settings | None) -> None:
    """`settings` fill in for what tiles leave out; None where that does not matter. Raises FieldError."""
    _check_ids(config)
    for number, tile in enumerate(config.tiles or ()):
        _check_source(tile, f"tiles[{number}]", settings)
    for number, alert in enumerate(config.alerts):
        _check_alert(alert, f"alerts[{number}]", config)
    for number, channel in enumerate(config.channels):
        if channel.quiet is not None:
            _check_zone(channel.quiet.zone, f"channels[{number}].quiet.zone")
    for number, redaction in enumerate(config.logs.redact):
        _check_pattern(redaction.pattern, f"logs.redact[{number}].pattern")


def path_faults(ids: Iterable[str]) -> tuple[str, str] | None:
    """An id that can't stand beside the others and why, as the path of a value in the stream of tiles."""
    known = set(ids)
    for id in sorted(known):
        if id.split(".")[0] in RESERVED:
            return id, f"begins with {id.split('.')[0]}, which the stream of tiles says itself"
        for end, mark in enumerate(id):
            if mark == "." and id[:end] in known:
                return id, f"can't stand beside {id[:end]}: that is a value and can't hold others"
    return None


def _check_ids(config: Config) -> None:
    for name, ids in (
        ("tiles", [tile.id for tile in config.tiles or ()]),
        ("targets", [target.name for target in config.targets]),
        ("alerts", [alert.id for alert in config.alerts]),
        ("channels", [channel.name for channel in config.channels]),
    ):
        for id, times in Counter(ids).items():
            if times > 1:
                raise FieldError(name, f"holds {id} twice: give one another name")
    if fault := path_faults(tile.id for tile in config.tiles or ()):
        raise FieldError(f"tiles: {fault[0]}", fault[1])


def _check_source(tile: Tile, path: str, settings: Settings | None) -> None:
    source = tile.source
    if isinstance(source, sources.Redis) and source.command.upper() not in sources.READING_COMMANDS:
        raise FieldError(f"{path}.source.command", f"should be one of {', '.join(sources.READING_COMMANDS)}")
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
    if (
        isinstance(source, sources.Prometheus | sources.Metrics | sources.Http)
        and source.url
        and not source.url.startswith(("http://", "https://"))
    ):
        raise FieldError(f"{path}.source.url", "should begin with http:// or https://")
    if tile.timeout > 60:
        raise FieldError(f"{path}.timeout", "should be 60s at most")


def _check_alert(alert: Alert, path: str, config: Config) -> None:
    when = alert.when
    if alert.channel and alert.channel not in [channel.name for channel in config.channels]:
        raise FieldError(f"{path}.channel", f"names {alert.channel}, which is none of the channels")
    if isinstance(when, alerts.OnTargetDown) and when.target not in [target.name for target in config.targets]:
        raise FieldError(f"{path}.when.target", f"names {when.target}, which is none of the targets")
    if isinstance(when, alerts.OnTile) and (when.above is None) == (when.below is None):
        raise FieldError(f"{path}.when", "should have one of above and below")


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
