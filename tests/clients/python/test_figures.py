"""Tiles and notifications from a program: the last value counts, increments add up, and nothing is notified twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headway
from headway import reporting
from headway.figure_lane import ADD, BATCH, NOTIFY, SET, Figure, FigureBacklog
from tests.clients.python.answers import Answers
from tests.clients.python.conftest import Site, forget
from tests.clients.python.test_delivery import warnings
from tests.conftest import TOKEN, wait_until
from tests.proxy import Proxy


@pytest.fixture
def reporting_here(headway_site: Site) -> Iterator[None]:
    """The package's own reporter sends to the site."""
    headway.configure(headway_site.url, TOKEN, timeout=20)
    yield
    assert headway.flush()


@pytest.fixture
def tile(request: pytest.FixtureRequest) -> str:
    """A tile of the test's own."""
    return request.node.name[:64]


def value(site: Site, tile: str) -> Any:
    return site.server.get(f"/api/v1/tiles/{tile}").json()["value"]


def notifications(site: Site, title: str) -> list[Any]:
    found = site.server.get("/api/v1/notifications?limit=500").json()["items"]
    return [one for one in found if one["title"] == title]


def told(figures: list[Figure]) -> list[tuple[int, str, float]]:
    return [(one.kind, one.key, one.value) for one in figures]


# --- At a site


@pytest.mark.usefixtures("reporting_here")
def test_a_tile_shows_the_last_value_and_what_was_added(headway_site: Site, tile: str) -> None:
    for number in range(1_000):
        headway.tile(tile, number)
    headway.increment(tile, 0.5)
    assert headway.flush()
    assert value(headway_site, tile) == 999.5
    for _ in range(1_000):
        headway.increment(tile)
    headway.increment(tile, -1)
    assert headway.flush()
    assert value(headway_site, tile) == 1998.5


@pytest.mark.usefixtures("reporting_here")
def test_a_thousand_values_within_a_moment_are_a_few_requests(headway_site: Site, tile: str) -> None:
    before = requests(headway_site)
    for number in range(1_000):
        headway.tile(tile, number)
    assert headway.flush()
    assert value(headway_site, tile) == 999
    assert requests(headway_site) - before < 20


def requests(site: Site) -> int:
    lines = site.server.get("/metrics?scope=instance").text.splitlines()
    found = [one for one in lines if one.startswith("headway_http_requests_total") and 'method="PUT"' in one]
    return sum(int(float(one.split()[-1])) for one in found if "tiles" in one)


@pytest.mark.usefixtures("reporting_here")
def test_a_notification_arrives_once_with_its_words_and_level(headway_site: Site, tile: str) -> None:
    headway.notify(tile, "All orders\nare in", level="success", channel="page")
    assert headway.flush()
    (found,) = notifications(headway_site, tile)
    assert (found["body"], found["level"], found["channel"]) == ("All orders\nare in", "success", "page")


@pytest.mark.usefixtures("reporting_here")
def test_what_is_no_number_is_told_and_sent_nowhere(
    headway_site: Site, tile: str, caplog: pytest.LogCaptureFixture
) -> None:
    for odd in (float("nan"), float("inf"), "many", None, object()):
        headway.tile(tile, odd)  # type: ignore[arg-type]
    headway.increment(tile, True)
    assert headway.flush()
    assert value(headway_site, tile) == 1
    assert len(warnings(caplog)) == 5
    assert f"the tile {tile} stays as it is, because 'nan' is no number" in warnings(caplog)[0]


@pytest.mark.usefixtures("reporting_here")
def test_what_the_site_refuses_is_told_in_its_words_and_costs_nothing_else(
    headway_site: Site, tile: str, caplog: pytest.LogCaptureFixture
) -> None:
    headway.tile("notifications.sent", 3)
    headway.tile("a b/c?", 3)
    headway.notify("", level="loud")
    headway.tile(tile, 4)
    assert headway.flush()
    assert value(headway_site, tile) == 4
    assert len(warnings(caplog)) == 3
    assert "'a b/c?' is not" in warnings(caplog)[0]
    assert "refused the tile notifications.sent: " in warnings(caplog)[1]
    assert "refused a notification: " in warnings(caplog)[2]


def test_connections_that_are_cut_lose_and_double_no_notification_and_no_increment(
    headway_site: Site, tile: str
) -> None:
    proxy = Proxy(("127.0.0.1", headway_site.server.port))
    headway.configure(f"http://127.0.0.1:{proxy.port}", TOKEN, timeout=20)
    stop = threading.Event()

    def cut() -> None:
        while not stop.wait(0.02):
            proxy.drop()

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        for number in range(100):
            headway.increment(tile)
            if number % 10 == 0:
                headway.notify(tile, str(number))
            stop.wait(0.01)
    finally:
        stop.set()
        cutting.join()
    wait_until(lambda: headway.flush(5), what="the rest to be sent")
    proxy.close()
    assert value(headway_site, tile) == 100
    assert sorted(int(one["body"]) for one in notifications(headway_site, tile)) == list(range(0, 100, 10))


