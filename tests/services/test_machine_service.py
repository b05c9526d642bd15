"""How busy the machine is: figures of this very machine, and of one that does not tell."""

from __future__ import annotations

import threading
from collections import namedtuple

import psutil
import pytest

from services import machine_service
from services.machine_service import Load, Machine

Times = namedtuple("Times", "user system idle iowait guest")


def test_it_tells_of_this_machine() -> None:
    load = Machine().load()
    assert load.cpu_percent is not None and 0 <= load.cpu_percent <= 100
    assert load.memory_percent is not None and 0 < load.memory_percent <= 100
    assert load.load1 is not None and load.load1 >= 0


def test_the_processor_is_busy_with_what_is_neither_idle_nor_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([Times(100, 50, 800, 50, 40), Times(103, 51, 805, 51, 42), Times(103, 51, 815, 51, 42)])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(spent))
    machine = Machine()
    told = [machine.load().cpu_percent]
    thread = threading.Thread(target=lambda: told.append(machine.load().cpu_percent))
    thread.start()
    thread.join()
    assert told == [40.0, 0.0]  # 4 of 10 seconds: the guest's 2 are among the user's 3


def test_after_a_long_silence_it_looks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([Times(0, 0, 0, 0, 0), Times(0, 0, 9, 0, 0), Times(90, 0, 9, 0, 0), Times(91, 0, 10, 0, 0)])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(spent))
    monkeypatch.setattr(machine_service, "RECENT_S", 0.0)
    machine = Machine()
    assert [machine.load().cpu_percent, machine.load().cpu_percent] == [0.0, 50.0]


def test_what_a_machine_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> float:
        raise OSError("no /proc here")

    for place in ("psutil.cpu_times", "psutil.virtual_memory", "os.getloadavg"):
        monkeypatch.setattr(place, refused)
    assert Machine().load() == Load(None, None, None)
