"""Reports reach a site that is away, slow, ill or strict, and never hold up the work that they tell of."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headway.backlog import Backlog
from headway.job import Job
from headway.reporter import Reporter
from headway.settings import read
from tests.clients.python.answers import TAKEN, Answer, Answers
from tests.clients.python.conftest import Site, forget
from tests.conftest import wait_until
from tests.proxy import Proxy


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@contextmanager
def reporting_to(url: str) -> Iterator[Reporter]:
    reporter = Reporter(read(url, "a-token"))
    yield reporter
    reporter.end()
    forget(reporter)


def begin(reporter: Reporter, agent: str, **options: Any) -> Job:
    job = Job("work", reporter=reporter, agent=agent, **options)
    job.start()
    return job


# --- Coalescing


def test_ten_thousand_updates_make_few_requests_and_the_last_one_counts(headway_site: Site, agent: str) -> None:
    reporter, before = headway_site.reporter(), headway_site.batches()
    begun = time.monotonic()
    with headway_site.begin(agent, reporter, id="busy") as job:
        for number in range(10_000):
            job.progress(number / 100, message=f"{number:,} of 10,000")
    took = time.monotonic() - begun
    assert reporter.flush(20)
    # Ten a second, the first and the last at once, and one for the question itself.
    assert headway_site.batches() - before <= 10 * took + 4
    found = headway_site.job(agent, "busy")
    assert (found["status"], found["message"]) == ("completed", "9,999 of 10,000")


def test_a_job_is_told_at_most_ten_times_a_second_and_no_stage_is_lost(agent: str) -> None:
    with Answers(lambda _: None) as site, reporting_to(site.url) as reporter:
        job, begun = begin(reporter, agent), time.monotonic()
        while time.monotonic() < begun + 0.65:
            job.progress(message=f"{time.monotonic()}")
        for number in range(5):
            job.stage(f"stage-{number}")
        job.complete()
        took = time.monotonic() - begun
        assert reporter.flush(20)
        told = [line for line in site.lines if "message" in line]
        assert 2 <= len(told) <= 10 * took + 2
        assert [line["current_step"] for line in site.lines if "current_step" in line] == [
            f"stage-{number}" for number in range(5)
        ]
        assert site.lines[-1]["status"] == "completed"
        assert [line["seq"] for line in site.lines] == sorted({line["seq"] for line in site.lines})


# --- A site that is away


def test_a_site_that_is_killed_in_mid_job_has_all_of_it_once_it_is_back(
    own_site: Callable[..., Site], agent: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = own_site()
    reporter = site.reporter()
    with site.begin(agent, reporter, id="survivor") as job:
        job.progress(10, stage="one")
        assert reporter.flush(20)
        site.server.kill()
        for number in range(20, 60):
            job.progress(number, stage="two" if number < 40 else "three", message=f"at {number}")
        wait_until(lambda: warnings(caplog), what="word that the site is away")
        with site.begin(agent, reporter, id="whole"):
            pass
    site.server.start()
    assert reporter.flush(60) or wait_until(lambda: reporter.flush(5), what="the site to take the rest")
    found = site.job(agent, "survivor")
    assert (found["status"], found["message"]) == ("completed", "at 59")
    assert [stage["name"] for stage in found["stages"]] == ["one", "two", "three"]
    assert site.job(agent, "whole")["status"] == "completed"
    assert len(warnings(caplog)) == 1
    assert "reports wait until it does" in warnings(caplog)[0]


def test_connections_that_are_cut_in_mid_request_lose_and_double_nothing(headway_site: Site, agent: str) -> None:
    proxy = Proxy(("127.0.0.1", headway_site.server.port))
    reporter, stop = headway_site.reporter(f"http://127.0.0.1:{proxy.port}"), threading.Event()

    def cut() -> None:
        while not stop.wait(0.03):
            proxy.drop()

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        for number in range(30):
            with headway_site.begin(agent, reporter, id=f"job-{number}") as job:
                for stage in ("one", "two", "three"):
                    job.stage(stage)
                    time.sleep(0.005)
    finally:
        stop.set()
        cutting.join()
    wait_until(lambda: reporter.flush(5), what="the rest to be sent")
    jobs = headway_site.of(agent)
    assert len(jobs) == 30
    assert {job["status"] for job in jobs} == {"completed"}
    assert all([stage["name"] for stage in job["stages"]] == ["one", "two", "three"] for job in jobs)
    proxy.close()


def test_a_silent_network_holds_nobody_up_longer_than_the_time_out(headway_site: Site, agent: str) -> None:
    proxy = Proxy(("127.0.0.1", headway_site.server.port))
    proxy.silent = True
    code = f"""
