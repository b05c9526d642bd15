"""A program's log lines arrive at a real site, whatever it logs and wherever."""

from __future__ import annotations

import json
import logging
import logging.config
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

import headway
from headway.batches import BATCH_LINES
from headway.job import Job
from headway.log_lane import LogBacklog, LogLine
from headway.reporter import Reporter
from headway.settings import read
from tests.clients.python.answers import Answer, Answers
from tests.clients.python.conftest import Site, forget
from tests.clients.python.test_delivery import reporting_to, warnings
from tests.conftest import TOKEN, wait_until
from tests.proxy import Proxy

Log = Callable[..., logging.Logger]


@pytest.fixture
def log(agent: str) -> Iterator[Log]:
    """A logger of the test's own that sends to a reporter, as lines of the test's own source."""
    found = logging.getLogger(f"a.{agent}")
    found.setLevel(logging.DEBUG)
    found.propagate = False

    def begin(reporter: Reporter, **options: Any) -> logging.Logger:
        found.addHandler(headway.LogHandler(reporter=reporter, **{"source": agent, **options}))
        return found

    yield begin
    found.handlers.clear()


def lines_of(site: Site, source: str) -> list[dict[str, Any]]:
    """What the site has of a source, oldest first."""
    found = site.server.get(f"/api/v1/logs?source={quote(source)}&limit=1000").json()["items"]
    return list(reversed(found))


def line(message: str = "x", number: int = 0) -> LogLine:
    return LogLine(f"{message}{number}", "info", "test", float(number))


# --- At a site


