"""The benches' own parts: what a row promises, and a client that counts right."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from bench import logs, processes, replays, rows, stream_load
from bench.load import Connection, measure, request
from bench.processes import Web
from bench.rows import Row
from bench.stream_load import Plan
from tests.conftest import free_port, run_async
from tests.serving import ROOT, Server


def ask(path: str, **headers: str) -> bytes:
    return request("GET", path, Authorization=f"Bearer {processes.TOKEN}", **headers)


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    """One that knows the benches' token."""
    one = Server(free_port(), processes.TOKEN)
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (rows.at_most_times("a", 1.3, "ms", "b", 1.0, 1.3), True),
        (rows.at_most_times("a", 1.31, "ms", "b", 1.0, 1.3), False),
        (rows.at_least_times("a", 59, "/s", "b", 100, 0.6), False),
        (rows.at_most("a", 121, "MB", 120), False),
        (rows.at_least("a", 25_000, "/s", 25_000), True),
    ],
)
def test_a_row_holds_up_to_its_limit_and_not_past_it(row: Row, holds: bool) -> None:
    assert row.holds is holds
    assert ("MISSED" in rows.table([row])) is not holds


def test_a_figure_that_stands_beside_another_shows_their_ratio() -> None:
    assert "0.50 ×" in rows.table([Row("ours", 2, "ms", "theirs", 4)])


def test_the_client_reads_whole_answers_one_after_another_on_one_connection(site: Server) -> None:
    tag = site.get("/dashboard/api/recent-uploads-html").headers["ETag"]
    with Connection(site.port) as connection:
        status, body = connection.ask(ask("/dashboard/observability"))
        assert (status, body.rstrip()[-7:]) == (200, b"</html>")
        assert connection.ask(ask("/healthz"))[0] == 200
        assert connection.ask(ask("/dashboard/api/recent-uploads-html", If_None_Match=tag)) == (304, b"")
        assert connection.ask(ask("/nowhere"))[0] == 404


def test_a_round_of_load_counts_each_answer(site: Server) -> None:
    def counted() -> float:
        lines = site.get("/metrics?scope=instance").text.splitlines()
        return float(
            next(line for line in lines if 'route="/healthz"' in line and "requests_total" in line).split()[-1]
        )

    before = counted()
    found = measure(site.port, ask("/healthz"), seconds=0.5, connections=3)
    assert set(found.statuses) == {"200"}
    assert found.per_second > 0
    assert 0 < found.p50_ms <= found.p99_ms
    assert counted() - before >= found.statuses["200"]


def test_a_bench_that_does_not_exist_is_refused_with_those_that_do() -> None:
    asked = subprocess.run([sys.executable, "-m", "bench.run", "nope"], cwd=ROOT, capture_output=True, text=True)
    assert asked.returncode == 2
    assert "there is no bench nope" in asked.stderr
    assert "scale" in asked.stderr


@pytest.fixture
def streams(site: Server) -> Web:
    return Web(site.port, site.pid)


@pytest.mark.parametrize("plan", [{}, {"socketio": True}, {"rate": 0, "look_every_s": 0.05}, {"silent": 1}])
def test_a_load_of_streams_finds_every_event_at_every_client(
    streams: Web, monkeypatch: pytest.MonkeyPatch, plan: dict[str, float]
) -> None:
    found = loaded(streams, monkeypatch, **plan)
    assert 0 < found.p50_ms <= found.p99_ms


def test_the_bare_writer_of_streams_answers_the_same_load(monkeypatch: pytest.MonkeyPatch) -> None:
    with processes.bare_streams() as bare:
        assert bare.workers() == [psutil.Process(bare.pid)]
        loaded(bare, monkeypatch)


def loaded(web: Web, monkeypatch: pytest.MonkeyPatch, **plan: float) -> stream_load.Arrivals:
    monkeypatch.setattr(stream_load, "SETTLE_S", 0)
    pids = [worker.pid for worker in web.workers()]
    asked = Plan(web.port, 3, pids=pids, **({"rate": 50, "seconds": 0.1} | plan))  # type: ignore[arg-type]
    found = run_async(stream_load.run(asked))
    assert found.published >= 1
    assert (found.refused, found.delivered_percent) == (0, 100)
    return found


def test_clients_that_come_back_are_seen_to_have_all_that_they_missed(
    streams: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "CLIENTS", 3)
    monkeypatch.setattr(replays, "MISSED", 5)
    found = run_async(replays.come_back(streams.port, replays._miss(streams)))
    assert (found["opened"], found["whole"]) == (3, 3)
    assert found["began_at"] < found["ended_at"]


def test_a_sender_of_log_lines_counts_what_was_accepted(streams: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "RATE", 1_000)
    monkeypatch.setattr(logs, "BATCH", 20)
    sent = logs.send(streams.port, 0.1)
    with Connection(streams.port) as connection:
        status, body = connection.ask(request("GET", "/api/v1/logs?format=text"))
    assert (status, body.count(b"\n")) == (200, sent["accepted"]) == (200, 55 * 20)
    assert sent["took_s"] > 0 and sent["most"] > 0


def test_a_bench_that_may_not_open_enough_files_says_how_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 20))
    with pytest.raises(SystemExit, match="may have 20: ulimit -Hn 21"):
        processes.allow_open_files(21)
