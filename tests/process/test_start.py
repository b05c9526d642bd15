"""How Headway starts, and how it says why it can't."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import GUNICORN, ROOT, Server, bare_environment

LINK = re.compile(r"Sign in once with (http://127\.0\.0\.1:\d+/login)#token=(\S+)")


def start_and_fail(env: dict[str, str], code: int = 1) -> str:
    """What a start says that is refused: one line, no traceback."""
    ended = subprocess.run(
        [GUNICORN], cwd=ROOT, env=bare_environment() | env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    said = [line for line in ended.stderr.splitlines() if "Headway can't start" in line]
    assert len(said) == 1
    return said[0]


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """A site of three web processes, for the tests that leave it as it is."""
    one = Server(free_port(), TOKEN, {"HEADWAY_HOST": "127.0.0.1"}, workers=3)
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


def test_the_first_start_prints_a_sign_in_link_and_the_next_ones_do_not(server):
    one = server(env={"HEADWAY_TOKEN": ""})
    (_link, token) = LINK.findall(one.log())[0]
    assert one.request("GET", "/api/v1/queue", token=token).status == 200
    assert one.request("GET", "/api/v1/queue", token=None).status == 401

    assert one.stop() == 0
    one.start()
    assert one.log().count(token) == 1
    assert len(LINK.findall(one.log())) == 1
    assert one.request("GET", "/api/v1/queue", token=token).status == 200


def test_a_token_of_ones_own_is_never_printed(running: Server):
    assert running.get("/api/v1/queue").status == 200
    assert running.token not in running.log()


def test_a_second_start_on_a_taken_port_says_at_once_which_process_has_it(running: Server):
    one = running
    said = start_and_fail(one.environment() | {"HEADWAY_DATA": str(one.folder / "other")})
    assert f"PORT ({one.port}) is taken by gunicorn (pid {one.pid})" in said
    assert one.get("/healthz").status == 200


def test_a_port_taken_by_another_program_is_named_too(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = start_and_fail({"PORT": str(port), "HEADWAY_DATA": str(tmp_path / "data")})
    assert f"is taken by {psutil.Process().name()} (pid {os.getpid()})" in said


def test_a_data_folder_in_use_is_refused_and_its_owner_goes_on(running: Server, server):
    one, other = running, server(start=False)
    said = start_and_fail(other.environment() | {"HEADWAY_DATA": str(one.data)})
    assert f"is in use by another Headway (pid {one.pid})" in said
    assert one.get("/readyz").status == 200


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path, server):
    (tmp_path / "data").write_text("")
    said = start_and_fail(server(start=False).environment() | {"HEADWAY_DATA": str(tmp_path / "data")})
    assert "HEADWAY_DATA" in said


def test_a_bad_variable_is_named_with_an_example():
    said = start_and_fail({"PORT": "eighty"})
    assert "PORT ('eighty')" in said
    assert "for example PORT=8000" in said


def test_a_bad_configuration_is_named_with_the_place_in_it(tmp_path: Path):
    path = tmp_path / "headway.toml"
    path.write_text('[[tiles]]\nid = "users"\nevery = "soon"\n')
    said = start_and_fail({"HEADWAY_CONFIG": str(path)})
    assert f"{path}: [[tiles]] users: every: should be a span of time, such as 30s" in said


def test_a_bad_secret_is_named_and_not_printed():
    said = start_and_fail({"HEADWAY_TOKEN": "short"})
    assert "HEADWAY_TOKEN" in said
    assert "short" not in said


def test_an_address_of_another_machine_is_refused():
    assert "HEADWAY_HOST" in start_and_fail({"HEADWAY_HOST": "192.0.2.1", "PORT": "8123"})


def test_another_number_of_partitions_stops_the_start(server):
    one = server(env={"HEADWAY_PARTITIONS": "2"})
    assert one.stop() == 0
    one.env["HEADWAY_PARTITIONS"] = "3"
    said = start_and_fail(one.environment(), code=3)
    assert "HEADWAY_PARTITIONS (3)" in said
    assert "HEADWAY_PARTITIONS=2" in said
    one.env["HEADWAY_PARTITIONS"] = "2"
    one.start()
    assert one.get("/readyz").status == 200


def test_with_a_redis_url_that_store_is_used_and_none_is_started(server, valkey_url: str):
    with redis.Redis.from_url(valkey_url) as store:
        store.flushall()
        one = server(env={"REDIS_URL": valkey_url})
        assert one.post("/api/v1/queue", json={"title": "elsewhere"}).status == 201
        assert store.dbsize() > 0
    assert not (one.data / "valkey.pid").exists()
    assert not any("valkey" in child.name() for child in psutil.Process(one.pid).children())


def test_a_data_folder_with_a_long_name_works(server):
    one = server(env={"HEADWAY_DATA": ""}, start=False)
    one.env["HEADWAY_DATA"] = str(one.folder / ("a long name " * 12) / "data")
    one.start()
    assert one.post("/api/v1/queue", json={"title": "far down"}).status == 201
    assert one.stop() == 0
    one.start()
    assert one.get("/api/v1/queue").json()["total"] == 1


def test_the_embedded_store_is_out_of_reach_for_others_and_keeps_its_files_in_the_data_folder(running: Server):
    one = running
    store = psutil.Process(one.store_pid())
    assert store.net_connections("inet") == []
    assert (one.data / "valkey.sock").stat().st_mode & 0o077 == 0
    assert os.getsid(store.pid) == store.pid
    assert (one.data / "appendonlydir").is_dir()
    assert "HEADWAY_TOKEN" not in store.environ()


def test_a_changed_configuration_is_read_at_sighup_and_a_broken_one_leaves_the_former_in_force(server, tmp_path: Path):
    path = tmp_path / "headway.toml"
    path.write_text('[[tiles]]\nid = "orders"\n')
    one = server(env={"HEADWAY_CONFIG": str(path)})
    assert one.post("/api/v1/queue", json={"title": "before"}).status == 201
    store = one.store_pid()

    def reload(text: str) -> str:
        path.write_text(text)
        workers = one.worker_pids()
        os.kill(one.pid, signal.SIGHUP)
        wait_until(lambda: one.worker_pids() and not set(workers) & set(one.worker_pids()), what="the new worker")
        return str(wait_until(lambda: "".join(one.get("/api/v1/tiles").text.split()), what="the tiles"))

    assert '"orders"' in reload('[[tiles]]\nid = "orders"\nevery = "soon"\n')
    assert "The configuration stays as it was: " in one.log()
    assert "[[tiles]] orders: every: should be a span of time" in one.log()
    assert '"parcels"' in reload('[[tiles]]\nid = "parcels"\n')
    assert one.store_pid() == store
    assert one.get("/api/v1/queue").json()["total"] == 1
    assert one.stop() == 0


def test_a_second_master_is_not_made_by_sigusr2(running: Server):
    one = running
    os.kill(one.pid, signal.SIGUSR2)
    workers = one.worker_pids()
    assert one.get("/readyz").status == 200
    assert one.worker_pids() == workers


def test_web_processes_are_as_many_as_asked_and_carry_gunicorns_name(running: Server):
    one = running
    wait_until(lambda: len(one.worker_pids()) == 3, what="three web processes")
    assert {psutil.Process(pid).name() for pid in one.worker_pids()} == {"gunicorn"}
