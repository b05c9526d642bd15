"""What tests of services may ask for besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.site import Site
from core.store import Store
from tests import archive
from tests.outside import Outside


@pytest.fixture(params=[1, 4], ids=["one partition", "four partitions"])
def parted_site(site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site whose store has one partition, and then one of several."""
    if request.param == 1:
        yield site
        return
    store = Store(site.store.url, request.param)
    yield replace(site, store=store)
    store.close()


@pytest.fixture(params=archive.KINDS)
def archived_site(site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site with an empty archive in a file of SQLite, and then one in PostgreSQL."""
    with archive.archived(site, request.getfixturevalue("postgres") if request.param == "postgresql" else None) as made:
        yield made


@pytest.fixture
def outside() -> Iterator[Outside]:
    """A server on loopback that answers what the test wants."""
    server = Outside()
    yield server
    server.close()
