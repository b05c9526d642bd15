"""NDJSON batches into one web process and Valkey, beside a plain script through redis-py's pipelines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import redis

from bench.load import Connection, request
from bench.processes import Web, headway, valkey
from bench.rows import Row, at_least

SENDERS, LINES, TURNS = 4, 2_500, 30
PLAIN = """
redis.call('HSET', KEYS[1], 'progress', ARGV[1], 'stage', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[1], KEYS[1])
return 1
"""


def run() -> list[Row]:
    with valkey() as url:
        plain, single = _plain(url, 200), _plain(url, 1)
        with headway(url) as site:
            created = _rates(site, [_new])
            updated = _rates(site, [_update(turn) for turn in range(1, TURNS + 1)])
            ended = _rates(site, [_end])
    beside = "plain script, pipelines of 200"
    what = f"updates a second, {SENDERS} senders' NDJSON batches"
    return [
        at_least(what, updated, "/s", 25_000, beside, plain),
        Row(what, updated, "/s", "plain script, no pipeline", single),
        Row("jobs created in the same way", created, "/s", beside, plain),
        Row("jobs finished in the same way", ended, "/s", beside, plain),
    ]


def _rates(site: Web, turns: list[Callable[[int], bytes]]) -> float:
    """The median of the turns' lines a second; in each, every sender sends its batch at the same time."""
    connections = [Connection(site.port) for _ in range(SENDERS)]
    rates = []
    for line in turns:
        starts = range(0, SENDERS * LINES, LINES)
        messages = [_batch([line(number) for number in range(start, start + LINES)]) for start in starts]
        begun = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as pool:
            stored = sum(pool.map(_send, connections, messages))
        rates.append(stored / (time.perf_counter() - begun))
        assert stored == SENDERS * LINES, f"{stored} were stored"
    return median(rates)


def _batch(lines: list[bytes]) -> bytes:
    return request("POST", "/api/v1/queue/batch", b"\n".join(lines), Content_Type="application/x-ndjson")


def _send(connection: Connection, message: bytes) -> int:
    status, body = connection.ask(message)
    assert status == 200, f"{status}: {body[:300]!r}"
    return int(json.loads(body)["accepted"])


def _new(number: int) -> bytes:
    return b'{"id":"bench-%d","agent":"bench","title":"Measured job %d"}' % (number, number)


def _update(turn: int) -> Callable[[int], bytes]:
    said = b'"current_step":"stage %d","progress":%d,"message":"part %d of %d","seq":%d}'
    rest = said % (turn // 3, turn * 90 // TURNS, turn, TURNS, turn)
    return lambda number: b'{"id":"bench-%d","agent":"bench",%s' % (number, rest)


def _end(number: int) -> bytes:
    return b'{"id":"bench-%d","agent":"bench","status":"completed","result":{"rows":%d},"seq":99}' % (number, number)


def _plain(url: str, width: int) -> float:
    """Calls a second of a small script, `width` of them in a pipeline."""
    client = redis.Redis.from_url(url)
    script = client.script_load(PLAIN)
    calls, start = 40_000 if width > 1 else 5_000, time.perf_counter()
    for first in range(0, calls, width):
        pipeline = client.pipeline(transaction=False)
        for number in range(first, first + width):
            pipeline.evalsha(script, 2, f"plain:{number % 5000}", "plain", number, "read")
        pipeline.execute()
    rate = calls / (time.perf_counter() - start)
    client.flushall()
    return rate
