"""Clients that come back at once and ask for what they missed, and what that means for other requests.

The clients are a process of their own: `python -m bench.replays PORT LAST_EVENT_ID`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time

from bench.load import Connection, request
from bench.processes import ROOT, Web, headway, loop_factory, valkey
from bench.rows import Row, at_most
from bench.stream_clients import PATIENCE_S, Heard, opened, sse_steps

CLIENTS, MISSED = 200, 1000
PING_EVERY_S = 0.005


def run() -> list[Row]:
    with valkey() as url, headway(url) as site:
        last_id = _miss(site)
        _pinged(site, last_id)  # what is made once for all who come back is made
        found, pings_ms = _pinged(site, last_id)
    what = f"{CLIENTS} clients come back at once and missed {MISSED:,} events"
    return [
        at_most(f"{what}: refused", CLIENTS - found["opened"], "clients", 0),
        at_most(f"{what}: without all of them", CLIENTS - found["whole"], "clients", 0),
        Row(f"{what}: the last one has them", found["ended_at"] - found["began_at"], "s"),
        Row(f"GET /healthz meanwhile, 99th percentile of {len(pings_ms)}", pings_ms[len(pings_ms) * 99 // 100], "ms"),
    ]


def _miss(site: Web) -> str:
    """Where a stream stood before these events came."""
    with Connection(site.port) as connection:
        message = request("POST", "/api/v1/queue", b"{}", Content_Type="application/json")
        assert connection.ask(message)[0] == 201
        with Connection(site.port) as stream:
            stream.send(sse_steps()[0][0])
            said = b""
            while b"\n\n" not in said.partition(b"event: connected")[2]:
                said += stream.socket.recv(65_536)
        lines = b"".join(b'{"id":"missed-%d","message":"t=%.6f"}\n' % (at, time.time()) for at in range(MISSED))
        batch = request("POST", "/api/v1/queue/batch", lines, Content_Type="application/x-ndjson")
        status, answer = connection.ask(batch)
        assert status == 200 and json.loads(answer)["accepted"] == MISSED, answer[:300]
    return next(line[4:] for line in said.decode().split("\n") if line.startswith("id: "))


def _pinged(site: Web, last_id: str) -> tuple[dict[str, float], list[float]]:
    """How the clients fared, and what other requests took meanwhile, in ms, in order."""
    pings: list[tuple[float, float]] = []
    over = threading.Event()

    def ping() -> None:
        with Connection(site.port) as connection:
            while not over.wait(PING_EVERY_S):
                start = time.time()
                status, _ = connection.ask(request("GET", "/healthz"))
                assert status == 200, f"/healthz answers {status}"
                pings.append((start, (time.time() - start) * 1e3))

    pinger = threading.Thread(target=ping)
    pinger.start()
    try:
        command = [sys.executable, "-m", "bench.replays", str(site.port), last_id]
        found = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    finally:
        over.set()
        pinger.join()
    meanwhile = sorted(took for start, took in pings if found["began_at"] <= start <= found["ended_at"])
    return found, meanwhile or [0.0]


async def come_back(port: int, last_id: str) -> dict[str, float]:
    began_at, heard = time.time(), Heard()
    ends_at = time.monotonic() + PATIENCE_S
    async with opened(port, CLIENTS, sse_steps(Last_Event_ID=last_id), heard) as streams:
        while any(stream.got < MISSED for stream in streams) and time.monotonic() < ends_at:
            await asyncio.sleep(0.01)
        whole = sum(stream.got == MISSED for stream in streams)
    return {"opened": len(streams), "whole": whole, "began_at": began_at, "ended_at": heard.last_at}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(runner.run(come_back(int(sys.argv[1]), sys.argv[2]))))
