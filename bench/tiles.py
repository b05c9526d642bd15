"""Tiles: how fast values are pushed beside a job's updates, and that one snapshot serves all who listen to /sse/stats."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from contextlib import suppress
from statistics import median

from bench.load import Connection, load, request
from bench.processes import Web, allow_open_files, headway, loop_factory, valkey
from bench.rows import Row, at_least, at_least_times, at_most_times

CONNECTIONS, SECONDS, ROUNDS = 8, 1.5, 5
PUSHED = 40
CLIENTS, TICKS = 2_000, 4
FILES = 3_000
TICK = re.compile(rb'^data: \{.*"timestamp":"([^"]+)"\}$', re.M)
READINGS = re.compile(r'^headway_stream_readings_total\{stream="stats"\} ([0-9.]+)$', re.M)


def run() -> list[Row]:
    allow_open_files(FILES)
    with valkey() as url, headway(url) as site:
        return [*_pushes(site), *asyncio.Runner(loop_factory=loop_factory()).run(_streams(site))]


def _pushes(site: Web) -> list[Row]:
    """Each in its turn, so that what else the machine does falls on all of them."""
    status, item = _ask(site, "POST", "/api/v1/queue", {"title": "measured"})
    assert status == 201, item
    calls = {
        "queue": _message("PUT", f"/api/v1/queue/{item['queue_id']}", {"progress": 42, "message": "part 3"}),
        "put": _message("PUT", "/api/v1/tiles/users", {"value": 42}),
        "increment": _message("POST", "/api/v1/tiles/requests.total/increment", {"by": 1}),
        "undeclared": _message("PUT", f"/api/v1/tiles/pushed.t{PUSHED - 1}", {"value": 42}),
    }
    for number in range(PUSHED):
        status, said = _ask(site, "PUT", f"/api/v1/tiles/pushed.t{number}", {"value": number})
        assert status == 200, said
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, message in calls.items():
            found = load(site.port, message, SECONDS, CONNECTIONS)
            assert set(found.statuses) == {"200"}, found
            rates[name].append(found.per_second)
    plain, beside = median(rates["queue"]), "PUT /api/v1/queue/ID"
    return [
        at_least_times("PUT /api/v1/tiles/ID", median(rates["put"]), "/s", beside, plain, 0.7),
        at_least_times("POST /api/v1/tiles/ID/increment", median(rates["increment"]), "/s", beside, plain, 0.7),
        at_least_times("PUT of a tile that nobody declared", median(rates["undeclared"]), "/s", beside, plain, 0.7),
    ]


async def _streams(site: Web) -> list[Row]:
    """For so many ticks; each is the same for all, so its timestamp tells which it is."""
    heard, before, cpu_s = Counter[bytes](), _readings(site), site.cpu_s()
    listeners = [asyncio.create_task(_listen(site.port, heard)) for _ in range(CLIENTS)]
    began = time.monotonic()
    while sum(count == CLIENTS for count in heard.values()) < TICKS and time.monotonic() < began + 60:
        await asyncio.sleep(0.1)
    read, cpu_s = _readings(site) - before, site.cpu_s() - cpu_s
    for listener in listeners:
        listener.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    whole = sum(count == CLIENTS for count in heard.values())
    what = f"ticks of /sse/stats to {CLIENTS:,} clients"
    return [
        at_least(f"{what}, that reached every one", whole, "", TICKS),
        at_most_times("snapshots read for them", read, "", what.replace("to", "that came to"), len(heard), 1),
        Row("CPU of the web process meanwhile, opening them included", cpu_s, "s"),
    ]


async def _listen(port: int, heard: Counter[bytes]) -> None:
    with suppress(ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request("GET", "/sse/stats", Accept="text/event-stream"))
            while line := await reader.readline():
                if found := TICK.match(line):
                    heard[found[1]] += 1
        finally:
            writer.close()


def _readings(site: Web) -> float:
    with Connection(site.port) as connection:
        text = connection.ask(request("GET", "/metrics?scope=instance", Accept="text/plain"))[1].decode()
    found = READINGS.search(text)
    return float(found[1]) if found else 0.0


def _message(method: str, path: str, body: object) -> bytes:
    return request(method, path, json.dumps(body).encode(), Content_Type="application/json")


def _ask(site: Web, method: str, path: str, body: object) -> tuple[int, dict[str, object]]:
    with Connection(site.port) as connection:
        status, said = connection.ask(_message(method, path, body))
    return status, json.loads(said)
