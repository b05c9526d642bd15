"""Several web processes, their ends and restarts, as clients see them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.conftest import free_port
from tests.serving import Server, ask
from tests.sockets.conftest import Agent, create, hears, report
from tests.sockets.raw import Raw

GOING_AWAY = 1001


@pytest.fixture(scope="module")
def two_processes() -> Iterator[Server]:
    site = Server(free_port(), "", {"HEADWAY_AUTH": "off"}, workers=2)
    try:
        yield site.start()
    finally:
        site.close()


def worker_of(site: Server, client: Raw) -> int:
    """The web process that a connection leads to."""
    port = client.socket.getsockname()[1]
    for pid in site.worker_pids():
        peers = [one.raddr.port for one in psutil.Process(pid).net_connections("tcp") if one.raddr]
        if port in peers:
            return pid
    raise AssertionError("nobody has it")


def test_every_process_tells_its_clients_the_same(two_processes: Server, raw: Callable[..., Raw]) -> None:
    clients = [raw(two_processes).joined("spread")]
    while len({worker_of(two_processes, one) for one in clients}) < 2:
        clients.append(raw(two_processes).joined("spread"))
        assert len(clients) < 100
    report(two_processes, number := create(two_processes, "spread"), progress=10)
    report(two_processes, number, status="completed")
    told = [[client.text() for _ in range(3)] for client in clients]
    assert all(one == told[0] for one in told)


def test_several_processes_refuse_long_polling_and_say_why(two_processes: Server, agent: Agent) -> None:
    answer = ask(two_processes.port, "GET", "/socket.io/?EIO=4&transport=polling")
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert 'Use transports: ["websocket"]. Long polling needs one web process' in answer.json()["detail"]
    hears(agent(two_processes, "anyway"))


def test_a_client_of_a_killed_process_comes_back_and_goes_on(
    two_processes: Server, agent: Agent, raw: Callable[..., Raw]
) -> None:
    client = agent(two_processes, "killed", options={"reconnectionDelay": 50})
    hears(client)
    before = set(two_processes.worker_pids())
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert client.value() == ["disconnect", "transport close"]
    hears(client)
    report(two_processes, create(two_processes, "killed"), progress=10)
    assert client.value()[1]["progress"] == 10


def test_sigterm_sends_clients_away_at_once_and_they_come_back_to_the_next_start(
    server: Callable[..., Server], agent: Agent, raw: Callable[..., Raw]
) -> None:
    site = server({"HEADWAY_AUTH": "off"})
    client = agent(site, "restarted", options={"reconnectionDelay": 50, "reconnectionDelayMax": 200})
    hears(client)
    polling = agent(site, "restarted", options={"transports": ["polling"], "reconnection": False})
    hears(polling)
    waiting = [raw(site).joined("restarted") for _ in range(20)]
    assert site.stop() == 0
    assert "graceful timeout" not in site.log(), "no socket held it up"
    assert [one.ended() for one in waiting] == [GOING_AWAY] * 20
    assert client.value() == ["disconnect", "transport close"]
    assert polling.value()[0] == "disconnect"
    site.start()
    hears(client)
    report(site, create(site, "restarted"), progress=10)
    assert client.value()[1]["progress"] == 10
