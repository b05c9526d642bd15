"""Native work beside gevent's loop."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from core import native
from tests.serving import ROOT

UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sqlite3, gevent
from core import native
turns = []
def count():
    while True:
        turns.append(1); gevent.sleep(0.005)
gevent.spawn(count)
def reckon(bound):
    return sqlite3.connect(":memory:").execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT max(i) FROM n", [bound]
    ).fetchone()[0]
def fail(): raise ZeroDivisionError("expected")
many = [gevent.spawn(native.run, reckon, bound) for bound in [1_000_000] * 3 + [5] * 10]
gevent.joinall(many)
try: native.run(fail)
except ZeroDivisionError as fault: print(fault)
print([one.value for one in many] == [1_000_000] * 3 + [5] * 10, len(turns) > 5)
"""


KILLED_TWICE = """
from gevent import monkey; monkey.patch_all()
import gevent
from core import native
gate, begun = (monkey.get_original("_thread", "allocate_lock")() for _ in range(2))
gate.acquire(); begun.acquire()
def work(): begun.release(); gate.acquire()
asked = gevent.spawn(native.run, work)
while not begun.acquire(False): gevent.sleep(0.001)
for _ in range(3):
    asked.kill(block=False)
    gevent.sleep(0)
    print(asked.dead)
gate.release()
asked.join()
print(repr(asked.value))
"""


def test_other_greenlets_go_on_and_errors_come_back_quietly() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("expected\nTrue True\n", "")


def test_who_is_killed_again_and_again_leaves_when_the_work_is_done() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_TWICE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n" * 3 + "GreenletExit()\n", "")


def test_without_gevent_it_is_done_right_here() -> None:
    assert native.run(threading.get_ident) == threading.get_ident()
    with pytest.raises(KeyError):
        native.run({}.__getitem__, "a")
