"""Addresses of a Redis behind Sentinel, as Celery writes them: `sentinel://:password@one:26379/0;sentinel://two:26379/0`."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

SCHEME = "sentinel"
PORT = 26379


class Sentinels(Struct, frozen=True):
    """Who knows where a Redis is at present, and how that Redis lets in. `hosts` are theirs, the rest is its own."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    """What they call it."""
    db: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None


Address = str | Sentinels
"""Of a broker or a result backend."""


def is_of_sentinels(url: str) -> bool:
    return f"{SCHEME}://" in url


def sentinels(url: str, master: str, username: str | None = None, password: str | None = None) -> Sentinels:
    """What such an address tells; `username` and `password` are the sentinels' own. Raises ValueError, whose words name no address."""
    try:
        parts = [urlsplit(each) for each in url.split(";")]
        hosts = tuple((unquote(part.hostname or "localhost"), part.port or PORT) for part in parts)
    except ValueError as fault:
        raise ValueError("has a host or a port that can't be read") from fault
    if any(part.scheme != SCHEME for part in parts):
        raise ValueError(f"names sentinels and other servers: each of its addresses should begin with {SCHEME}://")
    if any(part.query or part.fragment for part in parts):
        raise ValueError("has options behind ? or #, which a sentinel:// address can't have")
    databases = {_database(part) for part in parts}
    if len(databases) > 1:
        raise ValueError(
            "names different databases: write the same one behind each address, as they are all of one Redis"
        )
    users = {(part.username, part.password) for part in parts if part.username or part.password}
    if len(users) > 1:
        raise ValueError(
            "names different users or passwords: they are those of the one Redis, and those of the sentinels are "
            "sentinel_username and sentinel_password"
        )
    user, secret = next(iter(users), (None, None))
    return Sentinels(
        hosts,
        master,
        databases.pop(),
        unquote(user) if user else None,
        unquote(secret) if secret else None,
        username,
        password,
    )


def _database(part: SplitResult) -> int:
    name = part.path.strip("/") or "0"
    if not (name.isascii() and name.isdigit() and len(name) < 10):
        raise ValueError("has a database that is no number: sentinel://host:26379/0")
    return int(name)
