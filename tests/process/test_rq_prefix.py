"""An RQ whose keys begin otherwise, by `RQ_KEY_PREFIX` in its environment and in Headway's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from redis import Redis

from tests.conftest import Valkey, wait_until
from tests.rq_workers import TASKS, RqWorker
from tests.serving import ROOT, Server, bare_environment

PREFIX = {"RQ_KEY_PREFIX": "shop{1}"}
ENQUEUE = f"""
import sys
from redis import Redis
from rq import Queue
redis = Redis.from_url(sys.argv[1])
for name in ("work", "mail", "mail"):
    Queue(name, connection=redis).enqueue("{TASKS}.add", 1, 2)
"""


class PrefixedWorker(RqWorker):
    @property
    def environment(self) -> dict[str, str]:
        return super().environment | PREFIX


def test_an_rq_with_a_prefix_is_found_followed_and_acted_on(
    own_valkey: Callable[..., Valkey], server: Callable[..., Server]
) -> None:
    valkey = own_valkey()
    one = server({"REDIS_URL": valkey.url, **PREFIX})
    subprocess.run([sys.executable, "-c", ENQUEUE, valkey.url], check=True, cwd=ROOT, env=bare_environment() | PREFIX)
    worker = PrefixedWorker(valkey.url, "work", options=("--burst",)).start(waits=False)
    try:
        wait_until(lambda: states(one) == ["finished", "queued", "queued"], what="the jobs")
        assert {queue["name"] for queue in one.get("/api/v1/queues").json()["queues"]} == {"mail", "work"}
        answer = one.post("/api/v1/queues/rq/mail/actions", json={"action": "empty"})
        assert answer.status == 200, answer.text
        wait_until(lambda: states(one) == ["deleted", "deleted", "finished"], what="the emptying")
        with Redis.from_url(valkey.url) as redis:
            assert len(redis.keys("shop{1}:job:*")) == 1
            assert not redis.keys("rq:*")
    finally:
        worker.close()


def states(one: Server) -> list[Any]:
    return sorted(job["state"] for job in one.get("/api/v1/queue?agent=rq").json()["items"])
