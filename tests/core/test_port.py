"""Whose the port is, told at once where nothing is about to give it up."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from core import port
from tests.conftest import free_port, wait_until
from tests.serving import Server

LISTENER = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)  # as gunicorn"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports that were looked at, once for each time."""
    looked: list[int] = []
    real = port._try

    def look(host: str, number: int) -> OSError | None:
        looked.append(number)
        return real(host, number)

    monkeypatch.setattr(port, "_try", look)
    return looked


def test_a_running_site_s_port_is_refused_without_waiting_for_it(
    server: Callable[..., Server], looks: list[int]
) -> None:
    one = server()
    with pytest.raises(port.PortRefused, match=rf"is taken by gunicorn \(pid {one.pid}\)"):
        port.check("127.0.0.1", one.port)
    assert looks == [one.port]


def test_another_program_s_port_is_refused_without_waiting_for_it(looks: list[int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(port.PortRefused, match=f"PORT={number + 1}"):
            port.check("127.0.0.1", number)
    assert looks == [number]


def test_a_worker_without_its_master_is_waited_for(monkeypatch: pytest.MonkeyPatch, looks: list[int]) -> None:
    monkeypatch.setattr(port, "ORPHANS_S", 600.0)
    number = free_port()
    alone = subprocess.Popen([sys.executable, "-c", LISTENER.format(port=number)])
    try:
        wait_until(lambda: port._try("127.0.0.1", number), what="its taking the port")
        looks.clear()
        real = port._is_orphan

        def ended_at_the_third(pid: int) -> bool:
            orphan = real(pid)
            if len(looks) == 3:
                alone.kill()
                alone.wait()
            return orphan

        monkeypatch.setattr(port, "_is_orphan", ended_at_the_third)
        port.check("127.0.0.1", number)
    finally:
        alone.kill()
        alone.wait()
    assert len(looks) == 4
