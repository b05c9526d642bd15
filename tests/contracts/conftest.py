"""Two real sites for those who walk the contracts from outside: one that asks for a token, and one that answers everyone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import TOKEN, free_port
from tests.serving import Server

FRONTEND = "http://localhost:5173"
TOKENS = {
    "admin": TOKEN,
    "read": "a-read-token-for-tests",
    "ingest": "an-ingest-token-for-tests",
    "metrics": "a-metrics-token-for-tests",
    "wrong": "a-wrong-token-for-tests",
}


@pytest.fixture(scope="session")
def here() -> Iterator[Server]:
    """A site with a token of every scope."""
    tokens = {f"HEADWAY_{scope.upper()}_TOKEN": TOKENS[scope] for scope in ("read", "ingest", "metrics")}
    site = Server(free_port(), TOKEN, tokens)
    try:
        yield site.start()
    finally:
        site.close()


@pytest.fixture(scope="session")
def open_site() -> Iterator[Server]:
    """A site with `HEADWAY_AUTH=off`."""
    site = Server(free_port(), "", {"HEADWAY_AUTH": "off"})
    try:
        yield site.start()
    finally:
        site.close()
