"""SIGTERM and Ctrl-C: what was begun is finished, nothing new is taken, the store goes last."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator

import psutil
import pytest

from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import Server


def begin_post(one: Server, body: bytes, sent: int) -> socket.socket:
    """A request of which only a part has been sent so far."""
    connection = one.connect()
    head = (
        f"POST /api/v1/queue HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {one.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[:sent])
    return connection


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_until(connection: socket.socket, end: bytes) -> None:
    got = b""
    while not got.endswith(end):
        part = connection.recv(65536)
        assert part, got
        got += part


def is_draining(one: Server) -> bool:
    try:
        return one.get("/readyz").status == 503
    except OSError:
        return True


@pytest.fixture(scope="module")
def one_site() -> Iterator[Server]:
    site = Server(free_port(), TOKEN)
    try:
        yield site
        site.kill()
    finally:
        site.close()


@pytest.fixture
def one(one_site: Server) -> Server:
    """The module's site of one web process, which runs, whatever the test before did to it."""
    ended = one_site.process is None or one_site.process.poll() is not None
    return one_site.start() if ended else one_site


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_request_in_flight_is_answered_and_what_it_stored_is_there_after_the_next_start(
    one: Server, sent: signal.Signals
):
    body = json.dumps({"title": "in flight", "id": f"flying-{sent.name}"}).encode()
    with begin_post(one, body, sent=5) as connection:
        one.get("/healthz")  # by then the half request is being read
        os.killpg(one.pid, sent) if sent == signal.SIGINT else os.kill(
            one.pid, sent
        )  # a terminal tells the whole group
        wait_until(lambda: is_draining(one), what="the end of readiness")
        connection.sendall(body[5:])
        assert read_all(connection).startswith(b"HTTP/1.1 201 ")
    assert one.wait() == 0
    one.start()
    assert one.get(f"/api/v1/queue/flying-{sent.name}").json()["title"] == "in flight"


def test_readiness_ends_before_the_port_closes(one: Server):
    body = b'{"title": "holds the process up"}'
    with begin_post(one, body, sent=1) as connection:
        one.get("/healthz")
        os.kill(one.worker_pids()[0], signal.SIGTERM)
        assert wait_until(lambda: one.get("/readyz").status == 503, what="unreadiness")
        assert one.get("/healthz").status == 200
        connection.sendall(body[1:])
        assert b" 201 " in read_all(connection)


def test_connections_that_only_wait_do_not_hold_up_the_end(server):
    one: Server = server(workers=2)
    waiting = [one.connect() for _ in range(20)]
    for connection in waiting[:10]:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        read_until(connection, b'"ok"}\n')
    assert one.stop() == 0
    assert "graceful timeout" not in one.log()
    for connection in waiting:
        with connection:
            assert read_all(connection) == b""


def test_a_request_that_never_ends_is_cut_off_in_the_end(one: Server):
    with begin_post(one, b'{"title": "never"}', sent=3) as connection:
        one.get("/healthz")
        assert one.stop() == 0
        assert b" 201 " not in read_all(connection)


def test_the_store_ends_after_the_last_web_process(server):
    one: Server = server(workers=2)
    store, workers = psutil.Process(one.store_pid()), one.worker_pids()
    with begin_post(one, b'{"title": "x"}', sent=1) as connection:
        one.get("/healthz")
        one.process.terminate()
        wait_until(lambda: len(one.worker_pids()) < len(workers), what="the end of the idle process")
        assert store.is_running()
        connection.sendall(b'{"title": "x"}'[1:])
        assert b" 201 " in read_all(connection)
    assert one.wait() == 0
    assert not store.is_running()
    assert not (one.data / "valkey.pid").exists()
    assert not (one.data / "valkey.sock").exists()


def test_a_stop_during_the_start_is_clean(server):
    one: Server = server(start=False).spawn()
    wait_until(lambda: "Listening at" in one.log(), what="the first log lines")
    one.stop()
    assert one.store_pid() is None
    one.start()
    assert one.stop() == 0
