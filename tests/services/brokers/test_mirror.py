"""What engines say becomes Headway's own jobs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core import keys
from core.site import Site
from services import job_events, jobs_service
from services.brokers import mirror, mirror_changes
from services.brokers.mirror_records import known_of, our_id
from services.brokers.model import LOST, EngineJob, Former
from services.job_changes import JobRef
from services.job_model import Job, to_ms
from tests.services import reports

AGENT = "mail-workers"


@pytest.fixture
def now_ms(site: Site) -> int:
    return int(site.clock() * 1000)


@pytest.fixture
def say(parted_site: Site) -> Callable[..., Job]:
    """Takes what the engine says of the job `one`, and answers Headway's."""

    def take(*told: dict[str, Any]) -> Job:
        mirror.take(parted_site, AGENT, "rq", [EngineJob(**{"id": "one", "queue": "mail", **each}) for each in told])
        return job(parted_site, told[0].get("id", "one"))

    return take


def job(site: Site, id: str = "one") -> Job:
    found = jobs_service.get(site, JobRef(agent=AGENT, id=our_id(id)))
    assert isinstance(found, Job)
    return found


@pytest.fixture
def report(parted_site: Site) -> Callable[..., Job]:
    """Takes what the app itself reports of the job `one`, and answers Headway's."""

    def tell(id: str = "one", **fields: Any) -> Job:
        reports.batch(parted_site, {"agent": AGENT, "id": id, **fields})
        return job(parted_site, id)

    return tell


def events(site: Site) -> int:
    return sum(int(site.store.redis.xlen(keys.EVENTS.at(each))) for each in range(site.store.partitions))


def test_a_job_is_followed_from_its_queue_to_its_end_with_its_engines_times(
    say: Callable[..., Job], now_ms: int
) -> None:
    waits = {"function": "app.send", "title": "app.send(1)", "created_ms": now_ms - 900, "enqueued_ms": now_ms - 800}
    queued = say({"state": "queued", **waits, "metadata": {"args": [1]}, "tags": ("eu", "bulk")})
    assert (queued.status, queued.state, queued.queue, queued.function) == ("queued", "queued", "mail", "app.send")
    assert (queued.title, queued.engine, queued.tags, queued.metadata) == (
        "app.send(1)",
        "rq",
        ("eu", "bulk"),
        '{"args":[1]}',
    )
    assert [to_ms(at) for at in (queued.created_at, queued.enqueued_at) if at] == [now_ms - 900, now_ms - 800]
    began = say(
        {"state": "started", **waits, "worker": "w1", "started_ms": now_ms - 500, "progress": 40.0, "stage": "send"}
    )
    assert (began.status, began.worker, began.progress, began.stage) == ("processing", "w1", 40, "send")
    ended = say(
        {"state": "finished", **waits, "started_ms": now_ms - 500, "ended_ms": now_ms - 100, "result": {"sent": 1}}
    )
    assert (ended.status, ended.state, ended.progress, ended.result) == ("completed", "finished", 100, '{"sent":1}')
    assert ended.started_at and ended.finished_at and ended.attempt == 1
    assert [to_ms(at) for at in (ended.started_at, ended.finished_at)] == [now_ms - 500, now_ms - 100]


def test_what_is_so_already_tells_no_event(say: Callable[..., Job], parted_site: Site, now_ms: int) -> None:
    told = [
        {"id": "a", "state": "queued", "enqueued_ms": now_ms, "title": "x" * 600, "tags": ("eu",), "metadata": {"args": [1.5, "é"]}},
        {"id": "b", "state": "started", "started_ms": now_ms, "progress": 120.0, "stage": "a\nb", "worker": "w" * 300},
        {"id": "c", "state": "failed", "started_ms": now_ms - 9, "ended_ms": now_ms, "error": "e" * 20_000 + "\nValueError: no"},
        {"id": "d", "state": "scheduled", "due_ms": now_ms + 9_000, "metadata": {"long": "x" * 20_000}},
        {"id": "e", "state": "canceled", "message": "\ud800\0"},
        {"id": "f", "state": "retrying", "error": "ValueError: no", "due_ms": now_ms + 50},
        {"id": "no id of ours", "state": "queued"},
        {"id": "17", "state": "queued", "queue": "a queue\n", "metadata": {"twice": [1]}},
    ]  # fmt: skip
    say(*told)
    before = events(parted_site)
    say(*told)
    say(*told)
    assert events(parted_site) == before


