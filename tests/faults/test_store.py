"""The store away, slow, silent, emptied, full, read-only, spoilt: what the site does, and that it comes back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from core import keys
from tests.conftest import Valkey, free_port, wait_until
from tests.faults.conftest import Plant
from tests.proxy import Proxy
from tests.serving import Answer, Server

PAGE = "/dashboard/observability"
JOBS = "/api/v1/queue"
SAYS_FULL = "<span data-reason>The store is out of memory (maxmemory)</span>. Reports are refused"


def report(one: Server, job: str = "any") -> Answer:
    return one.post(JOBS, json={"id": job, "title": job})


@contextlib.contextmanager
def reporting(one: Server) -> Iterator[list[str]]:
    """Three senders that report job after job as long as the block lasts; the names of those that were acknowledged."""
    stored: list[str] = []
    ending = threading.Event()

    def work(name: str) -> None:
        number = 0
        while not ending.is_set():
            number += 1
            if report(one, f"{name}-{number}").status in (200, 201):
                stored.append(f"{name}-{number}")

    threads = [threading.Thread(target=work, args=(f"sender{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield stored
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def refused(answer: Answer, *words: str) -> None:
    """A 503 or 507 that says why, and when to try again."""
    assert answer.status in (503, 507), answer.text
    assert answer.headers["Retry-After"].isdigit()
    assert answer.headers["Content-Type"] == "application/problem+json"
    for word in words:
        assert word in answer.json()["detail"]


def recovers(one: Server) -> None:
    wait_until(lambda: one.get("/readyz").status == 200, what="readiness")
    assert report(one, f"after-{time.monotonic_ns()}").status == 201
    assert one.get(PAGE).status == 200


def test_with_the_store_away_at_the_start_the_site_starts_and_finds_it_later(plant: Plant, server):
    plant.network.cut()
    one: Server = server(env={"REDIS_URL": plant.network.url})
    assert one.get("/healthz").status == 200
    ready = one.get("/readyz")
    assert ready.status == 503
    assert "can't be reached" in ready.text
    page = one.get(PAGE)
    assert page.status in (200, 503)
    assert "unavailable" in page.text.lower()
    refused(report(one), "can't be reached")
    plant.network.mend()
    recovers(one)
    assert "Traceback" not in one.log()


def test_another_number_of_partitions_ends_the_process_when_the_store_comes_back(plant: Plant, server):
    plant.admin.set(keys.PARTITIONS.at(), 4)
    plant.network.cut()
    one: Server = server(env={"REDIS_URL": plant.network.url})
    plant.network.mend()
    assert one.wait() == 3
    assert one.log().count("Headway can't start: HEADWAY_PARTITIONS (1)") == 1
    assert "Traceback" not in one.log()


def test_while_the_store_is_away_nothing_is_acknowledged_and_it_comes_back_by_itself(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    plant.network.cut()
    for _ in range(3):
        refused(report(site, "lost"))
    assert site.get("/healthz").status == 200
    assert site.get("/login", token=None).status == 200
    assert site.get("/readyz").status == 503
    plant.network.mend()
    recovers(site)
    assert site.get(f"{JOBS}/before").status == 200
    assert site.get(f"{JOBS}/lost").status == 404


def test_connections_that_break_while_they_lie_idle_are_not_noticed_by_anyone(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    for number in range(5):
        plant.network.drop()
        wait_until(lambda: site.get("/readyz").status == 200, what="readiness")
        assert report(site, f"job-{number}").status == 201


def test_a_store_that_takes_too_long_gets_503_while_the_process_stays_quick(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    plant.network.delay_s = 3.0
    with ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(report, site, f"slow-{n}") for n in range(30)]
        wait_until(lambda: plant.network.connections > 5, what="requests that wait for the store")
        assert site.get("/healthz").status == 200
        assert not all(future.done() for future in waiting)
        for future in waiting:
            refused(future.result())
    plant.network.mend()
    recovers(site)
    assert "Traceback" not in site.log()


def test_a_network_that_swallows_everything_does_not_hold_a_request_for_ever(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    plant.network.silent = True
    refused(report(site))
    assert site.get("/healthz").status == 200
    assert site.get("/readyz").status == 503
    page = site.get(PAGE)
    assert page.status in (200, 503)
    plant.network.mend()
    plant.network.drop()
    recovers(site)


def test_a_store_that_comes_back_empty_is_begun_anew(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    plant.valkey.stop()
    plant.network.drop()
    refused(report(site))
    plant.valkey.start()
    recovers(site)
    assert site.get(f"{JOBS}/before").status == 404
    assert site.get("/dashboard/api/stats").status == 200
    assert site.get("/metrics").status == 200
    assert "Traceback" not in site.log()


def test_scripts_that_the_store_forgot_are_loaded_again(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    plant.admin.script_flush()
    assert report(site, "after").status == 201
    assert site.get(JOBS).json()["total"] == 2


def test_a_full_store_refuses_writes_in_words_and_serves_reads_and_sign_in(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    plant.admin.config_set("maxmemory-policy", "noeviction")
    plant.admin.config_set("maxmemory", "1")
    refused(report(site, "too-much"), "out of memory")
    assert site.get(f"{JOBS}/before").status == 200
    assert site.get("/login", token=None).status == 200
    assert "out of memory" in site.get("/readyz").text
    wait_until(lambda: SAYS_FULL in site.get(PAGE).text, what="a page that says so")
    for page in ("/dashboard/admin", "/dashboard/logs", "/dashboard/alerts", "/dashboard/notifications"):
        assert SAYS_FULL in site.get(page).text
    plant.admin.config_set("maxmemory", "0")
    recovers(site)
    wait_until(lambda: SAYS_FULL not in site.get(PAGE).text, what="a page that says nothing of it")
    assert site.get(f"{JOBS}/too-much").status == 404


@pytest.mark.parametrize("plant", [("--dbfilename", "taken.rdb")], indirect=True)
def test_a_store_that_cant_save_to_its_disk_is_told_of_without_its_password(plant: Plant, server):
    plant.admin.config_set("requirepass", "a-very-secret-word")
    with redis.Redis(unix_socket_path=str(plant.valkey.socket), password="a-very-secret-word") as admin:
        one: Server = server(env={"REDIS_URL": f"redis://:a-very-secret-word@127.0.0.1:{plant.network.port}/0"})
        assert report(one, "before").status == 201
        folder = plant.valkey.folder / "taken.rdb"
        folder.mkdir()  # a snapshot can't take this name
        (folder / "file").write_text("")
        admin.config_set("save", "3600 1")
        admin.bgsave()
        wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", what="the failed snapshot")
        refused(report(one), "disk")
        ready = one.get("/readyz")
        assert ready.status == 503
        assert "disk" in ready.text
        assert one.get(f"{JOBS}/before").status == 200
        admin.config_set("save", "")
        recovers(one)
        assert "a-very-secret-word" not in one.log() + ready.text + one.get(PAGE).text


def test_a_replica_that_refuses_writes_is_told_of_and_recovers_as_master(plant: Plant, site: Server):
    assert report(site, "before").status == 201
    plant.admin.replicaof("127.0.0.1", str(free_port()))
    plant.admin.config_set("replica-serve-stale-data", "yes")
    refused(report(site, "lost"), "read-only")
    assert site.get(f"{JOBS}/before").status == 200
    assert site.get("/healthz").status == 200
    plant.admin.replicaof("NO", "ONE")
    recovers(site)


def test_a_failover_in_the_middle_of_updates_loses_nothing_that_was_acknowledged(server):
    ports = free_port(), free_port()
    first, second = (Valkey("--port", str(port), "--repl-diskless-sync-delay", "0") for port in ports)
    network = Proxy(("127.0.0.1", ports[0]))
    try:
        first.start()
        second.start()
        with redis.Redis(port=ports[0]) as master, redis.Redis(port=ports[1]) as replica:
            replica.replicaof("127.0.0.1", str(ports[0]))
            wait_until(lambda: replica.info("replication")["master_link_status"] == "up", what="the replica")
            one: Server = server(env={"REDIS_URL": network.url})
            with reporting(one) as stored:
                wait_until(lambda: len(stored) > 100, what="updates before the failover")
                # The old master waits for the replica to catch up.
                master.execute_command("FAILOVER", "TIMEOUT", "10000")
                wait_until(lambda: replica.info("replication")["role"] == "master", what="the new master")
                network.target = ("127.0.0.1", ports[1])
                network.drop()
                before = len(stored)
                wait_until(lambda: len(stored) > before + 100, what="updates after the failover")
            assert [job for job in stored if one.get(f"{JOBS}/{job}").status != 200] == []
            assert "Traceback" not in one.log()
    finally:
        network.close()
        first.close()
        second.close()


def test_a_job_whose_record_is_spoilt_shows_as_damaged_and_no_other_is_harmed(plant: Plant, site: Server):
    numbers = [report(site, f"job-{n}").json()["queue_id"] for n in range(3)]
    plant.admin.delete(keys.JOB.at(0, numbers[1]))
    plant.admin.set(keys.JOB.at(0, numbers[1]), "no hash")
    listed = site.get(JOBS).json()
    assert listed["total"] == 3
    assert [item.get("damaged", False) for item in listed["items"]] == [False, True, False]
    assert site.get("/dashboard/jobs").status == 200
    assert site.put(f"{JOBS}/{numbers[0]}", json={"progress": 50}).status == 200
    assert site.put(f"{JOBS}/{numbers[1]}", json={"progress": 50}).status < 600
    assert site.get(PAGE).status == 200


def test_connections_to_the_store_are_bounded_however_many_requests_wait(plant: Plant, site: Server):
    plant.network.delay_s = 0.3
    most = 0
    with ThreadPoolExecutor(200) as pool:
        answers = [pool.submit(report, site, f"job-{n}") for n in range(400)]
        while not all(future.done() for future in answers):
            most = max(most, plant.network.connections)
            time.sleep(0.01)
    statuses = {future.result().status for future in answers}
    assert statuses <= {201, 503}
    assert most <= 2 * 64 + 4
    plant.network.mend()
    recovers(site)


def test_a_store_without_a_free_connection_is_told_of_and_found_again(plant: Plant, server):
    plant.admin.ping()
    plant.admin.config_set("maxclients", "1")
    one: Server = server(env={"REDIS_URL": plant.network.url})
    refused(report(one))
    # The store may close the connection before its refusal is read, and then only "can't be reached" can be said.
    wait_until(lambda: "no connection left" in report(one).json()["detail"], what="the reason")
    assert one.get("/healthz").status == 200
    plant.admin.config_set("maxclients", "1000")
    recovers(one)


@pytest.mark.parametrize("breaks", [Proxy.cut, Proxy.drop, lambda network: setattr(network, "silent", True)])
def test_whatever_breaks_in_mid_update_nothing_acknowledged_is_lost(
    plant: Plant, site: Server, breaks: Callable[[Proxy], object]
):
    with reporting(site) as stored:
        wait_until(lambda: len(stored) > 50, what="updates")
        breaks(plant.network)
        wait_until(lambda: site.get("/healthz").status == 200, what="life")
        plant.network.mend()
        plant.network.drop()
        before = len(stored)
        wait_until(lambda: len(stored) > before + 50, what="updates after the fault")
    assert [job for job in stored if site.get(f"{JOBS}/{job}").status != 200] == []
