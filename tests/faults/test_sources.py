"""Sources that are slow, large or hang, under a real server: they hold up neither it nor one another."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.outside import Outside, answer, of_json
from tests.serving import Server

CONFIGURATION = """
[[tiles]]
id = "endless"
timeout = "3s"
source = {{ kind = "sql", url = "sqlite:///{file}", query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n" }}

[[tiles]]
id = "dripping"
timeout = "1s"
source = {{ kind = "http", url = "{url}/drip", path = "a" }}

[[tiles]]
id = "large"
every = "1s"
source = {{ kind = "metrics", url = "{url}/large", metric = "m899_total" }}

[[tiles]]
id = "good"
source = {{ kind = "http", url = "{url}/json", path = "users" }}

[[tiles]]
id = "inside"
source = {{ kind = "http", url = "http://127.0.0.2:{port}/json", path = "users" }}

[[targets]]
name = "hanging"
url = "{url}/silent"
timeout = "1s"

[[targets]]
name = "shop"
url = "{url}/large"
every = "1s"

[outgoing]
allow = ["127.0.0.1:{port}"]
"""


@pytest.fixture
def outside() -> Iterator[Outside]:
    server = Outside()
    large = "".join(
        f"# TYPE m{i} counter\n" + "".join(f'm{i}_total{{path="/a/{j}",status="200"}} {j}\n' for j in range(100))
        for i in range(900)
    )
    server.answers |= {
        "/drip": server.slowly(b" ", b"HTTP/1.1 200 OK\r\n\r\n"),
        "/silent": server.silent,
        "/large": answer(large),
        "/json": of_json({"users": 42}),
    }
    yield server
    server.close()


def test_a_server_goes_on_answering_while_its_sources_take_their_time(
    server: Callable[..., Server], outside: Outside, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "some.db")) as connection:
        connection.execute("CREATE TABLE some (id)")
    file = tmp_path / "headway.toml"
    file.write_text(CONFIGURATION.format(url=outside.url, port=outside.port, file=tmp_path / "some.db"))
    one = server(env={"HEADWAY_CONFIG": str(file)})
    answered: list[float] = []

    def tiles() -> dict[str, dict[str, object]]:
        return {tile["id"]: tile for tile in one.get("/api/v1/tiles").json()["tiles"]}

    def endless_was_given_up() -> object:
        assert one.get("/healthz").status == 200
        answered.append(time.time())
        return tiles()["endless"]["unavailable"]

    assert wait_until(endless_was_given_up, what="the end of what is endless") in (
        "the statement took longer than 3 s", "its source did not answer within 3s",
    )  # fmt: skip
    ended = time.time()
    assert len([at for at in answered if at > ended - 2.5]) > 20
    told = tiles()
    assert told["good"]["value"] == 42
    assert told["large"]["value"] == sum(range(100))
    assert "did not answer" in str(told["dripping"]["unavailable"])
    assert "into allow of [outgoing]" in str(told["inside"]["unavailable"])

    def metrics() -> dict[str, str]:
        lines = one.get("/metrics").text.splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line.startswith("headway_target_up"))

    up = {'headway_target_up{target="hanging"}': "0.0", 'headway_target_up{target="shop"}': "1.0"}
    wait_until(lambda: metrics() == up, what="both targets")
    assert "Traceback" not in one.log()
