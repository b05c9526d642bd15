"""Batches of dialect Q, whole, wrong in places, and cut off."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.site import Site
from routes import queue_api
from services import job_calls, job_changes
from tests.routes.queue_calls import API, batch, problem
from tests.serving import Server


class Body:
    """A request's body that comes as `part` gives it, however much is asked for."""

    def __init__(self, part: Callable[[], bytes]) -> None:
        self._part = part

    def read(self, size: int = -1) -> bytes:
        return self._part()


def send_in_parts(client: FlaskClient, length: int, part: Callable[[], bytes]) -> TestResponse:
    came = {"wsgi.input": Body(part), "CONTENT_LENGTH": str(length)}
    return client.post(f"{API}/batch", content_type="application/x-ndjson", environ_overrides=came)


def test_a_batch_tells_how_many_it_took_and_why_not_the_others(client: FlaskClient) -> None:
    answer = batch(
        client, {"id": "a"}, {"id": "b", "progress": 101}, b"", b"{", {"queue_id": 9}, {"id": "c", "progress": 5}
    )
    assert answer.status_code == 200
    told = answer.get_json()
    assert told["accepted"] == 2
    assert [(r["line"], r["detail"].split(":")[0]) for r in told["rejected"]] == [
        (2, "progress"), (4, "not JSON at line 1, column 2"), (5, "queue_id")]  # fmt: skip


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n \n"])
def test_a_batch_may_end_its_lines_as_it_likes(client: FlaskClient, end: bytes) -> None:
    told = batch(client, b'{"id":"a"}\r\n{"id":"b"}' + end).get_json()
    assert told == {"accepted": 2, "rejected": []}


def test_a_batch_of_too_many_lines_says_how_far_it_came(client: FlaskClient) -> None:
    lines = [b"{}"] * (queue_api.MOST_BATCH_LINES + 1)
    told = problem(batch(client, *lines), 413, "10,000 lines")
    assert told["accepted"] == queue_api.MOST_BATCH_LINES
    assert client.get(API).get_json()["total"] == queue_api.MOST_BATCH_LINES


def test_a_batch_during_which_the_store_fills_up_says_how_far_it_came_and_when_to_try_again(
    client: FlaskClient, site: Site
) -> None:
    data = b"".join(b'{"id":"j%d"}\n' % i for i in range(job_calls.CHUNK * 3))

    def part() -> bytes:
        if sent.tell():
            site.store.redis.config_set("maxmemory", 1)
        return sent.read(len(data) // 2)

    sent = BytesIO(data)
    try:
        answer = send_in_parts(client, len(data), part)
    finally:
        site.store.redis.config_set("maxmemory", 0)
    told = problem(answer, 507, "out of memory", "again")
    assert told["accepted"] == job_calls.CHUNK
    assert int(answer.headers["Retry-After"]) > 0
    assert client.get(API).get_json()["total"] == job_calls.CHUNK


def test_a_batch_of_too_many_bytes_is_413_before_it_is_read(client: FlaskClient) -> None:
    problem(batch(client, b"x" * (queue_api.MOST_BATCH_BYTES + 1)), 413)
    assert client.get(API).get_json()["total"] == 0


def test_a_line_that_is_too_long_is_rejected_alone(client: FlaskClient) -> None:
    long = {"title": "x" * job_changes.MOST_LINE}
    told = batch(client, {"id": "a"}, long, {"id": "b"}).get_json()
    assert (told["accepted"], [r["line"] for r in told["rejected"]]) == (2, [2])


def test_a_batch_is_taken_from_any_way_the_body_is_cut(client: FlaskClient) -> None:
    data = b"".join(json.dumps({"id": f"j{i}", "title": "x" * (i % 90)}).encode() + b"\n" for i in range(300))

    sizes, sent = iter(range(1, 10_000)), BytesIO(data)
    answer = send_in_parts(client, len(data), lambda: sent.read(next(sizes)))
    assert next(sizes) > 100
    assert answer.get_json() == {"accepted": 300, "rejected": []}


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_batch_cut_off_in_a_line_never_stores_the_half_line(server: Callable[..., Server], framing: str) -> None:
    here = server()
    data = b'{"id":"whole"}\n{"id":"half"}'
    if "chunked" in framing:
        data = b"%x\r\n%s\r\n" % (len(data), data)
    with socket.create_connection(("127.0.0.1", here.port), timeout=30) as sock:
        head = f"POST {API}/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {here.token}\r\n"
        sock.sendall(f"{head}Content-Type: application/x-ndjson\r\n{framing}\r\n\r\n".encode() + data)
        sock.shutdown(socket.SHUT_WR)
        answer = sock.recv(65536)
    assert not answer.startswith(b"HTTP/1.1 2")
    ids = {item["id"] for item in here.request("GET", API).json()["items"]}
    assert "half" not in ids
    assert "Traceback" not in here.log()
