"""A poll that finds its panel unchanged, beside a Flask application that says hello under the same gunicorn."""

from __future__ import annotations

from statistics import median

from bench.load import Connection, Load, load, request
from bench.processes import Web, headway, plain, valkey
from bench.rows import Row, at_least_times

PATH = "/dashboard/api/recent-uploads-html"
ROUNDS, SECONDS = 5, 2.0


def run() -> list[Row]:
    with valkey() as url, headway(url) as site, plain("bench.hello:app", REDIS_URL=url) as hello:
        polls = {"shared bytes": request("GET", PATH, HX_Request="true"), "304": _unchanged(site)}
        rates: dict[str, list[float]] = {name: [] for name in ("hello", *polls)}
        # In turns, so that what else the machine does weighs on all of them.
        for _ in range(ROUNDS):
            rates["hello"].append(_rate(hello, request("GET", "/"), "200"))
            for name, poll in polls.items():
                rates[name].append(_rate(site, poll, "304" if name == "304" else "200"))
    beside = median(rates["hello"])
    return [
        at_least_times(
            f"poll of an unchanged panel, {name}", median(rates[name]), "/s", "bare Flask hello", beside, 0.6
        )
        for name in polls
    ]


def _unchanged(site: Web) -> bytes:
    connection = Connection(site.port)
    status, _ = connection.ask(request("GET", PATH, HX_Request="true"))
    assert status == 200, f"{PATH} answers {status}"
    tag = next(
        line.partition(": ")[2] for line in connection.headers().split("\r\n") if line.lower().startswith("etag:")
    )
    return request("GET", PATH, HX_Request="true", If_None_Match=tag)


def _rate(web: Web, message: bytes, status: str) -> float:
    found: Load = load(web.port, message, SECONDS)
    assert set(found.statuses) == {status}, f"expected {status}, got {found.statuses}"
    return found.per_second