def test_a_wait_of_a_new_job_is_told_once(say: Callable[..., Job], parted_site: Site, now_ms: int) -> None:
    say({"state": "queued", "enqueued_ms": now_ms})
    assert events(parted_site) == 1


def test_an_end_of_long_ago_is_history_and_no_news(say: Callable[..., Job], parted_site: Site, now_ms: int) -> None:
    long_ago = now_ms - 3_600_000
    ended = say({"state": "finished", "created_ms": long_ago - 9, "started_ms": long_ago - 5, "ended_ms": long_ago})
    assert to_ms(ended.created_at) == long_ago - 9 and ended.finished_at and to_ms(ended.finished_at) == long_ago
    partition = parted_site.store.partition_of(AGENT)
    assert not parted_site.store.redis.exists(keys.TOTALS.at(partition))
    say({"id": "waits", "state": "queued", "created_ms": long_ago})
    assert events(parted_site) == 1  # of what was imported


def test_a_job_that_was_seen_before_ends_by_its_engines_time_however_late_that_is_told(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    say({"state": "started", "started_ms": now_ms - 3_600_000})
    ended = say(
        {"state": "failed", "started_ms": now_ms - 3_600_000, "ended_ms": now_ms - 1_800_000, "error": "KeyError: 'x'"}
    )
    assert ended.finished_at and to_ms(ended.finished_at) == now_ms - 1_800_000
    assert (
        parted_site.store.redis.hget(keys.TOTALS.at(parted_site.store.partition_of(AGENT)), f"{AGENT}\tfailed") == "1"
    )


def test_a_failure_tells_its_type_by_the_engine_or_by_its_text(say: Callable[..., Job]) -> None:
    error = 'Traceback (most recent call last):\n  File "x.py", line 1\nsmtplib.SMTPServerDisconnected: gone'
    assert say({"state": "failed", "error": error}).error_type == "smtplib.SMTPServerDisconnected"
    assert say({"id": "two", "state": "failed", "error": error, "error_type": "Gone"}).error_type == "Gone"


def test_of_a_long_error_the_end_is_kept(say: Callable[..., Job]) -> None:
    error = say({"state": "failed", "error": "Traceback\n" + "  a line\n" * 10_000 + "ValueError: no such user"}).error
    assert error and len(error) <= 16_000
    assert error.startswith("Traceback") and error.endswith("ValueError: no such user")


@pytest.mark.parametrize("state", ["stopped", "canceled", "deleted"])
def test_an_end_of_which_nobody_says_more_says_what_it_was(say: Callable[..., Job], state: str) -> None:
    assert (say({"state": state}).message or "") == {
        "stopped": "It was stopped at work", "canceled": "It was canceled", "deleted": "Its engine knows it no longer",
    }[state]  # fmt: skip


def test_canceled_and_deleted_jobs_count_as_no_failures(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    say({"state": "canceled", "ended_ms": now_ms})
    say({"id": "two", "state": "queued"})
    mirror.gone(parted_site, AGENT, ["two"])
    counts = jobs_service.counts(parted_site, AGENT)
    assert (counts["failed"], counts["canceled"]) == (0, 2)
    assert not parted_site.store.redis.exists(keys.TOTALS.at(parted_site.store.partition_of(AGENT)))


def test_what_the_engine_knows_no_more_is_deleted_unless_it_had_ended(
    say: Callable[..., Job], parted_site: Site
) -> None:
    say({"state": "queued"}, {"id": "done", "state": "finished"}, {"id": "odd id", "state": "started"})
    mirror.gone(parted_site, AGENT, ["one", "done", "odd id", "never seen"])
    assert (job(parted_site).status, job(parted_site).state) == ("failed", "deleted")
    assert job(parted_site, "odd id").state == "deleted"
    assert job(parted_site, "done").state == "finished"


def test_a_deleted_job_that_its_engine_has_after_all_begins_anew(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    say({"state": "queued", "enqueued_ms": now_ms})
    mirror.gone(parted_site, AGENT, ["one"])
    back = say({"state": "queued", "enqueued_ms": now_ms})
    assert (back.state, back.status, back.attempt) == ("queued", "queued", 2)


def test_a_failed_job_that_is_queued_again_is_another_attempt(say: Callable[..., Job], now_ms: int) -> None:
    say(
        {
            "state": "failed",
            "started_ms": now_ms - 90,
            "ended_ms": now_ms - 80,
            "error": "E: 1",
            "enqueued_ms": now_ms - 99,
            "worker": "w",
        }
    )
    again = say({"state": "queued", "enqueued_ms": now_ms - 50})
    assert (again.attempt, again.status, again.error, again.worker, again.error_type) == (2, "queued", None, None, None)
    assert [(one.attempt, one.status, one.error) for one in again.attempts] == [(1, "failed", "E: 1")]


def test_a_retry_shows_how_the_attempt_before_went(say: Callable[..., Job], parted_site: Site, now_ms: int) -> None:
    say({"state": "started", "started_ms": now_ms - 90, "worker": "w1"})
    retrying = say({"state": "retrying", "error": "Traceback…\nE: 1", "ended_ms": now_ms - 80, "due_ms": now_ms + 50})
    assert (retrying.attempt, retrying.status, retrying.state, retrying.error) == (2, "queued", "retrying", None)
    assert retrying.message == "E: 1" and retrying.due_at
    (first,) = retrying.attempts
    assert (first.attempt, first.status, first.error, first.seconds) == (1, "failed", "Traceback…\nE: 1", 0.01)
    began = say({"state": "started", "started_ms": now_ms + 60, "worker": "w2"})
    assert (began.attempt, began.worker, began.due_at, began.message) == (2, "w2", None, None)
    done = say({"state": "finished", "started_ms": now_ms + 60, "ended_ms": now_ms + 70})
    assert (done.attempt, done.status, done.error, done.message, len(done.attempts)) == (2, "completed", None, None, 1)
    totals = parted_site.store.redis.hgetall(keys.TOTALS.at(parted_site.store.partition_of(AGENT)))
    assert totals[f"{AGENT}\tcompleted"] == "1" and f"{AGENT}\tfailed" not in totals


def test_an_engine_that_counts_attempts_tells_of_those_that_nobody_saw(say: Callable[..., Job], now_ms: int) -> None:
    say({"state": "reserved", "attempt": 1, "enqueued_ms": now_ms - 900})
    begun = say({"state": "started", "attempt": 3, "started_ms": now_ms - 500})
    assert (begun.attempt, [each.attempt for each in begun.attempts]) == (3, [1])
    lost = say({"state": "started", "attempt": 2, "started_ms": now_ms - 300})
    assert lost.attempt == 4, "Headway's own count never goes back"
    ended = say({"state": "finished", "attempt": 2, "started_ms": now_ms - 300, "ended_ms": now_ms - 200})
    assert ended.attempt == 4
    assert say({"state": "finished", "attempt": 9, "ended_ms": now_ms - 200}).attempt == 4, "an end is told once"
    first = say({"id": "two", "state": "retrying", "attempt": 2, "due_ms": now_ms + 900})
    assert (first.attempt, list(first.attempts)) == (2, [])


def test_what_was_concluded_of_a_lost_worker_gives_way_to_what_the_engine_says(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    began = {"state": "started", "started_ms": now_ms - 90}
    lost = {**began, "state": "failed", "ended_ms": now_ms - 50, "error": f"{LOST}w1 was heard of no more"}
    assert say(began, lost).error_type == "WorkerLostError"
    before = events(parted_site)
    assert say(lost).attempt == 1
    assert events(parted_site) == before
    done = say({**began, "state": "finished", "ended_ms": now_ms - 60, "result": 5})  # by a clock that is behind
    assert (done.attempt, done.state, done.result, done.error) == (2, "finished", "5", None)
    assert [one.error for one in done.attempts] == [lost["error"]]
    assert say({"id": "two", **began}, {"id": "two", **lost}, {"id": "two", **began, "state": "finished", "ended_ms": now_ms}).state == "finished"  # fmt: skip
    failed = {**began, "state": "failed", "ended_ms": now_ms - 50, "error": "billiard.WorkerLostError: exited"}
    say({"id": "three", **failed})
    assert say({"id": "three", **began, "state": "finished", "ended_ms": now_ms}).state == "failed"


def test_changes_that_are_made_twice_come_to_the_same(site: Site, now_ms: int) -> None:
    run = [{name: now_ms + value if name.endswith("_ms") else value for name, value in each.items()} for each in RUN]
    for many in range(1, len(run) + 1):
        told = [EngineJob(**{"id": f"run-{many}", "queue": "mail", **each}) for each in run[:many]]
        made = mirror_changes.changes((AGENT, f"run-{many}", "celery", f"run-{many}"), None, told, now_ms)
        jobs_service.apply_all(site, AGENT, made)
        once = job(site, f"run-{many}")
        jobs_service.apply_all(site, AGENT, made)
        assert replace(job(site, f"run-{many}"), updated_at=once.updated_at) == once


def test_a_later_start_is_another_attempt_also_where_its_queueing_was_missed(
    say: Callable[..., Job], now_ms: int
) -> None:
    say({"state": "started", "started_ms": now_ms - 90})
    assert say({"state": "started", "started_ms": now_ms - 90, "progress": 5.0}).attempt == 1
    assert say({"state": "started", "started_ms": now_ms - 50}).attempt == 2
    ended = say({"state": "finished", "started_ms": now_ms - 20, "ended_ms": now_ms - 10})
    assert (ended.attempt, [one.status for one in ended.attempts]) == (3, ["failed", "failed"])
    again = say({"state": "failed", "started_ms": now_ms - 5, "ended_ms": now_ms, "error": "E: 1"})
    assert (again.attempt, [one.status for one in again.attempts]) == (4, ["failed", "failed", "completed"])


def test_what_is_told_late_of_an_earlier_attempt_is_put_to_it(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    say({"state": "started", "attempt": 1, "started_ms": now_ms - 90})
    say({"state": "started", "attempt": 3, "started_ms": now_ms - 50})
    late = {"state": "started", "attempt": 3, "started_ms": now_ms - 50, "former": (
        Former(attempt=2, started_ms=now_ms - 70, ended_ms=now_ms - 60, error="E: 2"), Former(attempt=1, error="E: 1"))}  # fmt: skip
    told = say(late)
    assert (told.attempt, told.state) == (3, "started")
    assert [(one.attempt, one.status, one.error) for one in told.attempts] == [
        (1, "failed", "E: 1"),
        (2, "failed", "E: 2"),
    ]
    assert [to_ms(one.started_at) - now_ms for one in told.attempts if one.started_at] == [-90, -70]
    before = events(parted_site)
    say(late)
    assert events(parted_site) == before


@pytest.mark.parametrize(
    ("reported", "said", "state"),
    [
        ("completed", {"state": "finished", "result": 5}, "finished"),
        ("completed", {"state": "canceled"}, "finished"),
        ("completed", {"state": "deleted"}, "finished"),
        ("failed", {"state": "failed", "error": "E: 2"}, "failed"),
        ("failed", {"state": "stopped"}, "stopped"),
        ("failed", {"state": "finished", "result": 5}, "failed"),
        ("failed", {"state": "deleted"}, "failed"),
    ],
)
def test_an_end_that_the_app_reported_stands_and_the_engines_own_settles_its_state(
    say: Callable[..., Job],
    report: Callable[..., Job],
    parted_site: Site,
    now_ms: int,
    reported: str,
    said: Any,
    state: str,
) -> None:
    began = {"started_ms": now_ms - 90, "enqueued_ms": now_ms - 99}
    say({"state": "queued", **began})
    ended = report(status=reported, **({"result": 7} if reported == "completed" else {"error": "E: 1"}))
    assert say({"state": "started", **began}).status == reported
    before = events(parted_site)
    for _ in range(2):
        settled = say({**began, "ended_ms": now_ms + 900, **said})
        assert (settled.status, settled.state, settled.attempt) == (reported, state, 1)
        assert (settled.finished_at, settled.result, settled.error) == (ended.finished_at, ended.result, ended.error)
        assert events(parted_site) == before + 1, "it settles once"
    assert mirror.held(parted_site, AGENT, "mail", "queued") == []
    assert len(mirror.held(parted_site, AGENT, "mail", settled.state or "queued")) == 1
    counts = jobs_service.counts(parted_site, AGENT)
    assert (counts["completed"], counts["failed"]) == ((1, 0) if reported == "completed" else (0, 1))


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_that_a_job_failed_in_its_engine_after_its_app_had_reported_it_as_completed_is_another_attempt(
    say: Callable[..., Job], report: Callable[..., Job], now_ms: int, state: str
) -> None:
    began = {"started_ms": now_ms - 90, "enqueued_ms": now_ms - 99}
    say({"state": "started", **began})
    report(status="completed")
    for _ in range(2):
        failed = say({"state": state, **began, "ended_ms": now_ms + 900, "error": "E: 1"})
        assert (failed.status, failed.state, failed.error, failed.attempt) == ("failed", state, "E: 1", 2)
        assert [one.status for one in failed.attempts] == ["completed"]
    again = say({"state": "queued", "enqueued_ms": now_ms + 950})
    assert (again.state, again.attempt) == ("queued", 3)


def test_a_failure_that_was_read_before_its_app_reported_it_as_completed_is_told_all_the_same(
    say: Callable[..., Job], report: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    say({"state": "started", "started_ms": now_ms - 90})
    failed = EngineJob(id="one", state="failed", started_ms=now_ms - 90, ended_ms=now_ms, error="E: 1")
    aimed: mirror_changes.Aim = (AGENT, "one", "rq", "one")
    made = mirror_changes.changes(aimed, known_of(parted_site, AGENT, ["one"])[0], [failed], now_ms)
    report(status="completed")
    for _ in range(2):
        jobs_service.apply_all(parted_site, AGENT, made)
        told = job(parted_site)
        assert (told.status, told.state, told.error, told.attempt) == ("failed", "failed", "E: 1", 2)


def test_a_job_that_begins_after_its_app_reported_the_end_is_another_attempt(
    say: Callable[..., Job], report: Callable[..., Job], now_ms: int
) -> None:
    say({"state": "started", "started_ms": now_ms - 90})
    report(status="completed")
    assert say({"state": "started", "started_ms": now_ms + 60_000}).attempt == 2


@pytest.mark.parametrize("ahead_ms", [-500, 500])
@pytest.mark.parametrize("seen", [[], ["started"], ["queued", "started"]])
def test_a_run_that_its_app_reports_too_is_one_attempt_though_the_workers_clock_is_off(
    say: Callable[..., Job], report: Callable[..., Job], now_ms: int, seen: list[str], ahead_ms: int
) -> None:
    waits = {"enqueued_ms": now_ms - 1_000}
    began = {**waits, "started_ms": now_ms + ahead_ms, "worker": "w1"}
    ended = {**began, "state": "finished", "ended_ms": now_ms + 60 + ahead_ms}
    if "queued" in seen:
        say({"state": "queued", **waits})
    report(status="processing")
    if "started" in seen:
        say({"state": "started", **began})
        say({"state": "started", **began, "progress": 5.0})
    report(status="completed")
    for _ in range(2):
        told = say(ended)
        assert (told.status, told.state, told.attempt, told.attempts) == ("completed", "finished", 1, ())
    again = say({**ended, "started_ms": now_ms + 2_000, "ended_ms": now_ms + 3_000})
    assert (again.attempt, again.state) == (2, "finished"), "by the worker's own clock it began once more"


def test_a_job_that_its_app_reported_first_becomes_its_engines_and_keeps_its_title(
    say: Callable[..., Job], report: Callable[..., Job], now_ms: int
) -> None:
    own = {"function": "app.send", "title": "app.send(1)", "enqueued_ms": now_ms}
    for id in ("one", "17"):
        report(our_id(id), title="Greetings", status="queued")
        mine = say({"id": id, "state": "queued", **own})
        assert (mine.engine, mine.engine_id, mine.title) == ("rq", None if id == "one" else id, "Greetings")
    assert (mine.state, mine.function, mine.attempt) == ("queued", "app.send", 1)
    again = say(
        {"state": "started", **own, "started_ms": now_ms + 5}, {"state": "started", **own, "started_ms": now_ms + 50}
    )
    assert (again.title, again.engine, again.attempt) == ("Greetings", "rq", 2)
    report("untitled", status="processing")
    assert say({"id": "untitled", "state": "started", **own}).title == "app.send(1)"


def test_a_job_that_was_reported_to_its_end_before_its_engine_was_asked_becomes_its_engines(
    say: Callable[..., Job], report: Callable[..., Job], now_ms: int
) -> None:
    report(status="completed")
    told = say(
        {"state": "finished", "function": "f", "title": "f()", "started_ms": now_ms - 90, "ended_ms": now_ms + 90}
    )
    assert (told.engine, told.queue, told.function, told.title) == ("rq", "mail", "f", "f()")
    assert (told.status, told.state, told.attempt) == ("completed", "finished", 1)


def test_what_a_job_says_at_work_is_not_said_of_its_creation(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    say({"state": "started", "started_ms": now_ms - 90, "progress": 50.0, "message": "half"})
    partition = parted_site.store.partition_of(AGENT)
    entries: Any = parted_site.store.raw.xrange(keys.EVENTS.at(partition))
    told = [job_events.decode(entry[b"e"]) for _, entry in entries]
    assert [(one.status, one.message) for one in told] == [("queued", ""), ("processing", "half")]


def test_older_news_changes_nothing(say: Callable[..., Job], parted_site: Site, now_ms: int) -> None:
    queued = {"state": "queued", "enqueued_ms": now_ms - 99}
    began = {"state": "started", "started_ms": now_ms - 90, "enqueued_ms": now_ms - 99}
    ended = {**began, "state": "finished", "ended_ms": now_ms - 50}
    say(began)
    assert say(queued).status == "processing"
    say(ended)
    before = events(parted_site)
    for late in (
        queued,
        {**queued, "state": "reserved"},
        began,
        {"state": "started", "progress": 50.0},
        ended,
        {"state": "queued"},
    ):
        assert say(late).attempt == 1
    assert events(parted_site) == before


def test_attempts_are_kept_as_many_as_a_record_takes(say: Callable[..., Job], now_ms: int) -> None:
    for turn in range(25):
        at = now_ms - 1_000 + 20 * turn
        last = say(
            {"state": "started", "started_ms": at}, {"state": "retrying", "error": "x" * 9_000, "ended_ms": at + 10}
        )
    assert last.attempt == 26
    assert [one.attempt for one in last.attempts][-3:] == [23, 24, 25]
    assert sum(len(one.error or "") for one in last.attempts) <= 64 * 1024


def test_a_batch_says_all_of_a_job_at_once_and_loses_none_of_its_times(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    waits = {
        "state": "queued",
        "created_ms": now_ms - 99,
        "enqueued_ms": now_ms - 98,
        "metadata": {"args": [1]},
        "function": "f",
    }
    ended = say(
        waits,
        {"state": "started", "started_ms": now_ms - 50, "worker": "w1", "stage": "send"},
        {"state": "started", "progress": 70.0, "metadata": {"retries": 0}},
        {"state": "finished", "ended_ms": now_ms - 10, "result": 5},
    )
    assert (ended.status, ended.function, ended.worker, ended.stage, ended.result) == (
        "completed",
        "f",
        "w1",
        "send",
        "5",
    )
    assert ended.metadata == '{"args":[1],"retries":0}' and ended.attempt == 1
    told = (ended.created_at, ended.enqueued_at, ended.started_at, ended.finished_at)
    assert [to_ms(at) - now_ms for at in told if at] == [-99, -98, -50, -10]
    assert events(parted_site) == 2  # it came, and it ended


RUN: list[dict[str, Any]] = [
    {"state": "queued", "created_ms": -999, "enqueued_ms": -990, "function": "app.send"},
    {"state": "reserved", "enqueued_ms": -990, "worker": "w1"},
    {"state": "started", "started_ms": -900, "worker": "w1"},
    {"state": "started", "started_ms": -900, "worker": "w1", "progress": 50.0},
    {"state": "retrying", "due_ms": -700, "error": "E: 1", "ended_ms": -800},
    {"state": "reserved", "worker": "w2", "enqueued_ms": -700},
    {"state": "started", "started_ms": -600, "worker": "w2"},
    {"state": "failed", "started_ms": -600, "ended_ms": -500, "error": "E: 2"},
    {"state": "queued", "enqueued_ms": -400},
    {"state": "started", "started_ms": -300, "worker": "w3"},
    {"state": "finished", "started_ms": -300, "ended_ms": -200, "worker": "w3", "result": "ok"},
]
"""Times are in ms before now."""


def test_however_a_run_is_cut_into_batches_it_comes_to_the_same(site: Site, now_ms: int) -> None:
    run = [{name: now_ms + value if name.endswith("_ms") else value for name, value in each.items()} for each in RUN]
    parts = len(run) - 1
    ends = []
    for turn, cuts in enumerate(itertools.product((False, True), repeat=parts)):
        if turn % 7 and not all(cuts):
            continue
        id, batch = f"run-{turn}", list[EngineJob]()
        for each, is_cut in zip(run, (*cuts, True), strict=True):
            batch.append(EngineJob(**{"id": id, "queue": "mail", **each}))
            if is_cut:
                mirror.take(site, AGENT, "celery", batch)
                batch = []
        ended = job(site, id)
        ends.append((ended.status, ended.attempt, ended.worker, ended.result, ended.started_at, ended.finished_at, ended.created_at,
                     [(one.attempt, one.status, one.error, one.started_at, one.finished_at) for one in ended.attempts]))  # fmt: skip
    assert len(ends) > 100
    for end in ends:
        assert end == ends[-1]
    assert [attempt[:3] for attempt in ends[-1][-1]] == [(1, "failed", "E: 1"), (2, "failed", "E: 2")]
    totals = site.store.redis.hgetall(keys.TOTALS.at())
    assert (totals[f"{AGENT}\tcompleted"], totals[f"{AGENT}\tfailed"]) == (str(len(ends)), str(len(ends)))


def test_ids_that_are_none_of_ours_are_kept_beside_one_that_is(parted_site: Site) -> None:
    odd = ["a b", "17", "batch", "x" * 200, "é", "a/b", "\n", "", "half \ud800"]
    mirror.take(parted_site, AGENT, "celery", [EngineJob(id=id, state="queued", queue="mail") for id in odd])
    assert [job(parted_site, id).engine_id for id in odd[:-1]] == odd[:-1]
    assert len({our_id(id) for id in odd}) == len(odd)
    mirror.take(parted_site, AGENT, "celery", [EngineJob(id="a:good.one-1_", state="queued")])
    assert job(parted_site, "a:good.one-1_").engine_id is None


def test_what_is_held_in_a_state_is_listed_in_parts_by_the_engines_ids(parted_site: Site) -> None:
    ids = [f"job-{each}" for each in range(7)] + ["odd id"]
    mirror.take(parted_site, AGENT, "rq", [EngineJob(id=id, state="queued", queue="mail") for id in ids])
    mirror.take(parted_site, AGENT, "rq", [EngineJob(id="job-3", state="started", queue="mail")])
    mirror.take(parted_site, AGENT, "rq", [EngineJob(id="other", state="queued", queue="other")])
    found, after = list[str](), 0
    while part := mirror.held(parted_site, AGENT, "mail", "queued", after, limit=3):
        found += [id for _, id in part]
        after = part[-1][0]
    assert found == [id for id in ids if id != "job-3"]
    assert [id for _, id in mirror.held(parted_site, AGENT, "mail", "started")] == ["job-3"]


def test_a_step_called_completed_ends_no_job(say: Callable[..., Job]) -> None:
    assert say({"state": "started", "stage": "completed"}).status == "processing"


def test_what_is_too_long_for_a_record_is_told_of(say: Callable[..., Job]) -> None:
    told = say({"state": "finished", "metadata": {"args": ["x" * 20_000], "n": 1}, "result": ["y" * 20_000]})
    assert told.metadata == '{"args":"not shown: 20,004 bytes","n":1}'
    assert told.result == '"not shown: 20,004 bytes"'


@pytest.mark.parametrize("state", ["canceled", "deleted"])
def test_what_was_ended_before_it_began_has_no_start(say: Callable[..., Job], now_ms: int, state: str) -> None:
    say({"id": "waited", "state": "queued", "created_ms": now_ms - 9_000, "enqueued_ms": now_ms - 9_000})
    waited = say({"id": "waited", "state": state, "ended_ms": now_ms - 500})
    assert waited.started_at is None
    assert to_ms(waited.finished_at or waited.created_at) == now_ms - 500
    begun = {"id": "begun", "created_ms": now_ms - 9_000, "started_ms": now_ms - 4_000}
    say({**begun, "state": "started"})
    assert to_ms(say({**begun, "state": state, "ended_ms": now_ms}).started_at or waited.created_at) == now_ms - 4_000


def test_what_is_known_by_its_end_alone_was_not_created_after_it_nor_begun_where_it_failed(
    say: Callable[..., Job], now_ms: int
) -> None:
    failed = say({"id": "failed", "state": "failed", "ended_ms": now_ms - 500, "error": "E: 1"})
    ended = say({"id": "ended", "state": "finished", "ended_ms": now_ms - 500})
    for job in (failed, ended):
        assert job.finished_at is not None
        assert [to_ms(at) for at in (job.created_at, job.finished_at)] == [now_ms - 500, now_ms - 500]
    assert (failed.started_at, ended.started_at) == (None, ended.created_at)


@pytest.mark.parametrize("is_sent_first", [True, False])
def test_a_job_was_created_before_all_else_that_is_known_of_it_in_whatever_order_clocks_tell(
    say: Callable[..., Job], now_ms: int, is_sent_first: bool
) -> None:
    # Celery's sender notes that it sent a task once its worker may have begun it.
    sent = {"state": "queued", "created_ms": now_ms - 87, "enqueued_ms": now_ms - 87}
    started = {"state": "started", "enqueued_ms": now_ms - 96, "started_ms": now_ms - 95}
    finished = {**started, "state": "finished", "ended_ms": now_ms - 20}
    order = [sent, started, finished] if is_sent_first else [started, sent, finished]
    job = [say(told) for told in order][-1]
    times = (job.created_at, job.enqueued_at, job.started_at, job.finished_at)
    assert [to_ms(at) for at in times if at] == [now_ms - 96, now_ms - 96, now_ms - 95, now_ms - 20]


def test_a_job_that_its_engine_knows_no_more_by_a_clock_behind_its_workers_did_not_end_before_it_began(
    say: Callable[..., Job], parted_site: Site, now_ms: int
) -> None:
    say({"state": "started", "created_ms": now_ms + 55_000, "started_ms": now_ms + 60_000})
    mirror.gone(parted_site, AGENT, ["one"])
    found = job(parted_site)
    assert found.started_at and found.finished_at
    assert found.created_at <= found.started_at <= found.finished_at


def test_no_stage_begins_after_the_end(say: Callable[..., Job], now_ms: int) -> None:
    began, ended = {"started_ms": now_ms - 2_000}, {"started_ms": now_ms - 2_000, "ended_ms": now_ms - 500}
    # Heard of while it was at work, a moment after it had ended.
    say({"state": "started", **began, "stage": "read"})
    assert spans(say({"state": "finished", **ended, "stage": "read"})) == [("read", now_ms - 500, now_ms - 500)]
    say({"id": "two", "state": "started", **began, "stage": "read"})
    assert spans(say({"id": "two", "state": "failed", **ended, "stage": "write", "error": "E: 1"})) == [
        ("read", now_ms - 500, now_ms - 500),
        ("write", now_ms - 500, now_ms - 500),
    ]


def test_a_job_whose_last_stage_alone_is_known_tells_no_times_of_it(say: Callable[..., Job], now_ms: int) -> None:
    ended = {"started_ms": now_ms - 2_000, "ended_ms": now_ms - 500, "stage": "write"}
    done = say({"state": "finished", **ended})
    failed = say({"id": "two", "state": "failed", "error": "E: 1", **ended})
    assert (done.stage, done.stages) == ("write", ())
    assert (failed.stage, failed.failed_stage, failed.stages) == ("write", "write", ())


def spans(job: Job) -> list[tuple[str, int, int]]:
    """Of stages that have ended."""
    return [(each.name, to_ms(each.started_at), to_ms(each.finished_at)) for each in job.stages if each.finished_at]


def test_a_title_is_the_function_where_none_was_told_and_is_never_taken_back_for_it(say: Callable[..., Job]) -> None:
    assert say({"state": "queued", "function": "app.send"}).title == "app.send"
    assert say({"state": "started", "function": "app.send", "title": "app.send(1)"}).title == "app.send(1)"
    assert say({"state": "finished", "function": "app.send"}).title == "app.send(1)"
