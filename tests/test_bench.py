"""The benches' own parts: what a row promises, and a client that counts right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from bench import rows
from bench.load import Connection, measure, request
from bench.rows import Row
from tests.conftest import TOKEN
from tests.serving import ROOT, Server


def ask(path: str, **headers: str) -> bytes:
    return request("GET", path, Authorization=f"Bearer {TOKEN}", **headers)


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


def test_the_client_reads_whole_answers_one_after_another_on_one_connection(server: Callable[..., Server]) -> None:
    site = server()
    tag = site.get("/dashboard/api/recent-uploads-html").headers["ETag"]
    with Connection(site.port) as connection:
        status, body = connection.ask(ask("/dashboard/observability"))
        assert (status, body.rstrip()[-7:]) == (200, b"</html>")
        assert connection.ask(ask("/healthz"))[0] == 200
        assert connection.ask(ask("/dashboard/api/recent-uploads-html", If_None_Match=tag)) == (304, b"")
        assert connection.ask(ask("/nowhere"))[0] == 404


def test_a_round_of_load_counts_each_answer(server: Callable[..., Server]) -> None:
    site = server()
    found = measure(site.port, ask("/healthz"), seconds=0.5, connections=3)
    assert set(found.statuses) == {"200"}
    assert found.per_second > 0
    assert 0 < found.p50_ms <= found.p99_ms
    text = site.get("/metrics?scope=instance").text
    counted = next(line for line in text.splitlines() if 'route="/healthz"' in line and "requests_total" in line)
    assert float(counted.split()[-1]) >= found.statuses["200"]


def test_a_bench_that_does_not_exist_is_refused_with_those_that_do() -> None:
    asked = subprocess.run([sys.executable, "-m", "bench.run", "nope"], cwd=ROOT, capture_output=True, text=True)
    assert asked.returncode == 2
    assert "there is no bench nope" in asked.stderr
    assert "scale" in asked.stderr
