"""Several processes and a leader that is killed: each change of an alert is told once (faults 14)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from core import keys, leader
from core.store import Store
from tests.conftest import Valkey, wait_until
from tests.serving import Server

RULES = '[[alerts]]\nid = "backlog"\nwhen = { kind = "queue_depth", above = 0 }\nfor = "6s"\nkeep = "1ms"\n'


def titles(server: Server) -> list[str]:
    return [one["title"] for one in server.get("/api/v1/notifications").json()["items"]][::-1]


def state(server: Server) -> str:
    return str(server.get("/api/v1/alerts").json()["alerts"][0]["state"])


def test_a_killed_leader_s_successor_tells_of_what_was_pending_once(
    own_valkey: Callable[..., Valkey], server: Callable[..., Server], tmp_path: Path
) -> None:
    rules = tmp_path / "headway.toml"
    rules.write_text(RULES)
    store = Store(own_valkey().url)
    site = server(env={"REDIS_URL": store.url, "HEADWAY_CONFIG": str(rules)}, workers=2)
    assert site.post("/api/v1/queue", json={"title": "waits"}).status == 201
    wait_until(lambda: state(site) == "pending", what="a first look")
    leading = wait_until(lambda: leader.holder(store), what="a leader")
    os.kill(int(leading.split(":")[1]), signal.SIGKILL)
    wait_until(lambda: titles(site), what="the notification of a successor", within=60)
    assert leader.holder(store) not in (None, leading)
    kept = json.loads(store.redis.hget(keys.ALERTS.at(), "backlog") or "{}")
    assert kept["state"] == "firing"
    assert titles(site) == ["Firing: Backlog of jobs"]
    store.close()
