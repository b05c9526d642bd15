"""What a job says of itself arrives at a real site, however the work ends."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

import headway
from headway.settings import read
from headway.text import MESSAGE, TITLE
from tests.clients.python.conftest import Site
from tests.conftest import TOKEN, run_async


@pytest.fixture
def reporting(headway_site: Site, agent: str) -> None:
    """The package's own reporter sends to the site, for jobs of this test's agent."""
    headway.configure(headway_site.url, TOKEN, agent=agent, timeout=20)


def test_a_job_tells_its_stages_progress_message_result_and_facts(headway_site: Site, agent: str) -> None:
    reporter = headway_site.reporter()
    with headway_site.begin(agent, reporter, title="a.mp4", id="one", metadata={"size": 3}) as job:
        job.stage("download", "from the archive")
        job.progress(30, stage="upload", message="half way")
        job.metadata(host="studio-1")
        job.progress(60)
        job.result({"frames": 7})
    assert reporter.flush(20)
    found = headway_site.job(agent, "one")
    assert (found["title"], found["status"], found["progress"]) == ("a.mp4", "completed", 100)
    assert [stage["name"] for stage in found["stages"]] == ["download", "upload"]
    assert (found["message"], found["result"]) == ("half way", {"frames": 7})
    assert found["metadata"] == {"name": "work", "size": 3, "host": "studio-1"}


def test_a_job_tells_what_it_is_found_by_and_odd_words_cost_no_report(headway_site: Site, agent: str) -> None:
    reporter = headway_site.reporter()
    tags = ["eu", "eu", " two words\n", "", *map(str, range(30))]
    with headway_site.begin(
        agent, reporter, queue=" mail\n", function="app.send", worker=300 * "w", tags=tags, id="named"
    ) as job:
        job.fail("it broke", error_type="app.Broken")
    with headway_site.begin(agent, reporter, id="one", tags="vip eu", queue="\n") as job:
        job.progress(5)
    assert reporter.flush(20)
    found, one = headway_site.job(agent, "named"), headway_site.job(agent, "one")
    assert (found["queue"], found["function"], found["error_type"]) == ("mail", "app.send", "app.Broken")
    assert (found["worker"][:2], len(found["worker"])) == ("ww", 200)
    assert (found["tags"][:3], len(found["tags"])) == (["eu", "two_words", "0"], 20)
    assert (one["tags"], one["queue"], one["status"]) == (["vip", "eu"], None, "completed")


def test_the_type_of_an_exception_is_known_to_the_site(headway_site: Site, agent: str) -> None:
    reporter = headway_site.reporter()
    with pytest.raises(LookupError), headway_site.begin(agent, reporter):
        raise LookupError("no such codec\n\nat all")
    assert reporter.flush(20)
    assert headway_site.only(agent)["error_type"] == "LookupError"


def test_a_jobs_name_is_its_title_where_none_is_given(headway_site: Site, agent: str) -> None:
    reporter = headway_site.reporter()
    with headway_site.begin(agent, reporter):
        pass
    assert reporter.flush(20)
    found = headway_site.only(agent)
    assert (found["title"], found["metadata"]) == ("work", None)


def test_an_exception_is_reported_with_its_last_frames_and_raised_again(headway_site: Site, agent: str) -> None:
    reporter = headway_site.reporter()

    def trip() -> None:
        raise ValueError("no such codec\nat line 3")

    with pytest.raises(ValueError, match="no such codec"), headway_site.begin(agent, reporter) as job:
        job.progress(40, stage="encode")
        trip()
    assert reporter.flush(20)
    found = headway_site.only(agent)
    assert (found["status"], found["failedStage"], found["progress"]) == ("failed", "encode", 40)
    assert found["message"] == "ValueError: no such codec at line 3"
    assert found["error"].startswith("ValueError: no such codec\nat line 3\n\n")
    assert 'raise ValueError("no such codec' in found["error"]


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [
        (SystemExit(), "completed", None),
        (SystemExit(0), "completed", None),
        (SystemExit(3), "failed", "Exit code 3"),
        (SystemExit("no disk"), "failed", "no disk"),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt"),
    ],
    ids=["exit", "exit-0", "exit-3", "exit-words", "interrupt"],
)
def test_a_program_that_ends_in_a_job_ends_it_as_it_ends_itself(
    headway_site: Site, agent: str, raised: BaseException, status: str, error: str | None
) -> None:
    reporter = headway_site.reporter()
    with pytest.raises(type(raised)), headway_site.begin(agent, reporter):
        raise raised
    assert reporter.flush(20)
    found = headway_site.only(agent)
    assert found["status"] == status
    assert found["error"] is None if error is None else found["error"].startswith(error)


def test_a_job_takes_nothing_after_its_end_until_it_is_tried_again(headway_site: Site, agent: str) -> None:
    reporter = headway_site.reporter()
    with headway_site.begin(agent, reporter, id="again") as job:
        job.stage("fetch")
        job.fail("the sender is not ready")
        job.progress(99)
    assert reporter.flush(20)
    found = headway_site.job(agent, "again")
    assert (found["status"], found["error"], found["progress"]) == ("failed", "the sender is not ready", 0)
    job.retry("in a minute")
    assert reporter.flush(20)
    assert headway_site.job(agent, "again")["status"] == "queued"
    job.start()
    job.complete({"rows": 3})
    assert reporter.flush(20)
    found = headway_site.job(agent, "again")
    assert (found["status"], found["attempt"], found["result"]) == ("completed", 2, {"rows": 3})
    assert [attempt["error"] for attempt in found["attempts"]] == ["the sender is not ready"]


def test_a_job_that_is_announced_here_is_worked_on_there(headway_site: Site, agent: str) -> None:
    here, there = headway_site.reporter(), headway_site.reporter()
    headway_site.begin(agent, here, id="handed-over").announce("in the queue")
    assert here.flush(20)
    assert headway_site.job(agent, "handed-over")["status"] == "queued"
    with headway_site.begin(agent, there, id="handed-over") as job:
        job.progress(50)
        assert there.flush(20)
        assert headway_site.job(agent, "handed-over")["status"] == "processing"
    assert there.flush(20)
    assert headway_site.only(agent)["status"] == "completed"


def test_odd_words_numbers_and_facts_cost_no_report(headway_site: Site, agent: str) -> None:
    reporter = headway_site.reporter()
    loop: list[Any] = []
    loop.append(loop)
    with headway_site.begin(agent, reporter, title="t" * 9_000, metadata={1: "a", "1": "b", "o": object}) as job:
        for odd in (-3, 300, float("nan"), "much", None):
            job.progress(odd)  # type: ignore[arg-type]
        job.progress(float("inf"), stage="line\none" * 50, message="nul \0, half \ud800, long " + "x" * 9_000)
        job.result(loop)
    assert reporter.flush(20)
    found = headway_site.only(agent)
    assert (len(found["title"]), len(found["message"])) == (TITLE, MESSAGE)
    assert found["message"].startswith("nul \ufffd, half ?, long xxx")
    assert found["current_step"].startswith("line oneline one")
    assert found["status"] == "completed"
    assert found["metadata"] == {"1": "b", "o": "<class 'object'>", "name": "work"}


@pytest.mark.usefixtures("reporting")
def test_threads_and_tasks_each_have_their_own_current_job(headway_site: Site, agent: str) -> None:
    async def task(name: str) -> None:
        with headway.job(name) as job:
            await asyncio.sleep(0)
            assert headway.current_job() is job

    async def tasks() -> None:
        await asyncio.gather(*(task(f"task-{number}") for number in range(5)))

    def thread(name: str) -> None:
        assert headway.current_job() is None
        with headway.job(name) as job:
            for percent in range(100):
                job.progress(percent)
            assert headway.current_job() is job

    with headway.job("outer") as outer:
        threads = [threading.Thread(target=thread, args=(f"thread-{number}",)) for number in range(5)]
        for one in threads:
            one.start()
        run_async(tasks())
        for one in threads:
            one.join()
        assert headway.current_job() is outer
    assert headway.current_job() is None
    assert headway.flush()
    assert [job["status"] for job in headway_site.of(agent)] == ["completed"] * 11


@pytest.mark.usefixtures("reporting")
def test_each_call_of_a_tracked_function_is_a_job(headway_site: Site, agent: str) -> None:
    @headway.tracked
    def plain(number: int) -> int:
        return number + 1

    @headway.tracked("encode", title=lambda path, **_: f"{path}.mp4")
    async def coroutine(path: str, quality: int = 1) -> str:
        job = headway.current_job()
        assert job is not None
        job.progress(50)
        raise RuntimeError(path)

    @headway.tracked(title=lambda: "never made")
    def generator(upto: int) -> Any:
        yield from range(upto)
        return upto

    assert plain(1) == 2
    with pytest.raises(RuntimeError, match="film"):
        run_async(coroutine("film", quality=3))
    assert list(generator(3)) == [0, 1, 2]
    assert headway.flush()
    found = {job["title"]: job["status"] for job in headway_site.of(agent)}
    assert found == {"plain": "completed", "film.mp4": "failed", "generator": "completed"}
    with pytest.raises(TypeError, match="asynchronous generator"):

        @headway.tracked
        async def endless() -> Any:
            yield 1


@pytest.mark.usefixtures("reporting")
def test_a_loop_is_a_job_that_counts(headway_site: Site, agent: str) -> None:
    assert list(headway.track(["a", "b"], "known", unit="files")) == ["a", "b"]
    assert list(headway.track(iter("abc"), "unknown")) == ["a", "b", "c"]
    for _ in headway.track(range(9), "left"):
        break
    with headway.track(range(4), "broken off") as rows:
        for row in rows:
            if row == 2:
                break
    with pytest.raises(KeyError), headway.track(range(4), "raised") as rows:
        for row in rows:
            raise KeyError(row)
    assert headway.flush()
    found = {job["title"]: (job["status"], job["message"]) for job in headway_site.of(agent)}
    assert found == {
        "known": ("completed", "2 of 2 files"),
        "unknown": ("completed", "3"),
        "left": ("failed", "Left after 0 of 9"),
        "broken off": ("completed", "2 of 4"),
        "raised": ("failed", "KeyError: 0"),
    }


@pytest.mark.usefixtures("reporting")
def test_a_loop_without_a_name_is_the_progress_of_the_job_that_it_is_in(headway_site: Site, agent: str) -> None:
    with headway.job("outer") as job:
        for number in headway.track(range(4)):
            if number == 3:
                job.fail("enough")
    assert headway.flush()
    found = headway_site.only(agent)
    assert (found["title"], found["status"]) == ("outer", "failed")
    assert found["progress"] > 0


@pytest.mark.usefixtures("reporting")
def test_a_programs_log_becomes_the_message_of_its_job(headway_site: Site, agent: str) -> None:
    log = logging.getLogger("a.program")
    handler = headway.LoggingHandler()
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        log.info("nobody's")
        with headway.job("logged"):
            log.info("reading %s", "a.mp4")
            log.debug("too fine")
        assert headway.flush()
    finally:
        log.removeHandler(handler)
    assert headway_site.only(agent)["message"] == "reading a.mp4"


def test_settings_come_from_the_environment_and_show_no_secret() -> None:
    env = {"HEADWAY_URL": "https://user:secret@site.example:8443/headway/", "HEADWAY_TOKEN": "admin-secret"}
    found = read(env=env)
    assert found.shown == "https://site.example:8443/headway"
    assert (found.token, found.agent, found.fault) == ("admin-secret", "default", None)
    assert "secret" not in repr(found)
    assert read(env=env | {"HEADWAY_INGEST_TOKEN": "narrow"}).token == "narrow"
    for url in ("", "headway", "ftp://site", "http://", "http://site:port", "http://[half"):
        assert read(url, env={}).fault, url
    assert "tok\n" not in str(read("http://site", "tok\n").fault)
    assert read("http://site", "tok\nen").fault
