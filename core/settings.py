"""Every environment variable that Headway reads, in one table.

`read(environ)` answers frozen `Settings` or raises `SettingError`, whose text is one line for the operator: the
variable, what is wrong with its value, and an example. The value of a secret never appears in it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core import database_url


class SettingError(ValueError):
    """A variable has a value that Headway can't work with."""


EVERYWHERE = frozenset(("0.0.0.0", "::", "[::]"))  # noqa: S104  one can bind to it and not browse to it


@dataclass(frozen=True)
class Settings:
    port: int
    host: str
    redis_url: str | None
    database_url: str | None
    data: Path
    token: str | None
    read_token: str | None
    ingest_token: str | None
    metrics_token: str | None
    auth: bool
    frontend_origins: tuple[str, ...]
    url: str | None
    trusted_hops: int
    rate_limit: int | None
    keep_jobs: int
    keep_days: int
    web_concurrency: int
    config: Path | None
    prometheus_url: str | None
    partitions: int
    dev: bool

    @property
    def on_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def address(self) -> str:
        """Where a browser finds the site, as far as is known: HEADWAY_URL, or this machine by its bind address."""
        host = "localhost" if self.host in EVERYWHERE else self.host
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return self.url or f"http://{host}:{self.port}"


@dataclass(frozen=True)
class Variable:
    name: str
    field: str
    default: str | None
    parse: Callable[[str], Any]
    example: str
    meaning: str
    secret: bool = False


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("must be on or off")
    return text == "on"


EVERYBODY_KNOWS = frozenset(
    ("a-long-random-text", "changeme", "change-me", "change_me", "password", "passw0rd", "password1", "12345678",
     "123456789", "1234567890", "qwertyui", "secret123", "adminadmin", "admin123", "headway-token", "your-token")
)  # fmt: skip
"""Documented examples and the first pages of every list: as good as no token."""


def _token(text: str) -> str:
    if len(text) < 8 or not text.isascii() or any(c.isspace() for c in text):
        raise ValueError("must be at least 8 ASCII characters without spaces")
    if text.lower() in EVERYBODY_KNOWS or len(set(text)) < 4:
        raise ValueError("is one that everybody tries first: make one with `openssl rand -hex 16`")
    return text


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueError("is not a URL: its port or host can't be read") from error
        if parts.scheme not in schemes:
            raise ValueError(f"must begin with {' or '.join(s + '://' for s in schemes)}")
        if parts.scheme != "unix" and (not parts.hostname or port == 0):
            raise ValueError("names no host")
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("names no socket")
        return text

    return parse


def _public_url(text: str) -> str:
    parts = urlsplit(_url("http", "https")(text))
    if "?" in text or "#" in text or "@" in parts.netloc or "//" in parts.path or any(c.isspace() for c in text):
        raise ValueError("is an origin and perhaps a path: no user, no ? and no #")
    return text.rstrip("/")


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    for origin in origins:
        if "*" in origin:
            raise ValueError("can't hold a *, since answers carry credentials; name the origins")
        if urlsplit(_url("http", "https")(origin)).path or any(mark in origin for mark in "?#@ "):
            raise ValueError("is a comma-separated list of origins: scheme, host and perhaps a port")
    return origins


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.strip("[]")).version == 6
    except ValueError:
        return False


def _host(text: str) -> str:
    if "/" in text or any(c.isspace() for c in text) or (":" in text and not _is_ipv6(text)):
        raise ValueError("must be an address or a host name without port or scheme")
    return text


def _database_url(text: str) -> str:
    return database_url.check(_url(*POSTGRESQL)(text))


REDIS = ("redis", "rediss", "unix")
POSTGRESQL = ("postgresql", "postgres")

