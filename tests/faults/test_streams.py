"""Streams while things go wrong: processes and stores that end, readers that are slow, many that come back at once."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import TOKEN, free_port, wait_until
from tests.faults.conftest import Plant
from tests.serving import Server
from tests.streams import Stream, connect, opened

JOBS = "/api/v1/queue"
STREAM = "/api/v1/progress/stream"
NDJSON = {"Content-Type": "application/x-ndjson"}


def created(site: Server, **fields: Any) -> int:
    return int(site.post(JOBS, json=fields).json()["queue_id"])


def report(site: Server, number: int, **fields: Any) -> None:
    assert site.put(f"{JOBS}/{number}", json=fields).status == 200


def newest(stream: Stream) -> dict[str, Any]:
    """The data of the last unnamed event; reading all of them again and again takes seconds."""
    found: dict[str, Any] = next((event.json() for event in reversed(stream.events) if event.name == "message"), {})
    return found


def report_many(site: Server, number: int, start: int, count: int) -> None:
    """Many updates of one job: messages that count from `start`."""
    lines = (json.dumps({"queue_id": number, "message": str(n)}) for n in range(start, start + count))
    assert site.post(f"{JOBS}/batch", "\n".join(lines), headers=NDJSON).json()["accepted"] == count


def stats(site: Server) -> dict[str, Any]:
    told: dict[str, Any] = site.get("/api/v1/progress/stats").json()
    return told


@pytest.fixture(scope="module")
def two() -> Iterator[Server]:
    """A site of two web processes."""
    one = Server(free_port(), TOKEN, {}, workers=2)
    try:
        yield one.start()
    finally:
        one.close()


@pytest.fixture(scope="module")
def only() -> Iterator[Server]:
    one = Server(free_port(), TOKEN)
    try:
        yield one
        one.kill()
    finally:
        one.close()


@pytest.fixture
def alone(only: Server) -> Server:
    """A site of one web process, which runs."""
    return only if only.process is not None and only.process.poll() is None else only.start()


class Watcher:
    """A client that reads a job's messages for as long as it lives, and comes back with the last id it had."""

    def __init__(self, site: Server, number: int) -> None:
        self.site, self.path = site, f"{STREAM}/{number}"
        self.seen: list[int] = []
        self.names: list[str] = []
        self.lives = 0
        self._last: str | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        wait_until(lambda: self.lives, what="the stream")
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(OSError):
                stream = connect(self.site.port, self.path, TOKEN, last_id=self._last, wait=False)
                self._read(stream)
                stream.close()
            self._ending.wait(0.05)

    def _read(self, stream: Stream) -> None:
        taken = 0
        while not (stream.ended or self._ending.is_set()):
            stream.read(0.2)
            for event in stream.events[taken:]:
                self._last = event.id or self._last
                self.names.append(event.name)
                self.lives += event.name == "connected"
                if event.name == "message" and "message" in event.json():
                    self.seen.append(int(event.json()["message"]))
            taken = len(stream.events)


def test_clients_of_every_process_get_every_event(two: Server) -> None:
    number = created(two)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(opened(two.port, f"{STREAM}/{number}", TOKEN)) for _ in range(12)]
        report(two, number, message="1", progress=1)
        report(two, number, status="completed", message="2")
        for stream in streams:
            stream.until_message(status="completed")
            assert [message.get("message") for message in stream.messages] == [None, "1", "2"]


def test_a_web_process_killed_in_mid_stream_loses_and_doubles_nothing(two: Server) -> None:
    number = created(two)
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(two, number)) for _ in range(6)]
        sent = 0
        for _ in range(2):
            report_many(two, number, sent, 100)
            sent += 100
            os.kill(two.worker_pids()[0], signal.SIGKILL)
            wait_until(lambda: len(two.worker_pids()) == 2, what="the next process")
        report_many(two, number, sent, 50)
        for watcher in watchers:
            wait_until(lambda watcher=watcher: watcher.seen and watcher.seen[-1] == sent + 49, what="the last event")
            assert watcher.seen == list(range(sent + 50))
        assert sum(watcher.lives for watcher in watchers) > len(watchers)


