"""The stream in a terminal: scripts/watch_stream.py, run as a user runs it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.node import Program
from tests.serving import ROOT, Server

Watch = Callable[..., Program]


@pytest.fixture(scope="module")
def headway() -> Iterator[Server]:
    server = Server(free_port(), TOKEN)
    try:
        yield server.start()
        server.kill()
    finally:
        server.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts the script on a site: `watch(site, "17", "--json")`."""
    begun: list[Program] = []

    def begin(site: Server, *arguments: str, token: str = TOKEN) -> Program:
        script = str(ROOT / "scripts" / "watch_stream.py")
        env = {"HEADWAY_URL": site.url, "HEADWAY_TOKEN": token}
        begun.append(Program("watch_stream.py", [sys.executable, script, *arguments], env))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def create(site: Server, **fields: Any) -> int:
    return int(site.post("/api/v1/queue", json=fields).json()["queue_id"])


def report(site: Server, number: int, **fields: Any) -> None:
    assert site.put(f"/api/v1/queue/{number}", json=fields).status == 200


def test_one_job_is_followed_to_its_end_in_words(headway: Server, watch: Watch) -> None:
    number = create(headway, id="export-1", agent="studio")
    watcher = watch(headway, "export-1", "--agent", "studio")
    assert watcher.line().endswith(f"  #{number:<6} · queued         0 %")
    report(headway, number, current_step="encode", progress=12.5, message="\x1b[2Jframe\n8")
    assert watcher.line().endswith("▸ processing  12.5 %  encode   [2Jframe 8")
    report(headway, number, status="failed", error="no such file")
    assert watcher.line().endswith("✗ failed      12.5 %  encode  no such file")
    assert watcher.finish(code=1) == []
    assert watcher.errors()[10:] == "connected"


def test_what_the_site_refuses_is_said_and_ends_it(headway: Server, watch: Watch) -> None:
    for arguments, token, why in ((("999999",), TOKEN, "999999"), ((), "wrong", "token")):
        watcher = watch(headway, *arguments, token=token)
        assert watcher.finish(code=2) == []
        assert why in watcher.errors()


def test_it_goes_on_where_it_stopped_when_the_site_is_back(
    own_valkey: Callable[..., Valkey], server: Callable[..., Server], watch: Watch
) -> None:
    site = server({"REDIS_URL": own_valkey().url, "HEADWAY_AUTH": "off"})
    number = create(site)
    watcher = watch(site, str(number), "--json", token="")
    assert watcher.value()["progress"] == 0
    site.kill()
    wait_until(lambda: "trying again" in watcher.errors(), what="the loss")
    site.start()
    report(site, number, progress=50)
    report(site, number, status="completed")
    assert [watcher.value()["progress"], watcher.value()["progress"]] == [50, 100]
    assert watcher.finish() == []
    site.kill()


def test_figures_notifications_and_log_lines_are_shown_in_words_and_as_json(headway: Server, watch: Watch) -> None:
    assert headway.put("/api/v1/tiles/requests.total", json={"value": 41_000}).status == 200
    watcher, as_json = watch(headway, "--stats"), watch(headway, "--stats", "--json")
    assert watcher.line()[10:] == "requests.total 41,000  notifications.sent 0  notifications.pending 0"
    assert as_json.value()["requests"]["total"] == 41_000
    headway.post("/api/v1/notifications", json={"title": "All\x1b[2J in", "body": "of them", "level": "success"})
    assert watcher.line()[10:] == "! success  All [2J in: of them"
    assert as_json.value()["notification"]["title"] == "All\x1b[2J in"
    headway.post("/api/v1/logs", json={"message": "two\nlines", "source": "shop", "level": "error"})

    said = next(line for line in iter(watcher.line, "") if "│" in line)
    assert (said[10:], watcher.line()) == ("│ error    shop: two", "lines")
    for one in (watcher, as_json):
        one.process.send_signal(signal.SIGINT)
        one.finish()


def test_figures_go_with_no_job(headway: Server, watch: Watch) -> None:
    watcher = watch(headway, "17", "--stats")
    assert watcher.finish(code=2) == []
    assert "--stats goes with no job" in watcher.errors()


def test_an_interrupt_ends_it_quietly(headway: Server, watch: Watch) -> None:
    watcher = watch(headway)
    wait_until(watcher.errors, what="the connection")
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.finish() == []
    assert watcher.errors()[10:] == "connected"
