"""Uploads into a real server: cut, stalled, killed, large, and beside other requests."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.store import Store
from tests.conftest import TOKEN, free_port, wait_until
from tests.services.upload_files import as_ndjson, packed
from tests.serving import Answer, Server

URL = "/dashboard/uploads?name=jobs.ndjson"


def rows_of(name: str) -> bytes:
    return as_ndjson([{"id": f"{name}-{n}", "title": f"Job number {n}", "status": "completed"} for n in range(3000)])


DATA = rows_of("job")


@pytest.fixture(scope="module")
def site(valkey_url: str) -> Iterator[Server]:
    server = Server(free_port(), TOKEN, {"REDIS_URL": valkey_url})
    try:
        yield server.start()
        server.kill()
    finally:
        server.close()


@pytest.fixture
def one(site: Server, store: Store) -> Server:
    """The module's, on a store that was emptied. Its archive was not, and knows jobs of other tests."""
    wait_until(lambda: site.get("/readyz").status == 200, what="readiness on an empty store")
    return site


@pytest.fixture
def fresh(server: Callable[..., Server], store: Store) -> Server:
    """One that nobody knows a job of, to be ended."""
    return server(env={"REDIS_URL": store.url})


def head(one: Server, *lines: str) -> bytes:
    fixed = (f"POST {URL} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {one.token}")
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def begun(one: Server, sent: bytes) -> socket.socket:
    """A connection on which an upload began with `sent`."""
    connection = one.connect()
    connection.sendall(sent)
    return connection


def page(one: Server, number: int = 1) -> str:
    return one.get(f"/dashboard/uploads/{number}").text


def shows(one: Server, state: str, number: int = 1) -> bool:
    return f">{state}</span>" in page(one, number)


def chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@pytest.mark.parametrize(
    ("name", "header", "body"),
    [
        ("cut", "Content-Length: 1000000", lambda part: part),
        ("bet", "Transfer-Encoding: chunked", chunked),
        ("wit", "Transfer-Encoding: chunked", lambda part: b"30d40\r\n" + part),
        ("non", "Transfer-Encoding: chunked", lambda part: chunked(part) + b"zz\r\n"),
    ],
    ids=["length", "between chunks", "within a chunk", "a chunk that is none"],
)
def test_a_connection_that_ends_early_leaves_what_came(
    one: Server, name: str, header: str, body: Callable[[bytes], bytes]
) -> None:
    data = rows_of(name)  # jobs that no other test has told the archive of
    with begun(one, head(one, header) + body(data[:100_000])):
        pass
    wait_until(lambda: shows(one, "cut off"), what="the state")
    told = page(one)
    assert "Sending the whole file again" in told or "sending the whole file again" in told
    answer = one.post(URL, data)
    assert (answer.status, answer.json()["accepted"]) == (201, 3000)
    assert 900 < answer.json()["unchanged"] < 1500


def test_a_form_that_is_cut_leaves_what_came(one: Server) -> None:
    form = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.ndjson"\r\n\r\n' + DATA[:100_000]
    sent = head(one, "Content-Type: multipart/form-data; boundary=edge", "Content-Length: 1000000")
    with begun(one, sent + form):
        pass
    wait_until(lambda: shows(one, "cut off"), what="the state")


def test_a_transfer_that_stands_still_is_ended_and_said(one: Server) -> None:
    with begun(one, head(one, "Content-Length: 1000000") + DATA[:100_000]) as connection:
        connection.settimeout(90)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert "The transfer stood still" in page(one)


def test_chunks_without_a_length_are_a_whole_file(one: Server) -> None:
    sent = head(one, "Transfer-Encoding: chunked") + b"".join(
        chunked(DATA[at : at + 999]) for at in range(0, len(DATA), 999)
    )
    with begun(one, sent + b"0\r\n\r\n") as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
    assert shows(one, "stored")


