"""What holds of every live part of a page."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import app  # noqa: F401  it declares them all
from core.problems import Problem
from panels._push import TOPICS
from routes.regions import REGIONS, Region

ARGUMENTS = ("", "17", "studio", "rq/mail")
"""One of these is right for each kind."""
TOLD = {
    topic.partition(":")[0] for touched in TOPICS.values() for topic in touched(SimpleNamespace(number=17, agent="a"))
}


def topics(region: Region, argument: str) -> set[str] | None:
    try:
        return {topic.partition(":")[0] for topic in region.topics(argument)}
    except Problem:
        return None


@pytest.mark.parametrize("kind", REGIONS)
def test_no_part_waits_for_an_event_that_nothing_tells(kind: str) -> None:
    found = [some for argument in ARGUMENTS if (some := topics(REGIONS[kind], argument)) is not None]
    assert found and all(some <= TOLD for some in found)
