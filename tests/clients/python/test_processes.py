"""Jobs are reported from whatever kind of process does the work."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.clients.python.conftest import Site
from tests.conftest import free_port, wait_until
from tests.serving import GUNICORN, ask


def test_a_fork_that_ends_without_a_word_to_python_has_told_its_job(headway_site: Site, agent: str) -> None:
    # As RQ does it: the parent reports too, and each job runs in a process of its own that leaves by os._exit.
    code = f"""
import headway, os
with headway.job("parent", id="parent", agent={agent!r}) as parent:
    for number in range(3):
        pid = os.fork()
        if not pid:
            with headway.job("child", id=f"child-{{number}}", agent={agent!r}) as job:
                job.progress(50, stage="work")
            os._exit(0)
        os.waitpid(pid, 0)
    parent.message("all done")
"""
    ran = headway_site.script(code)
    assert (ran.returncode, ran.stderr) == (0, "")
    jobs = {job["id"]: job for job in headway_site.of(agent)}
    assert {job["status"] for job in jobs.values()} == {"completed"}
    assert set(jobs) == {"parent", "child-0", "child-1", "child-2"}
    assert jobs["parent"]["message"] == "all done"


def test_a_fork_that_leaves_its_parents_job_does_not_end_it(headway_site: Site, agent: str) -> None:
    code = f"""
import headway, os, sys
with headway.job("shared", title="of both", id="shared", agent={agent!r}) as job:
    pid = os.fork()
    if not pid:
        job.progress(40, stage="in the child")
        sys.exit(0)
    os.waitpid(pid, 0)
    job.progress(60)
    job.fail("by the parent")
"""
    ran = headway_site.script(code)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = headway_site.job(agent, "shared")
    assert (found["status"], found["error"], found["progress"]) == ("failed", "by the parent", 60)
    assert (found["title"], found["failedStage"]) == ("of both", "in the child")


def test_a_pool_of_forked_processes_reports_while_threads_report_beside_it(headway_site: Site, agent: str) -> None:
    code = f"""
import headway, multiprocessing, threading
headway.configure(agent={agent!r})

@headway.tracked
def square(number):
    headway.current_job().progress(50)
    return number * number

def beside():
    for _ in headway.track(range(2000), "thread"): pass

threads = [threading.Thread(target=beside) for _ in range(3)]
for thread in threads: thread.start()
with multiprocessing.get_context("fork").Pool(3) as pool:
    assert pool.map(square, range(12)) == [number * number for number in range(12)]
for thread in threads: thread.join()
"""
    ran = headway_site.script(code)
    assert (ran.returncode, ran.stderr) == (0, "")
    titles = [(job["title"], job["status"]) for job in headway_site.of(agent)]
    assert sorted(titles) == [("square", "completed")] * 12 + [("thread", "completed")] * 3


def test_a_web_process_that_gunicorn_forked_from_a_loaded_app_reports(
    headway_site: Site, agent: str, tmp_path: Path
) -> None:
    (tmp_path / "prefork.py").write_text(f"""
import headway, os

headway.configure(agent={agent!r})
with headway.job("loading"):
    pass
headway.flush()

def app(environ, start_response):
    with headway.job("request", metadata={{"pid": os.getpid()}}) as job:
        job.progress(50)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
""")
    port = free_port()
    command = [str(GUNICORN), "--preload", "-w", "2", "-b", f"127.0.0.1:{port}", "--no-control-socket", "prefork:app"]
    env = headway_site.environment() | {"PYTHONWARNINGS": "default"}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)

    def asked() -> bool:
        try:
            return ask(port, "GET", "/").status == 200
        except OSError:
            return False

    try:
        wait_until(asked, what="the first answer")
        for _ in range(5):
            assert asked()
        found = wait_until(lambda: len(headway_site.of(agent)) == 7 and headway_site.of(agent), what="all jobs")
    finally:
        process.terminate()
        process.wait(20)
    assert {job["status"] for job in found} == {"completed"}
    assert process.pid not in {job["metadata"]["pid"] for job in found if job["title"] == "request"}


def test_a_signals_handler_may_report_whatever_it_interrupts(headway_site: Site, agent: str) -> None:
    code = f"""
import headway, os, signal, sys, threading
headway.configure(agent={agent!r})

def stop(number, frame):
    headway.current_job().fail("told to stop")
    sys.exit(7)

signal.signal(signal.SIGTERM, stop)
with headway.job("endless", id="endless") as job:
    print("ready", flush=True)
    while True:
        job.progress(50, message="busy")
"""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env=headway_site.environment(), stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 7
    process.stdout.close()
    assert headway_site.job(agent, "endless")["error"] == "told to stop"


def test_an_interrupted_program_tells_so_and_ends_as_it_would(headway_site: Site, agent: str) -> None:
    code = f"""
import headway, time
with headway.job("waiting", id="waiting", agent={agent!r}):
    print("ready", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(
        command, env=headway_site.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert headway_site.job(agent, "waiting")["message"] == "KeyboardInterrupt"


def test_a_program_that_is_killed_leaves_what_it_told(headway_site: Site, agent: str) -> None:
    code = f"""
import headway, os, signal
with headway.job("cut off", id="cut-off", agent={agent!r}) as job:
    job.progress(70, stage="late")
    headway.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert headway_site.script(code).returncode == -signal.SIGKILL
    found = headway_site.job(agent, "cut-off")
    assert (found["status"], found["current_step"], found["progress"]) == ("processing", "late", 70)
    again = headway_site.script(
        f"""
import headway
with headway.job("cut off", id="cut-off", agent={agent!r}) as job:
    job.progress(10, stage="early")
"""
    )
    assert again.returncode == 0
    found = headway_site.job(agent, "cut-off")
    assert [stage["name"] for stage in found["stages"]] == ["late", "early"], "it goes on under the same id"
    assert found["status"] == "completed"


def test_greenlets_report_as_threads_do(headway_site: Site, agent: str) -> None:
    code = f"""
from gevent import monkey; monkey.patch_all()
import gevent, headway
headway.configure(agent={agent!r})

def work(number):
    with headway.job(f"job-{{number}}") as job:
        for step in range(3):
            job.progress(step * 30, stage=f"stage-{{step}}")
            gevent.sleep(0.01)
            assert headway.current_job() is job

gevent.joinall([gevent.spawn(work, number) for number in range(20)], raise_error=True)
"""
    ran = headway_site.script(code, {"PYTHONWARNINGS": "default"})
    assert ran.returncode == 0, ran.stderr
    jobs = headway_site.of(agent)
    assert [job["status"] for job in jobs] == ["completed"] * 20
    assert all(len(job["stages"]) == 3 for job in jobs)
