"""What a web process holds while nobody asks for anything."""

from __future__ import annotations

import time

from bench.load import Connection, request
from bench.processes import headway, valkey
from bench.rows import Row, at_most

REST_S = 8.0


def run() -> list[Row]:
    with valkey() as url, headway(url) as site:
        fresh = site.rss_mb()
        connection = Connection(site.port)
        for path in ("/dashboard/observability", "/metrics", "/api/v1/queue"):
            for _ in range(20):
                status, _ = connection.ask(request("GET", path))
                assert status == 200, f"{path} answers {status}"
        time.sleep(REST_S)
        rested = site.rss_mb()
    return [
        Row("web process, just started", fresh, "MB"),
        at_most("web process at rest after some use", rested, "MB", 120),
    ]