def test_a_site_that_takes_no_more_notifications_still_takes_tiles(tile: str) -> None:
    refused = json.dumps({"detail": "too many wait"}).encode()
    with Answers(lambda lines: (429, {"Retry-After": "60"}, refused) if "title" in lines[0] else None) as site:
        headway.configure(site.url, TOKEN, timeout=0.2)
        headway.notify("One too many")
        headway.increment(tile)
        assert not headway.flush()
        assert {"by": 1} in site.lines
        forget(reporting.reporter)


def test_a_fork_sends_what_it_was_told_and_not_what_its_parent_was(headway_site: Site, tile: str) -> None:
    code = f"""
import headway, os
headway.increment({tile!r}, 10)
pid = os.fork()
if not pid:
    headway.increment({tile!r}, 1)
    headway.flush()
    os._exit(0)
os.waitpid(pid, 0)
"""
    ran = headway_site.script(code)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert value(headway_site, tile) == 11


# --- The commands


def test_the_commands_set_add_to_and_notify(headway_site: Site, tile: str) -> None:
    for arguments in (
        ("tile", tile, "40"),
        ("tile", "--add", tile, "2.5"),
        ("notify", tile, "done", "--level=warning"),
    ):
        ran = headway_site.cli(*arguments)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert value(headway_site, tile) == 42.5
    assert [one["level"] for one in notifications(headway_site, tile)] == ["warning"]


@pytest.mark.parametrize(
    ("arguments", "env", "code", "says"),
    [
        (("tile", "timestamp", "3"), {}, 1, "refused the tile timestamp"),
        (("tile", "users", "nan"), {}, 2, "invalid"),
        (("notify", "x", "--level", "loud"), {}, 2, "loud"),
        (("notify", "x"), {"HEADWAY_INGEST_TOKEN": "wrong"}, 1, "401"),
        (("tile", "users", "3", "--timeout=0.2"), {"HEADWAY_URL": "http://127.0.0.1:9"}, 1, "does not take"),
        (("tile", "users", "3"), {"HEADWAY_URL": ""}, 1, "HEADWAY_URL is not set"),
    ],
    ids=["refused", "no-number", "no-level", "no-right", "away", "no-site"],
)
def test_a_command_that_did_not_arrive_says_why_and_fails(
    headway_site: Site, arguments: tuple[str, ...], env: dict[str, str], code: int, says: str
) -> None:
    ran = headway_site.cli(*arguments, env=headway_site.environment() | env)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


# --- What waits


def test_of_a_tiles_words_only_what_they_come_to_waits() -> None:
    backlog = FigureBacklog("tiles")
    for kind, key, number in ((SET, "a", 3), (ADD, "b", 1), (ADD, "a", 2), (SET, "b", 9), (ADD, "b", 1)):
        backlog.add(Figure(kind, key, number))
    assert told(backlog.take()) == [(SET, "a", 5), (SET, "b", 10)]
    assert not backlog


def test_an_increment_that_may_have_counted_is_sent_again_as_it_was() -> None:
    backlog = FigureBacklog("tiles")
    for key in ("a", "b"):
        backlog.add(Figure(ADD, key, 1))
    taken = backlog.take()
    taken[0].once = "sent"
    for key in ("a", "b"):
        backlog.add(Figure(ADD, key, 5))
    backlog.restore(taken)
    assert told(backlog.take()) == [(ADD, "a", 1), (ADD, "a", 5), (ADD, "b", 6)]


def test_a_value_that_came_meanwhile_takes_the_place_of_what_could_not_be_sent() -> None:
    backlog = FigureBacklog("tiles")
    backlog.add(Figure(SET, "a", 1))
    backlog.add(Figure(NOTIFY, "n"))
    taken = backlog.take()
    backlog.add(Figure(SET, "a", 2))
    backlog.restore(taken)
    assert told(backlog.take()) == [(NOTIFY, "n", 0), (SET, "a", 2)]


def test_what_waits_is_bounded_and_the_oldest_goes_first() -> None:
    backlog = FigureBacklog("tiles", most=5)
    for number in range(8):
        backlog.add(Figure(SET, f"t{number}", number))
    assert [one.key for one in backlog.take()] == ["t3", "t4", "t5", "t6", "t7"]
    assert backlog.lost() == "3 tiles"
    wide = FigureBacklog("tiles")
    for number in range(BATCH + 3):
        wide.add(Figure(NOTIFY, str(number)))
    assert (len(wide.take()), len(wide.take())) == (BATCH, 3)


@given(st.lists(st.tuples(st.sampled_from([SET, ADD, "take", "fail"]), st.sampled_from("ab"), st.integers(1, 9))))
def test_whatever_fails_meanwhile_each_tile_comes_to_what_it_was_told(steps: list[Any]) -> None:
    backlog = FigureBacklog("tiles")
    wanted, shown = {"a": 0, "b": 0}, {"a": 0.0, "b": 0.0}
    for step, key, number in [*steps, ("take", "a", 1)]:
        if step == "fail":
            taken = backlog.take()
            for one in taken[:1]:
                one.once = "sent" if one.kind == ADD else None
            backlog.restore(taken)
        elif step == "take":
            for one in backlog.take():
                shown[one.key] = one.value if one.kind == SET else shown[one.key] + one.value
        else:
            wanted[key] = number if step == SET else wanted[key] + number
            backlog.add(Figure(step, key, number))
    assert shown == wanted
