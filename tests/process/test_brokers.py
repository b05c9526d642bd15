"""The duty that follows brokers, in real web processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue

from tests.conftest import Valkey, free_port, wait_until
from tests.serving import Server

DECLARED = """
[[queues]]
kind = "rq"
name = "away"
url = "redis://:hunter2@127.0.0.1:{port}"
"""


def jobs(one: Server) -> dict[str, Any]:
    """Those of RQ, by their ids."""
    return {job["id"]: job for job in one.get("/api/v1/queue?agent=rq").json()["items"]}


def test_rq_in_the_store_is_found_and_followed_beside_a_broker_that_is_away(
    own_valkey: Callable[..., Valkey], server: Callable[..., Server], tmp_path: Path
) -> None:
    valkey = own_valkey()
    config = tmp_path / "headway.toml"
    config.write_text(DECLARED.format(port=free_port()))
    one = server({"REDIS_URL": valkey.url, "HEADWAY_CONFIG": str(config)}, 2)
    with Redis(unix_socket_path=str(valkey.socket)) as redis:
        job = Queue("mail", connection=redis).enqueue("app.send", "ann@example.com", password="hunter2")
        wait_until(lambda: job.id in jobs(one), what="the discovery of RQ")
        found = jobs(one)[job.id]
        assert found["status"] == "queued"
        assert "hunter2" not in str(found)
        job.cancel()
        wait_until(lambda: jobs(one)[job.id]["status"] == "failed", what="its cancelling")
        assert all(b"hunter2" not in record for record in redis.hgetall("headway:{0}:brokers").values())
    assert one.stop() == 0
    assert "The broker away is unavailable, because its Redis can't be reached" in one.log()
    assert "hunter2" not in one.log()
