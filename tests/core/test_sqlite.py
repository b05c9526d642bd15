"""A file of SQLite: whatever waits for it, gevent's loop goes on, and nobody waits to connect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core import sqlite
from tests.serving import ROOT

TURNING = """
from gevent import monkey; monkey.patch_all()
import os, sqlite3, sys, time
from pathlib import Path
import gevent
from gevent.monkey import get_original
from core import sqlite
folder, select = Path(sys.argv[1]), get_original("select", "select")
sqlite.BUSY_S = 1.0
turns = 0
def turn():
    global turns
    while True:
        turns += 1; gevent.sleep(0.001)
gevent.spawn(turn)
def tell(call, wait, release):
    '''Begins a call that waits, lets go once the loop turned meanwhile, and says so where it did not.'''
    began = turns
    def let_go():
        while turns < began + 10: gevent.sleep(0.001)
        release()
    releasing = gevent.spawn(let_go)
    try: call()
    except sqlite3.Error as fault: print(wait, "failed:", fault)
    if turns < began + 10: print(wait, "stopped the loop")
    releasing.join()
"""

LOCKED = """
def journal(mode):
    path = folder / f"{mode}.sqlite3"
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    file.execute(f"PRAGMA journal_mode = {mode}")
    file.execute("CREATE TABLE IF NOT EXISTS t (n)")
    return path, file
def opened(path):
    return sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False, factory=sqlite.Connection)
def leave(connection):
    connection.cursor().execute("BEGIN").execute("INSERT INTO t VALUES (1)")
def within(connection):
    leave(connection)
    return lambda: connection.__exit__(None, None, None)
def commit(connection):
    leave(connection)
    return connection.commit
def back_up(connection):
    target = sqlite3.connect(":memory:", check_same_thread=False)
    return lambda: connection.backup(target, sleep=0.01)
one = "INSERT INTO t VALUES (1)"
FOR_A_WRITER = {
    "cursor.execute": lambda c: lambda: c.cursor().execute(one),
    "cursor.executemany": lambda c: lambda: c.cursor().executemany("INSERT INTO t VALUES (?)", [(1,)]),
    "cursor.executescript": lambda c: lambda: c.cursor().executescript(one),
    "execute": lambda c: lambda: c.execute(one),
    "executemany": lambda c: lambda: c.executemany("INSERT INTO t VALUES (?)", [(1,)]),
    "executescript": lambda c: lambda: c.executescript(one),
}
FOR_A_READER = {"commit": commit, "with": within}
path, holder = journal("WAL")
for name, prepare in FOR_A_WRITER.items():
    connection = opened(path)
    holder.execute("BEGIN IMMEDIATE")
    tell(prepare(connection), name, holder.rollback)
    connection.close()
path, holder = journal("DELETE")
for name, prepare in FOR_A_READER.items():
    connection = opened(path)
    holder.execute("BEGIN"); holder.execute("SELECT * FROM t").fetchall()
    tell(prepare(connection), name, holder.rollback)
    connection.close()
connection = opened(path)
holder.execute("BEGIN EXCLUSIVE")
tell(back_up(connection), "backup", holder.rollback)
new = folder / "new.sqlite3"
holder = sqlite3.connect(new, isolation_level=None)
holder.execute("BEGIN EXCLUSIVE")
tell(lambda: sqlite.connect(new), "connect", holder.rollback)
"""

WORKING = """
connection = sqlite.connect(folder / "a.sqlite3")
out, into = os.pipe()
waiting = []
def wait():
    waiting.append(1)
    if select([out], [], [], 1.0)[0]: os.read(out, 1)
    return 1
connection.create_function("wait", 0, wait)
let_go = lambda: os.write(into, b"x")
# The first row is there, the second waits.
SECOND = "SELECT CASE value WHEN 1 THEN 0 ELSE wait() END FROM json_each('[1, 2]')"
for name in "fetchone", "fetchmany", "fetchall", "__next__":
    cursor = connection.execute(SECOND)
    tell(getattr(cursor, name), name, let_go)
    cursor.close()
# Whoever is killed closes the connection, at which its thread must not be at work any more.
waiting.clear()
killed = gevent.spawn(connection.execute, "SELECT wait()")
while not waiting: gevent.sleep(0.001)
tell(killed.kill, "kill", let_go)
connection.close()
"""


@pytest.mark.parametrize("waits", [LOCKED, WORKING], ids=["for a lock", "for what it does"])
def test_the_loop_goes_on_whatever_waits(waits: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TURNING + waits, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_to_connect_waits_for_nobody_who_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "archive.sqlite3"
    first = sqlite.connect(path)
    first.execute("BEGIN IMMEDIATE").execute("CREATE TABLE t (n)")
    monkeypatch.setattr(sqlite, "BUSY_S", 0.0)
    second = sqlite.connect(path)
    assert second.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    first.rollback()
    for connection in (first, second):
        modes = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("auto_vacuum", "journal_mode")]
        assert modes == [2, "wal"]
        connection.close()