def test_a_bomb_is_answered_while_it_is_still_being_sent(one: Server) -> None:
    bomb = packed((b'{"id":"x"}' + b" " * 1089 + b"\n") * 200_000)
    answer = one.post(URL, bomb + bytes(8_000_000))
    assert answer.status == 413
    assert "200 times" in answer.json()["detail"]


def test_a_server_killed_in_the_middle_shows_it_and_the_file_sent_again_completes_it(fresh: Server) -> None:
    one = fresh
    with begun(one, head(one, f"Content-Length: {len(DATA)}") + DATA[: len(DATA) // 2]):
        wait_until(lambda: one.get("/api/v1/queue?limit=1").json()["total"] >= 1000, what="the first rows")
        assert shows(one, "receiving")
        one.kill()
    one.start()
    wait_until(lambda: shows(one, "interrupted"), what="the state")
    assert "The process that received it ended; send the file again" in page(one)
    answer = one.post(URL, DATA).json()
    assert (answer["accepted"], answer["number"]) == (3000, 2)
    assert answer["unchanged"] >= 1000


def test_an_orderly_end_in_the_middle_is_said(fresh: Server) -> None:
    one = fresh
    with begun(one, head(one, f"Content-Length: {len(DATA)}") + DATA[: len(DATA) // 2]):
        wait_until(lambda: one.get("/api/v1/queue?limit=1").json()["total"] >= 1000, what="the first rows")
        assert one.stop() == 0
    one.start()
    # Mostly at once. A process that is given no time by a busy machine is found out by its silence.
    wait_until(lambda: shows(one, "interrupted") or shows(one, "cut off"), what="what became of the upload")


def test_the_page_tells_how_far_an_upload_is(one: Server) -> None:
    with begun(one, head(one, f"Content-Length: {len(DATA)}") + DATA[: len(DATA) // 2]) as connection:
        at = len(DATA) // 2

        def tells() -> bool:
            nonlocal at
            connection.sendall(DATA[at : at + 100])
            at += 100
            return f'max="{len(DATA)}" value="' in page(one)

        wait_until(tells, every=0.2, what="the progress")


def wide_rows(megabytes: int) -> Iterator[bytes]:
    """Rows of some 4 KB about a thousand jobs, ten in a piece."""
    pad = "x" * 3900
    rows = [
        json.dumps({"id": f"job-{number}", "status": "completed", "metadata": {"pad": pad}}).encode() + b"\n"
        for number in range(1000)
    ]
    for number in range(0, megabytes * 250, 10):
        yield b"".join(rows[number % 1000 : number % 1000 + 10])


def send_stream(one: Server, rows: Iterator[bytes]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=120)
    try:
        headers = {"Authorization": f"Bearer {one.token}", "Transfer-Encoding": "chunked"}
        connection.request("POST", URL, body=rows, headers=headers, encode_chunked=True)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def test_memory_stays_flat_and_no_file_is_written_however_large_the_upload(one: Server) -> None:
    assert send_stream(one, wide_rows(4)).status == 201
    (worker,) = map(psutil.Process, one.worker_pids())
    rest = worker.memory_info().rss
    peak, files = rest, set()
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.05):
            peak = max(peak, worker.memory_info().rss)
            files.update(file.path for file in worker.open_files() if Path(file.path).is_relative_to("/tmp"))  # noqa: S108

    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = send_stream(one, wide_rows(80))
    over.set()
    watcher.join()
    assert (answer.status, answer.json()["accepted"]) == (201, 20_000)
    assert answer.json()["received_bytes"] > 78_000_000
    assert peak - rest < 20_000_000
    assert not [path for path in files if not path.startswith(str(one.folder))]


def test_other_requests_are_answered_while_a_file_is_read(one: Server) -> None:
    file = DATA * 8
    done: list[Answer] = []
    sender = threading.Thread(target=lambda: done.append(one.post(URL, file, timeout=120)))
    sender.start()
    beside = 0
    while not done:
        assert one.get("/healthz").status == 200
        beside += not done
    sender.join()
    assert done[0].status == 201
    assert beside > 5