import headway, time
headway.configure(timeout=2)
begun = time.monotonic()
with headway.job("quick", agent={agent!r}) as job:
    for number in range(1000): job.progress(number / 10)
print(time.monotonic() - begun)
"""
    begun = time.monotonic()
    ran = headway_site.script(code, {"HEADWAY_URL": f"http://127.0.0.1:{proxy.port}"})
    took = time.monotonic() - begun
    proxy.close()
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < took / 2
    assert "does not answer in time" in ran.stderr


def test_the_backlog_of_a_long_outage_is_bounded_and_ends_stay(agent: str, caplog: pytest.LogCaptureFixture) -> None:
    with Answers(lambda _: None) as site:
        port = int(site.url.rpartition(":")[2])
        proxy = Proxy(("127.0.0.1", port))
        proxy.cut()
        with reporting_to(f"http://127.0.0.1:{proxy.port}") as reporter:
            reporter.jobs.backlog = Backlog(soft_bytes=60_000, hard_bytes=600_000)
            for number in range(100):
                job = begin(reporter, agent, id=f"job-{number}")
                job.progress(50, stage="half", message="x" * 200)
                job.progress(60)
                job.complete()
            proxy.mend()
            wait_until(lambda: reporter.flush(5), what="the backlog to be sent")
        ends = [line["id"] for line in site.lines if line.get("status") == "completed"]
        assert ends == [f"job-{number}" for number in range(100)]
        assert len(site.lines) < 300
        full = [words for words in warnings(caplog) if "the backlog was full" in words]
        assert len(full) == 1
        proxy.close()


# --- A site that says no


def test_a_line_that_is_refused_holds_up_no_other_and_is_told_once_with_the_sites_words(
    headway_site: Site, agent: str, caplog: pytest.LogCaptureFixture
) -> None:
    reporter = headway_site.reporter()
    for number in range(3):
        with headway_site.begin(f"{agent}/bad", reporter, id=f"bad-{number}"):
            pass
        with headway_site.begin(agent, reporter, id=f"good-{number}"):
            pass
    assert reporter.flush(20)
    assert {job["id"] for job in headway_site.of(agent)} == {"good-0", "good-1", "good-2"}
    assert len(warnings(caplog)) == 1
    assert "agent: should be 1 to 128 characters" in warnings(caplog)[0]


def test_what_no_site_keeps_is_left_out_before_it_is_sent(
    headway_site: Site, agent: str, caplog: pytest.LogCaptureFixture
) -> None:
    reporter = headway_site.reporter()
    nested: Any = "deep"
    for _ in range(31):
        nested = [nested]
    with headway_site.begin(agent, reporter, id="kept", metadata={"huge": 10**30, "nul\0": "\ud800"}) as job:
        job.result(nested)
    with headway_site.begin(agent, reporter, id="left-out", metadata={"long": "x" * 20_000}) as job:
        job.result([nested])
    assert reporter.flush(20)
    kept, left_out = headway_site.job(agent, "kept"), headway_site.job(agent, "left-out")
    assert (kept["metadata"], kept["result"]) == ({"huge": 1e30, "nul\ufffd": "?"}, nested)
    assert (left_out["metadata"], left_out["result"], left_out["status"]) == (None, None, "completed")
    assert len(warnings(caplog)) == 2


def test_an_end_whose_words_are_refused_arrives_without_them(agent: str) -> None:
    def answer(lines: list[Any]) -> Answer | None:
        rejected = [
            {"line": n, "detail": "error: not like this"} for n, line in enumerate(lines, 1) if "rude" in str(line)
        ]
        return 200, {}, json.dumps({"accepted": 1, "rejected": rejected}).encode()

    with Answers(answer) as site, reporting_to(site.url) as reporter:
        job = begin(reporter, agent)
        job.progress(40, stage="talk")
        job.fail("something rude")
        assert reporter.flush(20)
        last = site.lines[-1]
        assert (last["status"], last["error"]) == ("failed", "Its error could not be reported: error: not like this")


def test_a_wrong_token_is_told_once_and_not_shown(headway_site: Site, agent: str) -> None:
    code = f"""