def test_records_arrive_in_order_with_their_level_time_and_words(headway_site: Site, agent: str, log: Log) -> None:
    reporter = headway_site.reporter()
    logger, before = log(reporter), time.time()
    logger.debug("fine")
    logger.info("reading %s", "a.mp4")
    reporter.log("odd \0 \ud800 <b>\x1b[31m", "warning", agent)  # pytest can't show such a record
    logger.error("bad")
    logger.critical("worse")
    logger.log(25, "between")
    assert reporter.flush(20)
    found = lines_of(headway_site, agent)
    assert [(one["level"], one["message"]) for one in found if "odd" not in one["message"]] == [
        ("debug", "fine"), ("info", "reading a.mp4"), ("error", "bad"), ("critical", "worse"), ("info", "between"),
    ]  # fmt: skip
    assert found[2]["message"].startswith("odd ") and "<b>" in found[2]["message"]
    assert all(one["job"] is None for one in found)
    told = [time.mktime(time.strptime(one["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone for one in found]
    assert all(before - 2 <= at <= time.time() + 2 for at in told)


def test_a_line_is_linked_to_the_job_that_its_thread_works_on(headway_site: Site, agent: str, log: Log) -> None:
    reporter = headway_site.reporter()
    logger = log(reporter)
    with headway_site.begin(agent, reporter, id="outer"):
        logger.info("in the job")
        other = threading.Thread(target=logger.info, args=("in no job",))
        other.start()
        other.join()
    handed_over = headway_site.begin(agent, reporter, id="handed-over")
    with handed_over.current():
        logger.info("by hand")
    handed_over.log("without logging", level="error", source=agent)
    logger.info("after")
    assert reporter.flush(20)
    assert [(one["message"], one["level"], one["job"]) for one in lines_of(headway_site, agent)] == [
        ("in the job", "info", "outer"), ("in no job", "info", None), ("by hand", "info", "handed-over"),
        ("without logging", "error", "handed-over"), ("after", "info", None),
    ]  # fmt: skip
    assert headway.current_job() is None


def test_a_traceback_comes_with_its_record_and_of_a_long_one_both_ends(
    headway_site: Site, agent: str, log: Log
) -> None:
    reporter = headway_site.reporter()
    logger = log(reporter)
    try:
        raise ValueError("no such codec" + "!" * 20_000 + " at last")
    except ValueError:
        logger.exception("giving up")
    assert reporter.flush(20)
    (found,) = lines_of(headway_site, agent)
    assert found["message"].startswith("giving up\nTraceback (most recent call last):\n")
    assert "ValueError: no such codec" in found["message"]
    assert "were cut here" in found["message"]
    assert found["message"].endswith(" at last")


def test_levels_formatters_and_sources_are_the_handlers_own(headway_site: Site, agent: str, log: Log) -> None:
    reporter = headway_site.reporter()
    logger = log(reporter, level=logging.WARNING, source=f" {agent}\n ")
    logger.handlers[-1].setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.info("too fine")
    logger.warning("shown")
    assert reporter.flush(20)
    assert [one["message"] for one in lines_of(headway_site, agent)] == [f"{logger.name}: shown"]


def test_a_programs_dict_of_configuration_names_the_handler(headway_site: Site, agent: str) -> None:
    code = f"""
import logging, logging.config
logging.config.dictConfig({{
    "version": 1,
    "formatters": {{"named": {{"format": "[%(name)s] %(message)s"}}}},
    "handlers": {{"site": {{"class": "headway.LogHandler", "level": "INFO", "source": {agent!r}, "formatter": "named"}}}},
    "root": {{"level": "DEBUG", "handlers": ["site"]}},
}})
logging.getLogger("shop").debug("too fine")
logging.getLogger("shop").info("open")
"""
    ran = headway_site.script(code)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [one["message"] for one in lines_of(headway_site, agent)] == ["[shop] open"]


@pytest.mark.parametrize(
    ("env", "source"), [({"HEADWAY_SOURCE": "named by the environment"}, "named by the environment"), ({}, "worker.py")]
)
def test_a_source_is_the_program_unless_said(headway_site: Site, agent: str, env: dict[str, str], source: str) -> None:
    code = f"import sys; sys.argv = ['/srv/worker.py']; import headway, logging\nlogging.getLogger().addHandler(headway.LogHandler())\nlogging.warning({agent!r})"
    assert headway_site.script(code, env).returncode == 0
    assert agent in [one["message"] for one in lines_of(headway_site, source)]


# --- Beside a program


def test_ten_thousand_lines_make_few_requests_hold_nobody_up_and_all_arrive(agent: str, log: Log) -> None:
    with Answers(lambda _: None) as site, reporting_to(site.url) as reporter:
        logger = log(reporter)
        for number in range(10_000):
            logger.info("line %d", number)
        assert reporter.flush(30)
        assert [one["message"] for one in site.lines] == [f"line {number}" for number in range(10_000)]
        assert len(site.requests) < 200
        assert set(site.paths) == {"/api/v1/logs"}


def test_the_packages_own_words_are_never_sent_nor_what_its_thread_logs(agent: str, log: Log) -> None:
    with Answers(lambda _: None) as site, reporting_to(site.url) as reporter:
        logger = log(reporter)
        logging.getLogger("headway").addHandler(logger.handlers[-1])
        original = reporter.logs.send

        # As where a tracing library logs each request, in the thread that sends.
        def traced(*args: Any) -> None:
            logger.info("sending")
            original(*args)

        reporter.logs.send = traced  # type: ignore[method-assign]
        logging.getLogger("headway").warning("ours")
        logger.info("theirs")
        assert reporter.flush(20)
        logging.getLogger("headway").removeHandler(logger.handlers[-1])
        assert [one["message"] for one in site.lines] == ["theirs"]


def test_a_record_that_cannot_be_formatted_is_told_as_logging_does_and_costs_no_other(
    headway_site: Site, agent: str
) -> None:
    code = f"""
import headway, logging
logging.basicConfig(handlers=[headway.LogHandler(source={agent!r})], level=logging.INFO, format="%(message)s")
logging.info("%d pieces", "no number")
logging.info("fine")
"""
    ran = headway_site.script(code)
    assert ran.returncode == 0
    assert "Logging error" in ran.stderr
    assert [one["message"] for one in lines_of(headway_site, agent)] == ["fine"]


def test_without_a_site_logging_goes_on_with_one_warning(headway_site: Site) -> None:
    code = """
import headway, logging
headway.configure(timeout=0.3)
logging.basicConfig(handlers=[headway.LogHandler(), logging.StreamHandler()], level=logging.INFO, format="%(message)s")
headway.tile("users", 3)
headway.notify("hello")
with headway.job("work"):
    logging.info("working")
"""
    for url in ("", "http://no-such-host.invalid"):
        ran = headway_site.script(code, {"HEADWAY_URL": url})
        assert ran.returncode == 0
        assert "working\n" in ran.stderr
        assert ran.stderr.count("Headway: ") == 1, ran.stderr


def test_where_only_the_site_hears_a_programs_log_its_own_faults_are_told_on_standard_error(headway_site: Site) -> None:
    code = """
import headway, logging
logging.basicConfig(handlers=[headway.LogHandler()], level=logging.INFO)
logging.warning("theirs")
"""
    ran = headway_site.script(code, {"HEADWAY_INGEST_TOKEN": "wrong"})
    assert ran.returncode == 0
    assert ran.stderr.count("\n") == 1 and "does not take log lines (it answers 401" in ran.stderr


def test_forked_processes_each_send_their_own_lines(headway_site: Site, agent: str) -> None:
    code = f"""
import headway, logging, multiprocessing, os
logging.basicConfig(handlers=[headway.LogHandler(source={agent!r})], level=logging.INFO, format="%(message)s")
logging.info("parent")

def work(number):
    logging.info("child %d", number)

pid = os.fork()
if not pid:
    with headway.job("child", agent={agent!r}, id="forked"):
        logging.info("leaves at once")
    os._exit(0)
os.waitpid(pid, 0)
children = [multiprocessing.get_context("fork").Process(target=work, args=(number,)) for number in range(3)]
for child in children: child.start()
for child in children: child.join()
"""
    ran = headway_site.script(code)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = {one["message"]: one["job"] for one in lines_of(headway_site, agent)}
    assert found == {"parent": None, "leaves at once": "forked", "child 0": None, "child 1": None, "child 2": None}


# --- A site that is away


def test_lines_wait_for_a_site_that_is_away_and_come_once(
    headway_site: Site, agent: str, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = Proxy(("127.0.0.1", headway_site.server.port))
    reporter, stop = headway_site.reporter(f"http://127.0.0.1:{proxy.port}"), threading.Event()
    logger = log(reporter)

    def cut() -> None:
        while not stop.wait(0.03):
            proxy.drop()

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        for number in range(150):
            logger.info("line %d", number)
            time.sleep(0.005)
    finally:
        stop.set()
        cutting.join()
    wait_until(lambda: reporter.flush(5), what="the rest to be sent")
    assert [one["message"] for one in lines_of(headway_site, agent)] == [f"line {number}" for number in range(150)]
    proxy.close()


def test_of_a_long_outage_the_newest_lines_are_kept_and_a_line_says_how_many_are_missing(
    agent: str, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    with Answers(lambda _: None) as site:
        proxy = Proxy(("127.0.0.1", int(site.url.rpartition(":")[2])))
        proxy.cut()
        with reporting_to(f"http://127.0.0.1:{proxy.port}") as reporter:
            reporter.logs.backlog = LogBacklog(most_lines=100)
            logger = log(reporter)
            with reporter.lock:  # so that none of it is under way
                for number in range(1_000):
                    logger.info("line %d", number)
            proxy.mend()
            wait_until(lambda: reporter.flush(5), what="the backlog to be sent")
        messages = [one["message"] for one in site.lines]
        assert messages[1:] == [f"line {number}" for number in range(900, 1_000)]
        assert messages[0].startswith("… 900 lines are missing here")
        assert [words for words in warnings(caplog) if "dropped" in words] == [
            "Headway: the backlog was full: 900 log lines were dropped"
        ]
        proxy.close()


def test_logs_that_are_not_taken_hold_up_no_job(agent: str, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    def answer(lines: list[Any]) -> Answer | None:
        if "message" not in lines[0] or "status" in lines[0]:
            return None
        return 507, {"Retry-After": "30"}, json.dumps({"detail": "no room"}).encode()

    with Answers(answer) as site, reporting_to(site.url) as reporter:
        logger = log(reporter)
        for number in range(5):
            with Job(f"job-{number}", reporter=reporter, agent=agent):
                logger.info("line %d", number)
        wait_until(
            lambda: sum(one.get("status") == "completed" for one in site.lines) == 5, what="the ends of all jobs"
        )
        assert not reporter.flush(0.5)
        assert len(warnings(caplog)) == 1
        assert "does not take log lines (it answers 507: no room); log lines wait until it does" in warnings(caplog)[0]
        forget(reporter)


def test_a_line_that_is_refused_is_told_once_and_costs_no_other(
    agent: str, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(lines: list[Any]) -> Answer | None:
        bad = [{"line": n, "detail": "message: not this"} for n, one in enumerate(lines, 1) if "bad" in one["message"]]
        return 200, {}, json.dumps({"accepted": 1, "rejected": bad}).encode()

    with Answers(answer) as site, reporting_to(site.url) as reporter:
        logger = log(reporter)
        for words in ("good", "bad", "bad", "good"):
            logger.info(words)
        assert reporter.flush(20)
        assert len(site.lines) == 4
        assert warnings(caplog) == [f"Headway: {site.url} refused a log line: message: not this"]


def test_a_batch_that_was_not_answered_is_sent_again_as_it_was() -> None:
    backlog = LogBacklog()
    for number in range(BATCH_LINES + 3):
        backlog.add(line(number=number))
    first = backlog.take()
    backlog.add(line("later"))
    backlog.restore(first)
    assert backlog.take() is first
    assert [one.message for one in backlog.take()] == ["x500", "x501", "x502", "later0"]
    assert not backlog


def test_the_bytes_that_wait_are_bounded_too() -> None:
    backlog = LogBacklog(most_bytes=100_000)
    for number in range(100):
        backlog.add(line("x" * 10_000, number))
    left = backlog.take()
    assert left[0].message.startswith("… 91 lines are missing here")
    assert len(left) == 10
    assert backlog.lost() == "91 log lines"


def test_a_site_of_todays_token_takes_lines(headway_site: Site, agent: str) -> None:
    headway.configure(headway_site.url, TOKEN, timeout=20)
    logger = logging.getLogger(f"b.{agent}")
    handler = headway.LogHandler(source=agent)
    logger.addHandler(handler)
    logger.warning("by the package's own reporter")
    logger.removeHandler(handler)
    assert headway.flush()
    assert len(lines_of(headway_site, agent)) == 1


def test_in_a_fork_the_ends_of_jobs_wait_for_logs_that_are_not_taken_once(agent: str, log: Log) -> None:
    def answer(lines: list[Any]) -> Answer | None:
        return (507, {}, b"{}") if "level" in lines[0] else None

    with Answers(answer) as site, reporting_to(site.url) as reporter:
        reporter.configure(read(site.url, "a-token", timeout=5))
        reporter.generation = 1  # as after a fork
        logger = log(reporter)

        def work() -> None:
            for number in range(10):
                with Job(f"job-{number}", reporter=reporter, agent=agent):
                    logger.info("line %d", number)
                ends = [one["id"] for lines in site.requests for one in lines if one.get("status") == "completed"]
                assert len(ends) == number + 1, "each end was sent before the next job began"

        with ThreadPoolExecutor(
            1
        ) as thread:  # in this one a browser's event loop may be running, which is never held up
            thread.submit(work).result()
        assert (reporter.jobs.waited_in_vain, reporter.logs.waited_in_vain) == (False, True)
        forget(reporter)
