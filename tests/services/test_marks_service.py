"""Marks: what falls into a window, at its borders, and how many become few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core import keys
from core.site import Site
from services import alert_episodes, alert_model
from services.alert_model import Line
from services.deployments_service import NewDeployment, note
from services.marks_service import MOST, Mark, marks
from services.windows import HOUR_S, Window, of_range
from tests.services.alert_rules import Clock, declaring, looked
from tests.services.reports import create

BACKLOG = """
[[alerts]]
id = "backlog"
title = "Too many wait"
when = { kind = "queue_depth", above = 2, clear = 0 }
keep = "10s"
"""
HISTORY = "/dashboard/alerts#alert-history-title"


@pytest.fixture
def clock(site: Site) -> Clock:
    return Clock(float(int(site.clock()) // 60 * 60))


@pytest.fixture
def here(site: Site, clock: Clock) -> Iterator[Site]:
    """A site whose clock stands, at a whole minute, until it is moved."""
    yield replace(site, clock=clock)


def deploy(site: Site, version: str, at: float, title: str | None = None, url: str | None = None) -> None:
    note(site, NewDeployment(version, title, url, datetime.fromtimestamp(at, UTC)))


def happened(site: Site, what: str, at: float, since: float | None = None, id: str = "former", value: str = "") -> None:
    """A line of history as the script `alert` writes it."""
    line = Line(id, "Was too much", "warning", what, at, value, since)  # type: ignore[arg-type]
    site.store.redis.zadd(keys.ALERT_HISTORY.at(), {alert_model.encode(line).decode(): at * 1000})


def test_nothing_is_marked_where_nothing_happened_or_what_did_lies_ahead(here: Site, clock: Clock) -> None:
    assert marks(here, of_range("24h", clock.now)) == ()
    deploy(here, "v1", clock.now)
    assert marks(here, Window(int(clock.now) + HOUR_S, 60, 60)) == ()


def test_a_deployment_is_marked_from_the_windows_first_moment_up_to_its_last(here: Site, clock: Clock) -> None:
    start = int(clock.now) - HOUR_S
    for by_s, version in ((-1, "before"), (0, "first"), (599, "last"), (600, "after")):
        deploy(here, version, start + by_s)
    found = marks(here, Window(start, 60, 10))
    assert [(mark.at - start, mark.label) for mark in found] == [(0, "first"), (599, "last")]


def test_a_deployment_says_its_version_and_title_and_leads_to_its_address(here: Site, clock: Clock) -> None:
    deploy(here, "v1", clock.now - 120, "Faster imports", "https://example.org/v1")
    deploy(here, "v2", clock.now)
    assert marks(here, of_range("1h", clock.now)) == (
        Mark(clock.now - 120, "deployment", "v1 · Faster imports", "https://example.org/v1"),
        Mark(clock.now, "deployment", "v2"),
    )


def test_those_of_one_step_are_one_mark_that_names_the_latest(here: Site, clock: Clock) -> None:
    start = int(clock.now) - HOUR_S
    for number in range(12):
        deploy(here, f"v{number}", start + 5 * number, title="x")
    happened(here, "fired", start + 7)
    window = Window(start, 60, 60)
    deployed, alert = marks(here, window)
    assert deployed == Mark(start, "deployment", "12 deployments: v11, v10, v9, v8, v7 and 7 more")
    assert (alert.kind, alert.label) == ("alert", "Was too much")
    assert len(marks(here, replace(window, step_s=10, steps=360))) == 7


def test_however_many_there_are_at_most_a_hundred_marks_stand_for_all(here: Site, clock: Clock) -> None:
    for number in range(180):
        deploy(here, f"v{number}", clock.now - 240 * number - 1)
        happened(here, "fired", clock.now - 240 * number - 1, id=f"a{number}")
    found = marks(here, of_range("24h", clock.now))
    assert 50 <= len(found) <= MOST
    told = [
        int(mark.label.split()[0]) if "deployments: " in mark.label else 1
        for mark in found
        if mark.kind == "deployment"
    ]
    assert sum(told) == 180


def test_an_alert_is_told_while_it_fires_and_for_how_long_when_it_is_over(here: Site, clock: Clock) -> None:
    site = declaring(here, BACKLOG, clock)
    looked(site, clock, 10)
    for _ in range(3):
        create(site, title="waits")
    looked(site, clock, 5)
    fired_at = clock.now
    (mark,) = marks(site, of_range("15m", clock.now))
    assert mark == Mark(
        fired_at, "alert", "Too many wait · 3 jobs wait · still fires", "/dashboard/alerts#alert-backlog"
    )
    site.store.redis.delete(keys.STATUS.at(0, "queued"), keys.AGENT_STATUS.at(0, "queued", "default"))
    looked(site, clock, 120)
    (mark,) = marks(site, of_range("15m", clock.now))
    assert mark.label == "Too many wait · 3 jobs wait · for 15 s"
    assert (mark.at, mark.until) == (fired_at, fired_at + 15)
    # With its rule gone it leads to the history.
    assert [mark.path for mark in marks(here, of_range("15m", clock.now))] == [HISTORY]


def test_alerts_that_reach_over_a_windows_borders_are_in_it(here: Site, clock: Clock) -> None:
    start = int(clock.now) - 2 * HOUR_S
    window = Window(start, 60, 60)
    for id, since, until in (
        ("over before", -900, -600),
        ("into", -600, 60),
        ("through", -300, 2 * HOUR_S - 1),
        ("out of", 3000, 4000),
        ("after", 3600, 3660),
    ):
        happened(here, "fired", start + since, id=id)
        happened(here, "over", start + until, start + since, id=id)
    happened(here, "removed", start + 120, start - 100, id="removed")
    happened(here, "fired", start + 90, id="lost its end")
    episodes = alert_episodes.between(here, window.start, window.end)
    assert [one.id for one in episodes] == ["into", "through", "removed", "lost its end", "out of"]
    found = {mark.at - start: mark.until and mark.until - start for mark in marks(here, window)}
    assert found == {-600: 60, -300: 2 * HOUR_S - 1, -100: 120, 90: 90, 3000: 4000}


def test_a_name_that_turns_the_direction_of_text_leaves_the_others_as_they_are(here: Site, clock: Clock) -> None:
    deploy(here, "v1", clock.now)
    clock.now += 2
    deploy(here, "\u202ev2", clock.now)
    (mark,) = marks(here, of_range("15m", clock.now))
    assert mark.label == "2 deployments: \u2068\u202ev2\u2069, v1"


def test_damaged_lines_and_endless_labels_do_no_harm(here: Site, clock: Clock) -> None:
    here.store.redis.zadd(keys.ALERT_HISTORY.at(), {"{broken": clock.now * 1000})
    here.store.redis.hset(keys.ALERTS.at(), "broken", "{")
    deploy(here, "v" * 200, clock.now, "t" * 500)
    (mark,) = marks(here, of_range("1h", clock.now))
    assert len(mark.label) == 300 and mark.label.endswith("…")
