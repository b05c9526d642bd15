"""The board: one reading a second however many ask, one rendering a change, and failures that stay on their panel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import redis
from flask import Flask

from core.site import Site
from core.store import Store
from panels import PANELS, Board, Panel
from tests.conftest import Valkey, wait_until
from tests.panels.boards import NOON, Parts, at_noon

NAME = "cache-hit-rate"


@dataclass(frozen=True)
class Figures:
    hit_rate: float | None = 50.0
    hits: int = 1
    misses: int = 1


class Source:
    """A panel's data that counts how often it is read, and can be made to fail or to dawdle."""

    def __init__(self) -> None:
        self.reads = 0
        self.answer: Any = Figures()
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, site: Site) -> Any:
        self.reads += 1
        self.gate.wait(20)
        if self.error:
            raise self.error
        return self.answer


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def board(app: Flask, site: Site, source: Source) -> Board:
    return Board(at_noon(site), app.jinja_env, {NAME: replace(PANELS[NAME], data=source)})


@pytest.fixture
def no_freshness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every poll reads."""
    monkeypatch.setattr("panels._board.FRESH_S", 0.0)


def test_however_many_ask_within_a_second_a_panel_is_read_once(board: Board, source: Source) -> None:
    source.gate.clear()
    shown: list[Any] = []
    threads = [threading.Thread(target=lambda: shown.append(board.poll(NAME))) for _ in range(40)]
    for thread in threads:
        thread.start()
    wait_until(lambda: source.reads == 1, what="the first reading")
    source.gate.set()
    for thread in threads:
        thread.join(20)
    assert len(shown) == 40
    assert source.reads == 1
    assert all(one is shown[0] for one in shown)


def test_after_a_second_it_is_read_again(board: Board, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("panels._board.time.monotonic", lambda: now[0])
    board.poll(NAME)
    now[0] += 0.99
    board.poll(NAME)
    assert source.reads == 1
    now[0] += 0.02
    board.poll(NAME)
    assert source.reads == 2


@pytest.mark.usefixtures("no_freshness")
def test_what_did_not_change_is_not_rendered_again(board: Board, source: Source) -> None:
    first, second = board.poll(NAME), board.poll(NAME)
    assert source.reads == 2
    assert second.html is first.html
    source.answer = Figures(hits=2)
    third = board.poll(NAME)
    assert third.html_etag != first.html_etag
    assert third.json_etag != first.json_etag


@pytest.mark.usefixtures("no_freshness")
def test_the_tags_ignore_when_it_was_read_and_nothing_else(app: Flask, site: Site, source: Source) -> None:
    moment = [NOON]
    board = Board(replace(site, clock=lambda: moment[0]), app.jinja_env, {NAME: replace(PANELS[NAME], data=source)})
    first = board.poll(NAME)
    moment[0] += 3600
    second = board.poll(NAME)
    assert second.json != first.json  # its timestamp moved on
    assert (second.json_etag, second.html_etag) == (first.json_etag, first.html_etag)


def test_two_processes_that_show_the_same_give_the_same_tags(app: Flask, site: Site, source: Source) -> None:
    panels = {NAME: replace(PANELS[NAME], data=source)}
    one, other = (Board(at_noon(site), app.jinja_env, panels).poll(NAME) for _ in range(2))
    assert (one.json_etag, one.html_etag) == (other.json_etag, other.html_etag)


@pytest.mark.usefixtures("no_freshness")
def test_an_unexpected_error_takes_down_one_panel_and_says_since_when(board: Board, source: Source) -> None:
    source.error = ZeroDivisionError("secret")
    state = board.poll(NAME).unavailable
    assert state is not None
    assert "ZeroDivisionError" in state.reason
    assert "secret" not in board.poll(NAME).html.decode()
    assert (state.since, state.good_at, state.of_store) == (NOON, None, False)


@pytest.mark.usefixtures("no_freshness")
def test_in_tests_an_unexpected_error_surfaces(board: Board, source: Source) -> None:
    board.raises = True
    source.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        board.poll(NAME)


@pytest.mark.usefixtures("no_freshness")
def test_an_unavailable_panel_keeps_its_last_good_reading_and_comes_back(board: Board, source: Source) -> None:
    source.answer = Figures(hits=4812)
    board.poll(NAME)
    source.error = redis.ConnectionError("Error 111 connecting to secret-host:6379")
    shown = board.poll(NAME)
    text = Parts(shown.html.decode()).text
    assert "Unavailable , because the store can't be reached. Since" in text
    assert "tried again every 5 s" in text
    assert "last good reading" in text
    assert "4,812" in text
    assert "secret-host" not in text
    assert shown.unavailable is not None
    assert shown.unavailable.of_store
    source.error = None
    again = board.poll(NAME)
    assert again.unavailable is None
    assert "Unavailable" not in again.html.decode()


@pytest.mark.usefixtures("no_freshness")
def test_since_when_is_the_first_failure_in_a_row(app: Flask, site: Site, source: Source) -> None:
    moment = [NOON]
    board = Board(replace(site, clock=lambda: moment[0]), app.jinja_env, {NAME: replace(PANELS[NAME], data=source)})
    board.poll(NAME)
    source.error = redis.TimeoutError()
    for _ in range(3):
        moment[0] += 5
        state = board.poll(NAME).unavailable
    assert state is not None
    assert (state.good_at, state.since) == (NOON, NOON + 5)


def test_a_slow_store_is_waited_for_once_by_the_page_not_once_a_panel(app: Flask, site: Site) -> None:
    together = threading.Barrier(6, timeout=20)

    def data(_: Site) -> Figures:
        together.wait()  # passes only when all six are being read at once
        raise redis.TimeoutError

    panels = {name: Panel(name, title="x", every=5, data=data) for name in "abcdef"}
    board = Board(site, app.jinja_env, panels)
    board.raises = True
    shown = board.page()
    assert [panel.name for panel, _ in shown] == list(panels)
    assert all(one.unavailable for _, one in shown)


def test_the_page_does_not_wait_for_a_slow_panel_and_shows_that_it_is_awaited(
    board: Board, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panels._board.PATIENCE_S", 0.05)
    source.gate.clear()
    ((_, awaited),) = board.page()
    assert awaited.awaited
    assert 'class="skeleton"' in awaited.html.decode()
    source.gate.set()
    wait_until(lambda: not board.page()[0][1].awaited, what="the reading")
    assert source.reads == 1


@pytest.mark.usefixtures("no_freshness")
def test_a_slow_panel_shows_its_earlier_reading_meanwhile(
    board: Board, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = board.poll(NAME)
    monkeypatch.setattr("panels._board.PATIENCE_S", 0.05)
    source.gate.clear()
    assert board.page()[0][1] is first
    source.gate.set()


NEEDS_NO_STORE = {"metrics", "cache-hit-rate", "health"}


@pytest.mark.parametrize("name", [name for name in PANELS if name not in NEEDS_NO_STORE])
@pytest.mark.usefixtures("no_freshness")
def test_every_panel_says_why_when_the_store_is_away(
    app: Flask, site: Site, own_valkey: Callable[..., Valkey], name: str
) -> None:
    other_store = own_valkey()
    store = Store(other_store.url)
    board = Board(replace(site, store=store), app.jinja_env, {name: PANELS[name]})
    board.raises = True
    assert board.poll(name).unavailable is None
    other_store.stop()
    shown = board.poll(name)
    assert shown.unavailable is not None
    assert shown.unavailable.reason == "the store can't be reached"
    other_store.start()
    wait_until(lambda: board.poll(name).unavailable is None, what="the panel's return")
    store.close()


def test_a_reading_tells_when_it_was_taken_and_how_long_it_took(board: Board) -> None:
    start = time.perf_counter()
    shown = board.poll(NAME)
    assert shown.taken_at == NOON
    assert 0 <= shown.took_s <= time.perf_counter() - start