VARIABLES = (
    Variable("PORT", "port", "8000", _whole(1, 65535), "8000", "The one port."),
    Variable("HEADWAY_HOST", "host", "127.0.0.1", _host, "0.0.0.0",  # noqa: S104
             "Bind address. The Procfile and the Docker image set 0.0.0.0."),
    Variable("REDIS_URL", "redis_url", None, _url(*REDIS), "redis://localhost:6379/0",
             "Redis ≥ 6.2 or Valkey ≥ 7.2. Unset: a Valkey of Headway's own under HEADWAY_DATA.", secret=True),
    Variable("DATABASE_URL", "database_url", None, _database_url, "postgresql://localhost/headway",
             "PostgreSQL for long job history, and for sql tiles that name none. Unset: SQLite under HEADWAY_DATA.", secret=True),
    Variable("HEADWAY_DATA", "data", "data", Path, "data", "Where embedded stores keep their files."),
    Variable("HEADWAY_TOKEN", "token", None, _token, "a-long-random-text",
             "Admin token. Unset: one is made at the first start, kept in HEADWAY_DATA, and the log prints a sign-in link.",
             secret=True),
    Variable("HEADWAY_READ_TOKEN", "read_token", None, _token, "a-long-random-text", "May see pages and streams.",
             secret=True),
    Variable("HEADWAY_INGEST_TOKEN", "ingest_token", None, _token, "a-long-random-text",
             "May write jobs, logs and tiles.", secret=True),
    Variable("HEADWAY_METRICS_TOKEN", "metrics_token", None, _token, "a-long-random-text", "May scrape /metrics.",
             secret=True),
    Variable("HEADWAY_AUTH", "auth", "on", _switch, "on",
             "off answers everyone, and is refused unless HEADWAY_HOST is loopback."),
    Variable("FRONTEND_URL", "frontend_origins", None, _origins, "https://app.example.com",
             "Comma-separated origins allowed by CORS and Socket.IO. Unset: http://localhost:5173 on loopback, else none."),
    Variable("HEADWAY_URL", "url", None, _public_url, "https://headway.example.com",
             "The public origin and path prefix: links are made from it and other Hosts get 400. Unset: any Host."),
    Variable("HEADWAY_TRUSTED_HOPS", "trusted_hops", "0", _whole(0, 10), "1",
             "Proxies whose X-Forwarded-* headers count. The Procfile and railway.json set 1."),
    Variable("HEADWAY_RATE_LIMIT", "rate_limit", None, _whole(1, 10_000_000), "6000",
             "Writing requests a minute and token; past it 429 with Retry-After. Unset: no limit."),
    Variable("HEADWAY_KEEP_JOBS", "keep_jobs", "1000000", _whole(1, 100_000_000), "1000000",
             "How many finished jobs the store keeps."),
    Variable("HEADWAY_KEEP_DAYS", "keep_days", "30", _whole(1, 36_500), "30", "For how many days."),
    Variable("WEB_CONCURRENCY", "web_concurrency", "1", _whole(1, 64), "2", "Web processes."),
    Variable("HEADWAY_CONFIG", "config", None, Path, "headway.toml",
             "Tiles, alerts, queues, targets, retention. Unset: headway.toml where it exists."),
    Variable("PROMETHEUS_URL", "prometheus_url", None, _url("http", "https"), "http://localhost:9090",
             "Long-range charts, and prometheus tiles that name none, are asked from it."),
    Variable("HEADWAY_PARTITIONS", "partitions", "1", _whole(1, 1024), "1",
             "Partitions of the key space (Redis Cluster); fixed at the first start."),
    Variable("HEADWAY_DEV", "dev", "off", _switch, "on",
             "on reloads templates and assets in open pages; `make dev` sets it."),
)  # fmt: skip


LONGEST_SHOWN = 80


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; an empty value counts as unset. Raises SettingError."""
    values: dict[str, Any] = {}
    for variable in VARIABLES:
        text = environ.get(variable.name) or variable.default
        try:
            values[variable.field] = None if text is None else variable.parse(text)
        except ValueError as fault:
            shown = "" if variable.secret or "@" in str(text) else f" ({str(text)[:LONGEST_SHOWN]!r})"
            raise SettingError(
                f"{variable.name}{shown} {fault}, for example {variable.name}={variable.example}"
            ) from fault
    if values["frontend_origins"] is None:
        values["frontend_origins"] = ("http://localhost:5173",) if is_loopback(values["host"]) else ()
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    if not settings.auth and not settings.on_loopback:
        raise SettingError(
            f"HEADWAY_AUTH (off) answers everyone, so it needs a loopback address and HEADWAY_HOST is {settings.host}: "
            "set HEADWAY_AUTH=on or HEADWAY_HOST=127.0.0.1"
        )
    if settings.config and not settings.config.is_file():
        raise SettingError(
            f"HEADWAY_CONFIG ({str(settings.config)!r}) is not a file, for example HEADWAY_CONFIG=headway.toml"
        )
    given = [t for t in (settings.token, settings.read_token, settings.ingest_token, settings.metrics_token) if t]
    if len(given) != len(set(given)):
        raise SettingError("HEADWAY_READ_TOKEN, HEADWAY_INGEST_TOKEN, HEADWAY_METRICS_TOKEN and HEADWAY_TOKEN must differ, "
                           "for example by `openssl rand -hex 16` for each")  # fmt: skip
