"""NDJSON batches into one web process and Valkey, beside a plain script through redis-py's pipelines."""

from __future__ import annotations

import json
import time
from statistics import median

import redis

from bench.load import Connection, request
from bench.processes import Web, headway, valkey
from bench.rows import Row, at_least

JOBS, ROUNDS, LINES = 20_000, 9, 5_000
PLAIN = """
redis.call('HSET', KEYS[1], 'progress', ARGV[1], 'stage', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[1], KEYS[1])
return 1
"""


def run() -> list[Row]:
    with valkey() as url:
        plain, single = _plain(url, 200), _plain(url, 1)
        with headway(url) as site:
            created = _batches(
                site, [[_new(n) for n in range(start, start + LINES)] for start in range(0, JOBS, LINES)]
            )
            rounds = [[_update(n, turn) for n in range(LINES)] for turn in range(1, ROUNDS + 1)]
            updated = _batches(site, rounds)
            ended = _batches(site, [[_end(n) for n in range(start, start + LINES)] for start in range(0, JOBS, LINES)])
    beside = "plain script, pipelines of 200"
    return [
        at_least("updates stored through HTTP batches", median(updated), "/s", 25_000, beside, plain),
        Row("jobs created through HTTP batches", median(created), "/s", beside, plain),
        Row("jobs finished through HTTP batches", median(ended), "/s", beside, plain),
        Row("updates stored through HTTP batches", median(updated), "/s", "plain script, no pipeline", single),
    ]


def _batches(site: Web, batches: list[list[bytes]]) -> list[float]:
    """Lines a second of each batch, sent one after another."""
    connection, rates = Connection(site.port), []
    for lines in batches:
        message = request("POST", "/api/v1/queue/batch", b"\n".join(lines), Content_Type="application/x-ndjson")
        start = time.perf_counter()
        status, body = connection.ask(message)
        rates.append(len(lines) / (time.perf_counter() - start))
        assert status == 200, f"{status}: {body[:300]!r}"
        assert json.loads(body)["accepted"] == len(lines), body[:300]
    return rates


def _new(number: int) -> bytes:
    return b'{"id":"bench-%d","agent":"bench","title":"Measured job %d"}' % (number, number)


def _update(number: int, turn: int) -> bytes:
    return (
        b'{"id":"bench-%d","agent":"bench","current_step":"stage %d","progress":%d,"message":"part %d of 12","seq":%d}'
        % (number, turn // 3, turn * 8, turn, turn)
    )


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
