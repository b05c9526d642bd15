"""A gigabyte of job history into one web process: how fast it comes in, and what the process grows by."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator

from bench.processes import TOKEN, Web, headway, valkey
from bench.rows import Row, at_most

ROWS, PAD = 500_000, "x" * 1900
"""Some 2 KB a row, about 20,000 jobs, so that the store stays small and the reader is what is measured."""


def run() -> list[Row]:
    with valkey() as url, headway(url) as site:
        _send(site, 5_000)
        rest, peak, over = site.rss_mb(), site.rss_mb(), threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.1):
                peak = max(peak, site.rss_mb())

        watcher = threading.Thread(target=watch)
        watcher.start()
        begun = time.perf_counter()
        received, stored = _send(site, ROWS)
        took = time.perf_counter() - begun
        over.set()
        watcher.join()
    assert stored == ROWS, f"{stored} rows were taken"
    return [
        at_most(f"growth of the web process in an upload of {received / 1e9:.2f} GB", peak - rest, "MB", 20),
        Row("rows of an upload taken in a second", ROWS / took, "/s"),
        Row("the same in bytes", received / took / 1e6, "MB/s"),
    ]


def _rows(count: int) -> Iterator[bytes]:
    for start in range(0, count, 100):
        yield b"".join(
            json.dumps({"id": f"job-{n % 20_000}", "status": "completed", "metadata": {"pad": PAD}}).encode() + b"\n"
            for n in range(start, start + 100)
        )


def _send(site: Web, count: int) -> tuple[int, int]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=600)
    headers = {"Authorization": f"Bearer {TOKEN}", "Transfer-Encoding": "chunked"}
    connection.request("POST", "/dashboard/uploads?name=a.ndjson", _rows(count), headers, encode_chunked=True)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["received_bytes"], answer["accepted"]