def test_a_site_that_is_stopped_and_started_loses_and_doubles_nothing(alone: Server) -> None:
    site, number = alone, created(alone)
    with Watcher(site, number) as watcher:
        report_many(site, number, 0, 50)
        assert site.stop() == 0
        site.start()
        report_many(site, number, 50, 50)
        wait_until(lambda: watcher.seen and watcher.seen[-1] == 99, what="the last event")
        assert watcher.seen == list(range(100))
        assert "reconnect" in watcher.names and "gap" not in watcher.names


def test_a_store_killed_in_mid_stream_loses_and_doubles_nothing(alone: Server) -> None:
    site, number = alone, created(alone)
    with Watcher(site, number) as watcher:
        for n in range(60):
            if n in (20, 40):
                os.kill(site.store_pid() or 0, signal.SIGKILL)
            told = {"message": str(n), "seq": n}
            wait_until(lambda told=told: site.put(f"{JOBS}/{number}", json=told).status == 200, what="the store again")
        wait_until(lambda: watcher.seen and watcher.seen[-1] == 59, what="the last event")
        assert watcher.seen == list(range(60))
        assert watcher.lives == 1 and "gap" not in watcher.names


def test_a_store_that_is_away_is_told_of_and_nothing_is_lost(plant: Plant, site: Server) -> None:
    number = created(site)
    with opened(site.port, f"{STREAM}/{number}", TOKEN) as stream:
        report(site, number, message="before")
        plant.network.cut()
        told = stream.until(lambda s: s.named("degraded"))[0].json()
        assert told["reason"] == "the store can't be reached" and told["since"].endswith("Z")
        with opened(site.port, STREAM, TOKEN) as newcomer:
            newcomer.until(lambda s: s.named("degraded"))
        plant.network.mend()
        stream.until(lambda s: s.named("recovered"))
        report(site, number, message="after")
        stream.until_message(message="after")
        assert [message.get("message") for message in stream.messages] == [None, "before", "after"]
        assert not stream.named("gap")


def test_who_comes_back_while_the_store_is_away_gets_what_it_missed_later(plant: Plant, site: Server) -> None:
    number = created(site)
    with opened(site.port, f"{STREAM}/{number}", TOKEN) as stream:
        stream.until(lambda s: s.messages)
        last = stream.last_id
    report(site, number, message="missed")
    site.stop()
    plant.network.cut()
    site.start()
    with opened(site.port, f"{STREAM}", TOKEN, last_id=last) as stream:
        stream.until(lambda s: s.named("degraded"))
        plant.network.mend()
        stream.until_message(message="missed")


def test_more_streams_wait_for_the_store_than_a_process_has_connections_and_it_goes_on_answering(
    plant: Plant, site: Server
) -> None:
    plant.network.cut()
    with contextlib.ExitStack() as stack:
        more = 1050  # worker_connections is 1000
        waiting = [
            stack.enter_context(opened(site.port, STREAM, TOKEN, last_id="5-0", wait=False)) for _ in range(more)
        ]
        for stream in waiting:
            stream.until(lambda s: s.named("connected"))
        assert site.get("/healthz", timeout=10).status == 200
        plant.network.mend()
        for stream in waiting:
            stream.until(lambda s: s.named("gap"))


def test_a_stream_that_waits_for_the_store_is_sent_away_at_the_end_too(plant: Plant, site: Server) -> None:
    plant.network.cut()
    with opened(site.port, STREAM, TOKEN, last_id="5-0") as stream:
        stream.until(lambda s: s.named("degraded"))
        assert site.stop() == 0
        stream.until_ended()
        assert stream.events[-1].name == "reconnect"


def test_a_store_that_comes_back_empty_means_a_gap(plant: Plant, site: Server) -> None:
    number = created(site)
    with opened(site.port, STREAM, TOKEN) as stream:
        report(site, number, progress=5)
        stream.until_message(progress=5)
        plant.valkey.stop()
        plant.valkey.start()
        gap = stream.until(lambda s: s.named("gap"))[0].json()
        assert gap["from"] != gap["to"] == "0-0"
        again = created(site)
        stream.until_message(queue_id=again, status="queued")


