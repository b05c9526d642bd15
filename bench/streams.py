"""Open streams: what reaches how many clients how soon and at what cost, beside flask-sse and a bare writer of sockets.

Everything runs on the same cores: the web process, Valkey, and who opens the streams and publishes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import median

from bench import arrivals, replays
from bench.processes import Web, allow_open_files, bare_streams, flask_sse, headway, valkey
from bench.rows import Row, at_least, at_most, at_most_times
from bench.stream_load import Arrivals, Plan, stream_load

FILES = 12_000
ROUNDS = 3
SLOW = 10
LOOK_EVERY_S = 0.25

BARE, FLASK_SSE = "bare asyncio writer", "flask-sse"


def run() -> list[Row]:
    allow_open_files(FILES)
    return [*_thousand(), *_ten_thousand(), *arrivals.run(), *replays.run(), *_slow(), *_second_process(), *_room()]


def _thousand() -> list[Row]:
    what = "1,000 streams × 20 events a second"
    with valkey() as url, headway(url) as site, bare_streams() as bare:
        ours, writer = _in_turns(ROUNDS, lambda: _load(site, 1000, 20), lambda: _load(bare, 1000, 20))
    with valkey() as url, flask_sse(url) as web:
        theirs = _load(web, 1000, 20)
    p99, kib, delivered = _middle(ours, "p99_ms"), _most(ours, "kib_per_client"), _least(ours, "delivered_percent")
    return [
        at_least(f"{what}, delivered", delivered, "%", 100, FLASK_SSE, theirs.delivered_percent),
        at_most(f"{what}, 99th percentile", p99, "ms", 30, BARE, _middle(writer, "p99_ms")),
        Row(f"{what}, 99th percentile", p99, "ms", FLASK_SSE, theirs.p99_ms),
        at_most(f"{what}, memory a client", kib, "KiB", 4, FLASK_SSE, theirs.kib_per_client),
        Row(f"{what}, memory a client", kib, "KiB", BARE, _most(writer, "kib_per_client")),
        at_most_times(
            f"{what}, CPU of the web process", _middle(ours, "cpu_s"), "s", BARE, _middle(writer, "cpu_s"), 1.5
        ),
    ]


def _ten_thousand() -> list[Row]:
    what = "10,000 streams × 2 events a second"
    with valkey() as url, headway(url) as site, bare_streams() as bare:
        writer = [_load(bare, 10_000, 2)]
        (ours,) = _in_turns(ROUNDS, lambda: _load(site, 10_000, 2))
    return [
        at_least(f"{what}, delivered", _least(ours, "delivered_percent"), "%", 100),
        at_most(f"{what}, 99th percentile", _middle(ours, "p99_ms"), "ms", 200, BARE, _middle(writer, "p99_ms")),
        Row(f"{what}, memory a client", _most(ours, "kib_per_client"), "KiB", BARE, _most(writer, "kib_per_client")),
    ]


def _slow() -> list[Row]:
    """The same flood comes first in each round; after it those that read nothing are behind for good."""
    what = "500 streams × 20 events a second"
    with valkey() as url, headway(url) as site:
        without, beside = _in_turns(
            ROUNDS,
            lambda: _load(site, 500, 20, seconds=2, silent=0),
            lambda: _load(site, 500, 20, seconds=2, silent=SLOW),
        )
    return [
        at_least(f"{what}, delivered beside {SLOW} that read nothing", _least(beside, "delivered_percent"), "%", 100),
        at_most_times(
            f"{what}, 99th percentile beside {SLOW} that read nothing",
            _middle(beside, "p99_ms"),
            "ms",
            "without them",
            _middle(without, "p99_ms"),
            2,
        ),
        at_most(
            f"growth of the web process by 500 streams and {SLOW} that read nothing",
            _most(beside, "growth_mb"),
            "MB",
            40,
            "without them",
            _most(without, "growth_mb"),
        ),
    ]


def _second_process() -> list[Row]:
    """The same load, then as much as four senders can make. In that clients read seldom, so they cost little themselves;
    still they and Valkey take from the cores that the second process would have."""

    def steady(site: Web) -> Arrivals:
        return _load(site, 1000, 40, seconds=2)

    def saturated(site: Web) -> Arrivals:
        return _load(site, 1000, 0, seconds=2, senders=4, look_every_s=LOOK_EVERY_S)

    with valkey() as url, headway(url) as one, valkey() as other, headway(other, WEB_CONCURRENCY="2") as two:
        single, double = _in_turns(2, lambda: steady(one), lambda: steady(two))
        most_single, most_double = _in_turns(ROUNDS, lambda: saturated(one), lambda: saturated(two))
    what = "1,000 streams × 40 events a second on 2 web processes"
    return [
        at_least(f"{what}, delivered", _least([*double, *most_double], "delivered_percent"), "%", 100),
        at_most_times(
            f"{what}, CPU of the busier one",
            _middle(double, "busiest_s"),
            "s",
            "1 web process",
            _middle(single, "busiest_s"),
            0.9,
        ),
        Row(
            f"events delivered at most by 2 web processes, on {os.cpu_count()} cores with Valkey and the clients",
            _middle(most_double, "per_second"),
            "/s",
            "1 web process",
            _middle(most_single, "per_second"),
        ),
    ]


def _room() -> list[Row]:
    what = "500 clients of Socket.IO in a room × 10 events a second"
    with valkey() as url, headway(url) as site:
        found = _load(site, 500, 10, socketio=True)
    return [
        Row(f"{what}, delivered", found.delivered_percent, "%"),
        Row(f"{what}, 99th percentile", found.p99_ms, "ms"),
        Row(f"{what}, memory a client", found.kib_per_client, "KiB"),
    ]


def _load(web: Web, clients: int, rate: float, **more: bool | float) -> Arrivals:
    plan = Plan(web.port, clients, rate, pids=[worker.pid for worker in web.workers()], **more)  # type: ignore[arg-type]
    found = stream_load(plan)
    assert not found.refused, f"{found.refused} requests or streams were refused: {plan}"
    return found


def _in_turns(rounds: int, *loads: Callable[[], Arrivals]) -> list[list[Arrivals]]:
    """In turns, so that what else the machine does weighs on all of them."""
    found: list[list[Arrivals]] = [[] for _ in loads]
    for _ in range(rounds):
        for at, load in enumerate(loads):
            found[at].append(load())
    return found


def _middle(rounds: list[Arrivals], name: str) -> float:
    return float(median(getattr(one, name) for one in rounds))


def _most(rounds: list[Arrivals], name: str) -> float:
    """The largest: memory that one round took is there for the next one to use."""
    return float(max(getattr(one, name) for one in rounds))


def _least(rounds: list[Arrivals], name: str) -> float:
    return float(min(getattr(one, name) for one in rounds))
