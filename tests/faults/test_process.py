"""A process that runs out of what the system gives it."""

from __future__ import annotations

import contextlib
import socket

import psutil
import pytest

from tests.conftest import wait_until
from tests.serving import Server


def opened(one: Server) -> list[socket.socket]:
    """Connections of which each sent half a request, until no more of them are taken."""
    held = []
    for _ in range(300):
        connection = one.connect(timeout=5)
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        held.append(connection)
    return held


@pytest.mark.parametrize("files", [100, 200])
def test_out_of_open_files_the_process_lives_and_serves_again_when_there_are_some(server, files: int):
    one: Server = server(start=False)
    one.open_files = files
    one.start()
    (worker,) = one.worker_pids()
    assert one.post("/api/v1/queue", json={"id": "before"}).status == 201
    before = psutil.Process(worker).num_fds()
    with contextlib.ExitStack() as holding:
        for connection in opened(one):
            holding.enter_context(connection)
        wait_until(lambda: psutil.Process(worker).num_fds() >= files - 5, what="the end of its open files")
    wait_until(lambda: one.answers() and one.get("/readyz").status == 200, within=60, what="readiness")
    assert one.post("/api/v1/queue", json={"id": "after"}).status == 201
    assert one.worker_pids() == [worker]
    wait_until(lambda: psutil.Process(worker).num_fds() <= before + 10, what="as few open files as before")


def test_more_connections_than_are_served_at_once_wait_and_are_served_in_turn(server):
    one: Server = server()
    with contextlib.ExitStack() as holding:
        for _ in range(1010):  # beyond worker_connections
            connection = holding.enter_context(one.connect())
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        # The idle ones are let go in time, and then the next is served.
        assert one.get("/healthz", timeout=60).status == 200
