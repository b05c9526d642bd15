"""A lean client of streams: opens many, publishes, and tells how what it published arrived.

As a process of its own: `python -m bench.stream_load`, a Plan as JSON on standard input, Arrivals as JSON on standard
output. Each event carries in `message` when it was sent, so its way is from the publisher's request to the client's
socket, by one clock.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from bench.processes import ROOT, loop_factory
from bench.stream_clients import Heard, Stream, ask, opened, silent_client, socketio_steps, sse_steps

AGENT = "bench"
SETTLE_S = 1.0
LATE_S = 5.0
"""After so long what has not come is lost."""
FLOOD = 200
"""Events that come first where some read nothing, so long that these are behind from then on."""


@dataclass(frozen=True)
class Plan:
    """What is done: `clients` open a stream, then `rate` events a second are published to one job for `seconds`."""

    port: int
    clients: int
    rate: float = 0
    """0: by `senders`, each as fast as it is answered."""
    seconds: float = 3
    pids: Sequence[int] = ()
    """The processes whose memory and CPU are told."""
    socketio: bool = False
    senders: int = 1
    look_every_s: float = 0
    """How often a client reads; 0: whenever there is something."""
    silent: int | None = None
    """So many more clients read nothing, and a flood comes first; None: no flood."""


@dataclass(frozen=True)
class Arrivals:
    """How it went. Memory is resident memory, CPU that of the plan's processes while events came."""

    published: int
    refused: int
    """Requests and streams that were answered with an error, or not at all."""
    delivered_percent: float
    """An event that comes twice counts against it as one that does not come."""
    per_second: float
    p50_ms: float
    p99_ms: float
    kib_per_client: float
    growth_mb: float
    cpu_s: float
    busiest_s: float
    """CPU of the one process that used the most."""


def stream_load(plan: Plan) -> Arrivals:
    """A round of load from a process of its own."""
    command = [sys.executable, "-m", "bench.stream_load"]
    told = json.dumps(asdict(plan)).encode()
    return Arrivals(**json.loads(subprocess.run(command, cwd=ROOT, input=told, capture_output=True, check=True).stdout))


async def run(plan: Plan) -> Arrivals:
    body = b'{"title":"load","agent":"%s"}' % AGENT.encode()
    job = await ask(plan.port, "POST", "/api/v1/queue", body)
    path, heard = f"/api/v1/queue/{job['queue_id']}", Heard()
    processes = [psutil.Process(pid) for pid in plan.pids]
    rss = _rss(processes)
    steps = socketio_steps(AGENT) if plan.socketio else sse_steps()
    silent = [silent_client(plan.port) for _ in range(plan.silent or 0)]
    async with opened(plan.port, plan.clients, steps, heard, plan.look_every_s) as streams:
        await asyncio.sleep(SETTLE_S)
        opened_rss = _rss(processes)
        if plan.silent is not None:
            await _flood(plan.port, path)
        cpu_before, start = _cpu_s(processes), time.time()
        answers = await _publish(plan, path)
        published = sum(answer is not None for answer in answers)
        await _all_came(streams, published)
        grown = _rss(processes) - rss
        cpu_s = [after - before for before, after in zip(cpu_before, _cpu_s(processes), strict=True)]
    for one in silent:
        one.close()
    exactly = [published - abs(stream.got - published) for stream in streams]
    took = sorted(heard.took_s) or [LATE_S]
    return Arrivals(
        published=published,
        refused=len(answers) - published + plan.clients - len(streams),
        delivered_percent=100 * sum(exactly) / max(1, published * plan.clients),
        per_second=len(heard.took_s) / max(1e-9, heard.last_at - start),
        p50_ms=took[len(took) // 2] * 1e3,
        p99_ms=took[len(took) * 99 // 100] * 1e3,
        kib_per_client=(opened_rss - rss) / 1024 / plan.clients,
        growth_mb=grown / 1e6,
        cpu_s=sum(cpu_s),
        busiest_s=max(cpu_s, default=0),
    )


async def _publish(plan: Plan, path: str) -> list[Any]:
    """Each request's answer. A rate is kept whatever the answers take."""
    loop = asyncio.get_running_loop()
    start, ends_at = loop.time(), loop.time() + plan.seconds

    async def fast() -> list[Any]:
        answers = []
        while loop.time() < ends_at:
            answers.append(await _update(plan.port, path))
        return answers

    if not plan.rate:
        return [answer for some in await asyncio.gather(*(fast() for _ in range(plan.senders))) for answer in some]
    sent = []
    for number in range(round(plan.rate * plan.seconds)):
        await asyncio.sleep(start + number / plan.rate - loop.time())
        sent.append(asyncio.create_task(_update(plan.port, path)))
    return await asyncio.gather(*sent)


def _update(port: int, path: str) -> Coroutine[Any, Any, Any]:
    return ask(port, "PUT", path, b'{"progress":50,"message":"t=%.6f"}' % time.time())


async def _flood(port: int, path: str) -> None:
    line = b'{"queue_id":%s,"progress":1,"message":"%s"}\n' % (path.rpartition("/")[2].encode(), b"x" * 4000)
    assert await ask(port, "POST", "/api/v1/queue/batch", line * FLOOD, "application/x-ndjson")
    await asyncio.sleep(SETTLE_S)


async def _all_came(streams: list[Stream], each: int) -> None:
    ends_at = time.monotonic() + LATE_S
    while any(stream.got < each for stream in streams) and time.monotonic() < ends_at:
        await asyncio.sleep(0.02)


def _rss(processes: list[psutil.Process]) -> int:
    return sum(process.memory_info().rss for process in processes)


def _cpu_s(processes: list[psutil.Process]) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in processes]


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(asdict(runner.run(run(Plan(**json.load(sys.stdin)))))))
