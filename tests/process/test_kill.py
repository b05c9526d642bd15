"""`kill -9`, of anything: nothing that was answered with 2xx is lost, and the next start is clean."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import psutil
import pytest

from core.embedded import Embedded
from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import Server


def keep_posting(one: Server, stored: list[str], ending: threading.Event, name: str) -> None:
    """Posts jobs one after the other, and notes each that was answered with 201."""
    number = 0
    while not ending.is_set():
        number += 1
        job = f"{name}-{number}"
        with contextlib.suppress(OSError, Exception):
            if one.post("/api/v1/queue", json={"id": job, "title": job}, timeout=5).status == 201:
                stored.append(job)


class Posting:
    """Several senders at once, as long as the block lasts."""

    def __init__(self, one: Server, name: str, senders: int = 3) -> None:
        self.stored: list[str] = []
        self.ending = threading.Event()
        self.threads = [
            threading.Thread(target=keep_posting, args=(one, self.stored, self.ending, f"{name}{n}"))
            for n in range(senders)
        ]

    def __enter__(self) -> Posting:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def reaches(self, number: int) -> bool:
        return len(self.stored) >= number


def all_are_there(one: Server, stored: list[str]) -> bool:
    missing = [job for job in stored if one.get(f"/api/v1/queue/{job}").status != 200]
    assert missing == []
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


@pytest.fixture(scope="module")
def two_site() -> Iterator[Server]:
    site = Server(free_port(), TOKEN, workers=2)
    try:
        yield site
        site.kill()
    finally:
        site.close()


@pytest.fixture
def two(two_site: Server) -> Server:
    """The module's site of two web processes, which runs, whatever the test before did to it."""
    ended = two_site.process is None or two_site.process.poll() is not None
    return two_site.start() if ended else two_site


def test_a_killed_web_process_is_replaced(one: Server):
    (killed,) = one.worker_pids()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: [pid for pid in one.worker_pids() if pid != killed], what="its successor")
    assert wait_until(lambda: one.answers() and one.get("/readyz").status == 200, what="readiness")


def test_no_2xx_is_given_for_a_job_that_the_killed_store_did_not_keep(one: Server):
    with Posting(one, "kept") as posting:
        for round_ in (1, 2):
            wait_until(lambda round_=round_: posting.reaches(50 * round_), what="jobs")
            os.kill(one.store_pid(), signal.SIGKILL)
        wait_until(lambda: posting.reaches(150), what="jobs after the kill")
    assert all_are_there(one, posting.stored)


def test_after_a_kill_of_the_store_too_all_that_was_acknowledged_is_there(one: Server):
    with Posting(one, "store-too") as posting:
        wait_until(lambda: posting.reaches(100), what="a hundred jobs")
        os.kill(one.store_pid(), signal.SIGKILL)
        one.kill()
    one.start()
    assert all_are_there(one, posting.stored)


def test_an_update_resent_after_a_kill_counts_once(one: Server):
    sent = {"id": "once", "title": "sent until it was heard", "agent": "a"}
    one.connect().close()
    with one.connect() as connection:  # accepted, never answered
        connection.sendall(b"POST /api/v1/queue HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        one.kill()
    one.start()
    assert [one.post("/api/v1/queue", json=sent).status for _ in range(2)] == [201, 200]
    one.kill()
    one.start()
    assert one.post("/api/v1/queue", json=sent).status == 200
    assert one.get("/api/v1/queue?agent=a").json()["total"] == 1


def test_a_killed_store_is_started_again_with_all_it_had(one: Server):
    assert one.post("/api/v1/queue", json={"id": "kept"}).status == 201
    before = one.log().count("The store ended")
    for _ in range(2):
        killed = one.store_pid()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda killed=killed: one.store_pid() not in (None, killed), what="its successor")
        wait_until(lambda: one.get("/readyz").status == 200, what="readiness")
        assert one.get("/api/v1/queue/kept").status == 200
    assert one.log().count("The store ended") == before + 2
    store = psutil.Process(one.store_pid())
    assert one.stop() == 0
    assert not store.is_running()


def test_a_start_right_after_the_kill_of_the_master_alone_finds_port_and_folder_free(two: Server):
    assert two.post("/api/v1/queue", json={"id": "kept"}).status == 201
    for _ in range(3):
        os.kill(two.pid, signal.SIGKILL)
        two.wait()
        two.start()
        assert two.get("/api/v1/queue/kept").status == 200


def test_after_a_kill_of_everything_all_that_was_acknowledged_is_there_at_the_next_start(two: Server):
    with Posting(two, "all") as posting:
        wait_until(lambda: posting.reaches(100), what="a hundred jobs")
        two.kill()
    two.start()
    assert all_are_there(two, posting.stored)
    assert two.stop() == 0


def test_a_killed_master_takes_its_web_processes_and_its_store_along(two: Server):
    processes = [psutil.Process(pid) for pid in (two.store_pid(), *two.worker_pids())]
    os.kill(two.pid, signal.SIGKILL)
    two.wait()
    wait_until(lambda: not any(process.is_running() for process in processes), what="the end of its children")


def left_behind(one: Server) -> subprocess.Popen[bytes]:
    """A store on the folder that no master watches, as a kill leaves it where the system does not end it."""
    one.data.mkdir()
    store = Embedded(one.data, print)
    store.start()
    assert store.process is not None
    store._stopping.set()  # nobody starts it again
    return store.process


def test_a_store_left_behind_is_stopped_first(server):
    one: Server = server(start=False)
    orphan = left_behind(one)
    one.start()
    assert orphan.wait(30) is not None
    assert f"left behind (pid {orphan.pid})" in one.log()
    assert one.get("/readyz").status == 200


def test_a_store_left_behind_that_hangs_is_stopped_too(server):
    one: Server = server(start=False)
    orphan = left_behind(one)
    os.kill(orphan.pid, signal.SIGSTOP)
    one.start()
    assert orphan.wait(30) is not None
    assert one.get("/readyz").status == 200


def test_a_process_that_has_got_a_dead_stores_number_is_left_alone(server):
    one: Server = server(start=False)
    one.data.mkdir()
    with subprocess.Popen(["sleep", "600"]) as innocent:
        (one.data / "valkey.pid").write_text(str(innocent.pid))
        one.start()
        assert innocent.poll() is None
        innocent.kill()
