"""What tests of the core may ask for besides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.store import Store
from tests.core.fleets import Begin, Member


@pytest.fixture
def member(store: Store) -> Iterator[Begin]:
    members: list[Member] = []

    def begin(url: str = store.url, most_series: int = 5_000) -> Member:
        members.append(Member(url, most_series))
        return members[-1]

    yield begin
    for one in members:
        one.store.close()
