"""Logs in real processes: nothing that was answered with 2xx is lost, and who listens hears of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import Server
from tests.streams import opened
from tests.visitors import INGEST

DELIVERY = (Path(__file__).parent.parent / "routes" / "drains" / "whole").read_bytes()
LINES = 200


def keep_sending(one: Server, name: str, accepted: list[str], ending: threading.Event) -> None:
    """Sends NDJSON one request after the other, and notes each that was answered with 200."""
    number = 0
    while not ending.is_set():
        number += 1
        batch = f"batch {name}-{number}"
        lines = "\n".join(json.dumps({"message": f"{batch}.{n}", "source": f"s{n % 3}"}) for n in range(LINES))
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = one.post("/api/v1/logs", lines, headers={"Content-Type": "application/x-ndjson"}, timeout=10)
            if answer.status == 200:
                assert answer.json() == {"accepted": LINES, "rejected": []}
                accepted.append(batch)


def all_messages(one: Server) -> list[str]:
    found, cursor = list[str](), ""
    while True:
        page = one.get(f"/api/v1/logs?limit=1000{cursor}").json()
        found += [item["message"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.fixture(scope="module")
def two() -> Iterator[Server]:
    """A site of two web processes."""
    one = Server(free_port(), TOKEN, workers=2)
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


def test_kills_of_web_processes_lose_no_line_that_was_answered(two: Server) -> None:
    one = two
    accepted: list[str] = []
    ending = threading.Event()
    senders = [threading.Thread(target=keep_sending, args=(one, f"s{n}", accepted, ending)) for n in range(3)]
    for sender in senders:
        sender.start()
    for turn in range(1, 4):
        wait_until(lambda turn=turn: len(accepted) > turn * 10, what="requests that were answered")
        os.kill(one.worker_pids()[0], signal.SIGKILL)
    wait_until(lambda: len(accepted) > 50, what="requests after the kills")
    ending.set()
    for sender in senders:
        sender.join()
    messages = [message for message in all_messages(one) if message.startswith("batch ")]
    kept = set(messages)
    assert [batch for batch in accepted if any(f"{batch}.{n}" not in kept for n in range(LINES))] == []
    assert len(messages) == len(kept), "and none stands there twice"
    assert len(kept) % LINES == 0, "a request is stored whole or not at all"


def test_a_store_that_is_away_takes_nothing_and_says_so(server: Callable[..., Server], own_valkey: Any) -> None:
    valkey = own_valkey()
    one = server({"REDIS_URL": valkey.url})
    valkey.stop()
    answer = one.post("/api/v1/logs", json={"message": "x"})
    assert (answer.status, answer.json()["accepted"]) == (503, 0)
    assert int(answer.headers["Retry-After"]) > 0
    valkey.start()
    wait_until(lambda: one.post("/api/v1/logs", json={"message": "y"}).status == 200, what="the store")


@pytest.fixture(scope="module")
def one() -> Iterator[Server]:
    """A site that starts once for the tests that spoil nothing."""
    site = Server(free_port(), TOKEN, {"HEADWAY_INGEST_TOKEN": INGEST})
    yield site.start()
    site.close()


def test_a_request_that_is_cut_off_stores_nothing(one: Server) -> None:
    before = all_messages(one)
    basic = b64encode(f"headway:{one.token}".encode()).decode()
    for path, kind, data in (("/api/v1/logs", "application/x-ndjson", b'{"message":"whole"}\n{"message":"half"}'),
                             ("/api/v1/logs/drain", "application/logplex-1", DELIVERY)):  # fmt: skip
        with one.connect() as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\nContent-Type: {kind}\r\nContent-Length: 9999\r\n\r\n"
            head = head if "drain" in path else head.replace(f"Basic {basic}", f"Bearer {one.token}")
            connection.sendall(head.encode() + data)
            connection.shutdown(socket.SHUT_WR)
            assert b" 400 " in connection.recv(65_536).partition(b"\r\n")[0]
    assert all_messages(one) == before


def test_lines_of_every_process_come_to_who_listens_at_any(two: Server) -> None:
    one = two
    with opened(one.port, "/sse/stats", one.token) as stream:
        stream.until(lambda stream: stream.messages)
        for number in range(20):
            one.post("/api/v1/logs", json={"message": f"line {number}"})
        stream.until(lambda stream: len(stream.named("log")) == 20)
    assert [event.json()["message"] for event in stream.named("log")] == [f"line {number}" for number in range(20)]


def test_heroku_delivers_with_the_token_in_the_address(one: Server) -> None:
    basic = b64encode(f"headway:{INGEST}".encode()).decode()
    before = len(all_messages(one))
    headers = {"Content-Type": "application/logplex-1", "Logplex-Msg-Count": "5", "Logplex-Frame-Id": "F1",
               "Authorization": f"Basic {basic}"}  # fmt: skip
    assert one.post("/api/v1/logs/drain", DELIVERY, headers=headers, token=None).json()["accepted"] == 5
    assert one.post("/api/v1/logs/drain", DELIVERY, headers=headers, token=None).json()["repeated"] is True
    assert len(all_messages(one)) == before + 5
    assert INGEST not in one.log() and basic not in one.log()