import headway
with headway.job("refused", agent={agent!r}): pass
print(headway.flush(30))  # gives up at once: there is nothing to wait for
"""
    ran = headway_site.script(code, {"HEADWAY_INGEST_TOKEN": "a-secret-that-is-wrong"})
    assert (ran.returncode, ran.stdout) == (0, "False\n")
    assert ran.stderr.count("\n") == 1 and "401" in ran.stderr
    assert "a-secret" not in ran.stderr


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "HEADWAY_URL is not set"),
        ("nowhere", "is no http:// or https:// address"),
        ("http://user:a-secret@127.0.0.1:1", "Connection refused"),
        ("http://no-such-host.invalid", "does not take reports"),
    ],
    ids=["none", "no-address", "nobody-there", "no-such-host"],
)
def test_without_a_site_the_work_goes_on_with_one_warning(headway_site: Site, url: str, says: str) -> None:
    code = """
import headway
headway.configure(timeout=0.5)
for number in range(3):
    with headway.job("work") as job:
        job.progress(30, stage="upload")
print("done")
"""
    ran = headway_site.script(code, {"HEADWAY_URL": url})
    assert (ran.returncode, ran.stdout) == (0, "done\n")
    assert ran.stderr.count("\n") == 1 and says in ran.stderr
    assert "a-secret" not in ran.stderr


def test_a_site_that_asks_for_time_is_given_it(agent: str) -> None:
    times = list[float]()

    def answer(_: list[Any]) -> Answer | None:
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}, b"{}") if len(times) == 1 else None

    with Answers(answer) as site, reporting_to(site.url) as reporter:
        begin(reporter, agent).complete()
        wait_until(lambda: len(times) > 1, what="the second try")
        assert times[1] - times[0] >= 1
        wait_until(lambda: reporter.flush(1), what="the end")
        assert {line["status"] for line in site.requests[-1]} == {"processing", "completed"}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507])
def test_an_ill_site_gets_the_same_lines_again(agent: str, status: int) -> None:
    with Answers(lambda _: (status, {}, b"oops") if len(site.requests) == 1 else None) as site:
        with reporting_to(site.url) as reporter:
            begin(reporter, agent).complete()
            wait_until(lambda: reporter.flush(5), what="the end")
        assert site.requests[0][0] == site.requests[1][0]


def test_a_batch_that_is_too_large_for_a_proxy_goes_in_halves(agent: str) -> None:
    def answer(lines: list[Any]) -> Answer | None:
        return (413, {}, b"<html>") if len(lines) > 3 else None

    with Answers(answer) as site, reporting_to(site.url) as reporter:
        with reporter.lock:
            for number in range(20):
                begin(reporter, agent, id=f"job-{number}").complete()
        wait_until(lambda: reporter.flush(5), what="the end")
        taken = [line for lines in site.requests if len(lines) <= 3 for line in lines]
        assert len([line for line in taken if line["status"] == "completed"]) == 20


@pytest.mark.parametrize(
    "answer",
    [(200, {}, b"<html>a shop</html>"), (404, {}, b"no"), (308, {"Location": "https://x/"}, b"")],
    ids=["page", "404", "elsewhere"],
)
def test_an_address_where_no_headway_is_gets_one_try_a_minute(
    agent: str, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    with Answers(lambda _: answer) as site, reporting_to(site.url) as reporter:
        begin(reporter, agent).complete()
        assert not reporter.flush(5), "it waits for what will not come"
        assert len(site.requests) <= 2, "once by itself, and once because of the flush"
        assert len(warnings(caplog)) == 1


def test_the_addresss_path_goes_before_the_apis(agent: str) -> None:
    with Answers(lambda _: (200, {}, TAKEN)) as site, reporting_to(f"{site.url}/live/") as reporter:
        begin(reporter, agent).complete()
        assert reporter.flush(20)
        assert set(site.paths) == {"/live/api/v1/queue/batch"}


def test_a_certificate_has_to_be_one_that_is_trusted(headway_site: Site, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=site", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    code = "import headway\nwith headway.job('work'): pass"
    with Answers(lambda _: None, context) as site:
        ran = headway_site.script(code, {"HEADWAY_URL": site.url, "HEADWAY_INGEST_TOKEN": "a-secret"})
        assert "CERTIFICATE_VERIFY_FAILED" in ran.stderr
        assert not site.requests
        ran = headway_site.script(code, {"HEADWAY_URL": site.url, "SSL_CERT_FILE": str(cert)})
        assert (ran.returncode, ran.stderr) == (0, "")
        assert [line["status"] for line in site.lines] == ["processing", "completed"]