def test_a_client_that_stops_reading_gets_the_newest_state_and_delays_nobody(alone: Server) -> None:
    site, number, done = alone, created(alone), created(alone)
    text = "x" * 3000
    before = stats(site)["events_dropped"]
    with opened(site.port, STREAM, TOKEN, buffer=4096) as slow, opened(site.port, STREAM, TOKEN) as quick:
        report(site, done, status="completed")
        for start in range(0, 3000, 300):
            lines = (json.dumps({"queue_id": number, "message": f"{n} {text}"}) for n in range(start, start + 300))
            site.post(f"{JOBS}/batch", "\n".join(lines), headers=NDJSON)
            quick.until(lambda s, n=start + 299: newest(s).get("message", "").startswith(f"{n} "))
        wait_until(lambda: stats(site)["events_dropped"] > before, what="dropped events")
        report(site, number, status="completed", message="last")
        slow.until(lambda s: newest(s).get("message") == "last")
        quick.until(lambda s: newest(s).get("message") == "last")
    numbers = [int(m["message"].split()[0]) for m in slow.messages if m.get("message", "last") != "last"]
    assert numbers == sorted(set(numbers)) and len(numbers) < 3000
    assert len([m for m in quick.messages if m.get("message", "last") != "last"]) == 3000
    assert [m["status"] for m in slow.messages if m["queue_id"] == done][-1] == "completed"


def test_two_hundred_that_come_back_at_once_all_get_what_they_missed(two: Server) -> None:
    number = created(two)
    with opened(two.port, f"{STREAM}/{number}", TOKEN) as stream:
        stream.until(lambda s: s.messages)
        last = stream.last_id
    report_many(two, number, 0, 300)

    def come_back(_: int) -> list[int]:
        with opened(two.port, f"{STREAM}/{number}", TOKEN, last_id=last) as stream:
            stream.until(lambda s: len(s.messages) >= 300)
            return [int(message["message"]) for message in stream.messages]

    with ThreadPoolExecutor(50) as pool:
        assert all(seen == list(range(300)) for seen in pool.map(come_back, range(200)))


def test_an_end_sends_every_client_away_with_its_own_time_to_come_back(alone: Server) -> None:
    site = alone
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(opened(site.port, STREAM, TOKEN)) for _ in range(200)]
        assert site.process is not None
        site.process.send_signal(signal.SIGTERM)
        retries = set()
        for stream in streams:
            stream.until_ended()
            assert stream.events[-1].name == "reconnect" and stream.events[-1].retry
            assert stream.events[-1].json() == {"retry": stream.events[-1].retry}
            retries.add(stream.events[-1].retry)
        assert len(retries) > 100
    assert site.wait() == 0
    assert "Traceback" not in site.log()


def test_past_as_many_streams_as_there_are_files_for_new_ones_get_503(server: Callable[..., Server]) -> None:
    site = server(start=False)
    site.open_files = 340
    site.start()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(opened(site.port, STREAM, TOKEN)) for _ in range(40)]
        with opened(site.port, STREAM, TOKEN) as refused:
            assert refused.status == 503 and refused.headers["retry-after"] == "5"
        number = created(site)
        for stream in streams:
            stream.until_message(queue_id=number)
    wait_until(lambda: stats(site)["connected_clients"] == 0, what="the places to be free again")
    with opened(site.port, STREAM, TOKEN) as stream:
        assert stream.status == 200


def test_a_connection_that_was_used_before_becomes_a_stream(two: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", two.port, timeout=20)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read()
    connection.request("GET", STREAM, headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.readline() == b"event: connected\n"
    connection.close()


def test_streams_take_no_worker_from_other_requests(two: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(opened(two.port, STREAM, TOKEN))
        with ThreadPoolExecutor(20) as pool:
            assert {answer.status for answer in pool.map(lambda _: two.get("/healthz"), range(100))} == {200}
    wait_until(lambda: stats(two)["connected_clients"] == 0, what="the clients to be gone")
