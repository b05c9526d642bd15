"""Clients that send or read as slowly as they can, on purpose or not."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import gevent
import psutil
import pytest

from core.patience import STALL_S, PatientBody, SlowBody
from tests.conftest import TOKEN, free_port
from tests.serving import Server

HEAD = "POST /api/v1/queue HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"


def drip_until_cut_off(one: Server, head: str, drip: bytes) -> bytes | None:
    """Sends `drip` again and again; what the server says before it closes, None when it does not close."""
    said, end = b"", time.monotonic() + 60
    with one.connect(timeout=0.5) as connection:
        connection.sendall(head.encode())
        while time.monotonic() < end:
            try:
                connection.sendall(drip)
                part = connection.recv(65536)
                if not part:
                    return said
                said += part
            except TimeoutError:
                continue
            except OSError:
                return said
    return None


def take_nothing_until_let_go(one: Server) -> bytes | None:
    """Asks for more than the buffers on the way hold and reads none of it; None when the server keeps waiting."""
    (worker,) = one.worker_pids()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", one.port))
        port = reader.getsockname()[1]
        request = f"GET /api/v1/queue?limit=500 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {one.token}\r\n\r\n"
        reader.sendall(request.encode() * 20)
        end = time.monotonic() + 90
        while time.monotonic() < end:
            time.sleep(0.5)  # looking takes time of the machine
            connections = psutil.Process(worker).net_connections("tcp")
            if not any(connection.raddr and connection.raddr.port == port for connection in connections):
                return b""
    return None


@pytest.fixture(scope="module")
def suffering() -> Iterator[tuple[Server, dict[str, list[Future[bytes | None]]]]]:
    """A site with slow clients of every kind at once, and how each of them fares."""
    one = Server(free_port(), TOKEN).start()
    lines = b"".join(b'{"id": "n%d", "title": "%s"}\n' % (n, b"t" * 400) for n in range(500))
    stored = one.post("/api/v1/queue/batch", lines, headers={"Content-Type": "application/x-ndjson"})
    assert stored.json()["accepted"] == 500
    post = HEAD.format(token=one.token)
    kinds: dict[str, tuple[Callable[..., bytes | None], tuple[object, ...]]] = {
        "length": (drip_until_cut_off, (one, f"{post}Content-Length: 100000\r\n\r\n", b"x")),
        "chunked": (drip_until_cut_off, (one, f"{post}Transfer-Encoding: chunked\r\n\r\n186a0\r\n", b"x")),
        "head": (drip_until_cut_off, (one, "GET /healthz HTTP/1.1\r\n", b"X-Slow: 1\r\n")),
        "reader": (take_nothing_until_let_go, (one,)),
    }
    with ThreadPoolExecutor(16) as pool:
        yield one, {kind: [pool.submit(act, *given) for _ in range(3)] for kind, (act, given) in kinds.items()}
    one.close()


def test_others_are_served_while_clients_are_slow(suffering):
    one, _ = suffering
    for _ in range(20):
        assert one.get("/healthz").status == 200
        assert one.get("/api/v1/queue?limit=1").json()["total"] == 500


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_trickles_is_cut_off_with_408(suffering, framing: str):
    one, fates = suffering
    for fate in fates[framing]:
        assert (fate.result() or b"").startswith(b"HTTP/1.1 408 ")
    assert one.get("/api/v1/queue").json()["total"] == 500


def test_a_head_that_trickles_is_cut_off(suffering):
    assert [fate.result() for fate in suffering[1]["head"]] == [b""] * 3


def test_a_client_that_takes_nothing_of_its_answer_is_let_go(suffering):
    assert [fate.result() for fate in suffering[1]["reader"]] == [b""] * 3


def test_slow_clients_leave_no_traceback_in_the_log(suffering):
    one, fates = suffering
    for fate in (fate for kind in fates.values() for fate in kind):
        fate.result()
    assert "Traceback" not in one.log()


def test_a_head_beyond_all_measure_is_refused(suffering):
    one, _ = suffering
    assert one.get("/healthz?" + "x" * 20_000).status == 414
    assert one.get("/healthz", headers={"X-Long": "x" * 20_000}).status in (400, 431)
    assert one.get("/healthz", headers={f"X-{n}": "1" for n in range(200)}).status in (400, 431)


class Sender(io.RawIOBase):
    """A body of which a piece comes every `pause_s`."""

    def __init__(self, pieces: int, size: int, pause_s: float) -> None:
        self.pieces, self.size, self.pause_s = pieces, size, pause_s

    def read(self, size: int = -1) -> bytes:
        if not self.pieces:
            return b""
        self.pieces -= 1
        gevent.sleep(self.pause_s)
        return b"x" * min(size, self.size)


def test_a_steady_sender_may_take_longer_than_the_time_for_a_stall():
    body = PatientBody(Sender(40, 16 * 1024, 0.01))
    body._left_s = 0.2  # less than the forty pauses together
    assert len(body.read()) == 40 * 16 * 1024


def test_a_trickling_sender_is_cut_off_in_mid_read():
    body = PatientBody(Sender(1000, 1, 0.05))
    body._left_s = 0.3
    with pytest.raises(SlowBody):
        body.read()
    with pytest.raises(SlowBody):
        body.read(1)


def test_the_time_that_the_program_takes_between_reads_does_not_count():
    body = PatientBody(Sender(3, 1024, 0))
    body._left_s = 0.1
    for _ in range(3):
        assert body.read(1024)
        gevent.sleep(0.1)
    assert body._left_s <= STALL_S


def test_a_body_reads_like_any_file():
    text = b"one\ntwo\n" + b"x" * 40_000
    assert PatientBody(io.BytesIO(text)).read() == text
    assert PatientBody(io.BytesIO(text)).read(20_000) == text[:20_000]
    assert PatientBody(io.BytesIO(text)).readline() == b"one\n"
    assert list(PatientBody(io.BytesIO(text))) == text.splitlines(keepends=True)
    assert PatientBody(io.BytesIO(b"")).read(10) == b""
