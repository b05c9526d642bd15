"""What is kept of unusual spans: bounded in number, and read a few at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import pytest
from flask import Flask

from core.site import Site
from panels import PANELS, Board, Choice, View
from panels._others import Busy, Others
from services.windows import Window
from tests.conftest import wait_until
from tests.panels.boards import NOON, at_noon

NAME = "processing-time"


@dataclass(frozen=True)
class Figures:
    agent: str | None
    start: int


class Source:
    """Data of a windowed panel, told what it was asked for, and held up where it should be."""

    def __init__(self) -> None:
        self.asked: list[View] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, site: Site, view: View) -> Figures:
        self.asked.append(view)
        self.gate.wait(20)
        return Figures(view.agent, view.window.start)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def board(app: Flask, site: Site, source: Source) -> Board:
    panel = replace(PANELS[NAME], data=source)
    plain = replace(PANELS["success-rate"], data=source)
    return Board(at_noon(site), app.jinja_env, {NAME: panel, "success-rate": plain})


@pytest.fixture(autouse=True)
def bare_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures here are no chart's, so nothing is drawn of them."""
    monkeypatch.setattr("panels._board._Slot._render", lambda *_, **__: b"<p>drawn</p>")


def span(hours_ago: int) -> Choice:
    return Choice(Window(int(NOON) - 3600 * hours_ago, 60, 60))


def test_those_asked_for_longest_ago_go_and_memory_stays_bounded() -> None:
    others = Others[str](most=3)
    for part in ("a", "b", "c"):
        others.get(part, part.upper)
    assert others.get("a", lambda: "anew") == "A"
    others.get("d", lambda: "D")
    assert len(others) == 3
    assert others.get("b", lambda: "anew") == "anew"
    assert others.get("a", lambda: "anew") == "A"


def test_however_many_spans_are_asked_for_the_board_keeps_a_bounded_number(board: Board) -> None:
    for hours_ago in range(2, 402):
        board.show(board.panels[NAME], span(hours_ago))
    assert len(board.others) == 160


def test_a_span_is_read_once_for_all_who_ask_within_a_minute(board: Board, source: Source) -> None:
    first = board.show(board.panels[NAME], span(30))
    assert board.show(board.panels[NAME], span(30)) is first
    assert first.resting
    assert len(source.asked) == 1
    assert not board.show(board.panels[NAME], Choice()).resting


def test_an_agent_matters_only_to_panels_that_are_by_agent(board: Board, source: Source) -> None:
    chosen = Choice("6h", "day", "studio")
    shown = [board.show(panel, chosen) for panel in board.panels.values()]
    assert {view.agent for view in source.asked} == {"studio", None}
    assert (
        board.show(board.panels["success-rate"], Choice("6h", "day")) is shown[list(board.panels).index("success-rate")]
    )


def test_those_who_ask_for_many_spans_hold_up_neither_the_usual_ranges_nor_each_other_for_long(
    board: Board, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panels._others.PATIENCE_S", 0.05)
    source.gate.clear()
    panel = board.panels[NAME]
    readers = [threading.Thread(target=board.show, args=(panel, span(at))) for at in range(2, 10)]
    for reader in readers:
        reader.start()
    wait_until(lambda: len(source.asked) == 8, what="eight readings at once")
    refused = board.show(panel, span(20)).unavailable
    assert refused is not None
    assert "many other spans of time are being read" in refused.reason
    assert not refused.of_store
    usual = threading.Thread(target=board.show, args=(panel, Choice("6h")))
    usual.start()
    wait_until(lambda: len(source.asked) == 9, what="the usual range's reading")
    source.gate.set()
    for one in (*readers, usual):
        one.join(20)
    board.show(panel, span(20))


def test_a_turn_is_given_back_when_its_reading_fails() -> None:
    others = Others[str](at_once=1)
    with pytest.raises(ZeroDivisionError), others.turn():
        raise ZeroDivisionError
    with others.turn():
        pass


def test_without_a_turn_in_time_it_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panels._others.PATIENCE_S", 0.01)
    others = Others[str](at_once=1)
    with others.turn(), pytest.raises(Busy), others.turn():
        pass
