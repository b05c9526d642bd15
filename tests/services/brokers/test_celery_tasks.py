"""What is made of events of tasks, in whatever order and shape they come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.config import Logs, Masking
from core.settings import read
from services.brokers import celery_event_words, celery_results, celery_texts, celery_workers
from services.brokers.celery_inspection import Told
from services.brokers.celery_presence import Presences
from services.brokers.celery_reconciling import look_at_work
from services.brokers.celery_tasks import MOST, Tasks
from services.brokers.masking import Mask
from services.brokers.model import EngineJob, Former

T0 = 1_790_000_000.0
SENT = {
    "type": "task-sent",
    "uuid": "a",
    "name": "shop.add",
    "args": "(1, 2)",
    "kwargs": "{}",
    "retries": 0,
    "queue": "mail",
}
RECEIVED = {"type": "task-received", "uuid": "a", "name": "shop.add", "args": "(1, 2)", "kwargs": "{}", "retries": 0}
STARTED = {"type": "task-started", "uuid": "a", "hostname": "w@h"}
SUCCEEDED = {"type": "task-succeeded", "uuid": "a", "result": "3", "runtime": 0.5}
RETRIED = {
    "type": "task-retried",
    "uuid": "a",
    "exception": "Retry(…)",
    "traceback": "Traceback…\nshop.SlowError: too slow",
}
FAILED = {
    "type": "task-failed",
    "uuid": "a",
    "exception": "SlowError('no')",
    "traceback": "Traceback…\nshop.SlowError: no",
}


@pytest.fixture
def tasks() -> Tasks:
    return Tasks(mask())


def mask(**masking: Any) -> Mask:
    return Mask(Masking(**masking), read({"HEADWAY_AUTH": "off"}), Logs())


def fold(tasks: Tasks, *events: tuple[dict[str, Any], float]) -> list[EngineJob]:
    """What is told by events, with the seconds at which they happened."""
    take(tasks, *events)
    return tasks.changed()


def take(tasks: Tasks, *events: tuple[dict[str, Any], float]) -> None:
    for event, at_s in events:
        celery_event_words.take(tasks, {"timestamp": T0 + at_s, "hostname": "w@h"} | event)


def at(seconds: float) -> int:
    return int((T0 + seconds) * 1000)


def test_events_of_one_task_are_told_as_one_job_with_all_its_times(tasks: Tasks) -> None:
    (job,) = fold(tasks, (SENT, 0), (RECEIVED, 1), (STARTED, 2), (SUCCEEDED, 3))
    assert job.state == "finished"
    assert (job.enqueued_ms, job.started_ms, job.ended_ms) == (at(0), at(2), at(3))
    assert (job.function, job.queue, job.worker, job.result) == ("shop.add", "mail", "w@h", 3)
    assert job.metadata == {"args": [1, 2], "runtime_s": 0.5}


def test_a_sending_that_is_told_late_takes_nothing_back(tasks: Tasks) -> None:
    jobs = fold(tasks, (RECEIVED, 1), (STARTED, 2), (SUCCEEDED, 3), (SENT, 3.2))
    assert [job.state for job in jobs] == ["finished"]
    assert (jobs[0].queue, jobs[0].ended_ms) == ("mail", at(3))


def test_a_task_that_a_worker_began_before_its_sending_was_noted_did_not_wait(tasks: Tasks) -> None:
    (job,) = fold(tasks, (RECEIVED, 1), (STARTED, 1.001), (SENT, 1.002))
    assert (job.created_ms, job.enqueued_ms, job.started_ms) == (at(1.001), at(1.001), at(1.001))


def test_a_task_that_is_sent_again_after_its_end_begins_anew(tasks: Tasks) -> None:
    fold(tasks, (SENT, 0), (STARTED, 1), (FAILED, 2))
    (ended, job) = fold(tasks, (SENT, 60))
    assert (ended.state, job.state, job.enqueued_ms, job.error) == ("failed", "queued", at(60), None)


def test_each_attempt_of_a_retried_task_is_told_with_its_own_error(tasks: Tasks) -> None:
    again = {"retries": 1, "eta": "2026-09-21T15:07:00+00:00"}
    begun, waits = fold(tasks, (SENT, 0), (STARTED, 1), (SENT | again, 2), (RETRIED, 2.1))
    assert [(job.state, job.attempt, job.started_ms, job.error) for job in (begun, waits)] == [
        ("started", 1, at(1), None),
        ("retrying", 2, None, RETRIED["traceback"]),
    ]
    assert waits.former == (Former(attempt=1, ended_ms=at(2.1), error=RETRIED["traceback"]),)
    assert waits.due_ms == celery_event_words.moment_ms(again["eta"])
    (ended,) = fold(tasks, (STARTED, 9), (SUCCEEDED, 10))
    assert (ended.state, ended.attempt, ended.started_ms, ended.error) == ("finished", 2, at(9), None)
    assert (ended.due_ms, ended.metadata["retries"], ended.former) == (None, 1, ())


def test_why_an_attempt_failed_stays_with_it_where_the_next_one_began_before_it_was_told(tasks: Tasks) -> None:
    jobs = fold(tasks, (SENT, 0), (STARTED, 1), (RECEIVED | {"retries": 1}, 2), (STARTED, 2.1), (RETRIED, 2.2))
    assert [(job.state, job.attempt, job.started_ms) for job in jobs] == [
        ("started", 1, at(1)),
        ("started", 2, at(2.1)),
    ]
    assert [(one.attempt, one.error) for one in jobs[1].former] == [(1, RETRIED["traceback"])]


def test_a_task_that_was_heard_of_first_as_it_was_tried_again_counts_the_attempt_before(tasks: Tasks) -> None:
    (waiting,) = fold(tasks, (SENT | {"retries": 1, "eta": "2026-09-21T15:07:00+00:00"}, 2), (RETRIED, 2.1))
    assert (waiting.state, waiting.attempt, waiting.error) == ("retrying", 2, RETRIED["traceback"])
    tasks.to_state(tasks.task("a"), "reserved", at(8))  # its time came
    (due,) = tasks.changed()
    assert (due.state, due.attempt, due.message) == ("reserved", 2, None)
    (job,) = fold(tasks, (STARTED, 9), (SUCCEEDED, 10))
    assert (job.state, job.attempt, job.message) == ("finished", 2, None)


def test_a_task_that_was_replaced_goes_on_as_the_other(tasks: Tasks) -> None:
    other = {"name": "shop.sum", "args": "([1, 2],)"}
    jobs = fold(
        tasks,
        (SENT, 0),
        (RECEIVED, 0.1),
        (STARTED, 0.2),
        (SENT | other, 9),
        (RECEIVED | other, 9.1),
        (STARTED, 9.2),
        (SUCCEEDED, 9.3),
    )
    assert [(job.state, job.attempt, job.title, job.function) for job in jobs] == [
        ("finished", 1, "shop.sum([1, 2])", "shop.sum")
    ]
    assert (jobs[0].enqueued_ms, jobs[0].started_ms, jobs[0].metadata["args"]) == (at(0), at(0.2), [[1, 2]])


def test_an_attempt_that_begins_anew_with_another_worker_counts_besides_those_of_celery(tasks: Tasks) -> None:
    take(
        tasks, (RECEIVED, 0), (STARTED, 1), (RECEIVED | {"hostname": "w2@h"}, 60), (STARTED | {"hostname": "w2@h"}, 61)
    )
    jobs = fold(tasks, (RETRIED, 62), (RECEIVED | {"retries": 1}, 62.1), (STARTED, 62.2), (SUCCEEDED, 63))
    assert [(job.state, job.attempt, job.worker) for job in jobs] == [
        ("started", 1, "w@h"),
        ("started", 2, "w2@h"),
        ("finished", 3, "w@h"),
    ]
    assert {one.attempt: one.error for one in jobs[-1].former} == {1: None, 2: RETRIED["traceback"]}


def test_a_task_with_an_eta_is_scheduled_until_then(tasks: Tasks) -> None:
    eta = {"eta": "2036-01-01T00:00:00+00:00"}
    (sent,) = fold(tasks, (SENT | eta, 0))
    (held,) = fold(tasks, (RECEIVED | eta, 1))
    assert (sent.state, held.state) == ("scheduled", "scheduled")
    assert sent.due_ms == held.due_ms == celery_event_words.moment_ms(eta["eta"])
    (begun,) = fold(tasks, (STARTED, 2))
    assert (begun.state, begun.due_ms) == ("started", None)


@pytest.mark.parametrize(
    ("events", "state", "message"),
    [
        ([({"type": "task-revoked", "terminated": False, "expired": False}, 1)], "canceled", "revoked"),
        ([({"type": "task-revoked", "terminated": False, "expired": True}, 1)], "canceled", "it expired before it began"),
        ([(STARTED, 1), ({"type": "task-revoked", "terminated": True, "signum": "15"}, 2)], "stopped", "revoked"),
        ([(STARTED, 1), ({"type": "task-rejected", "requeue": False}, 2)], "failed", "its worker rejected it"),
        ([(STARTED, 1), ({"type": "task-rejected", "requeue": True}, 2)], "queued", None),
        ([(STARTED, 1), ({"type": "task-rejected", "requeue": False}, 2), (FAILED, 2.1)], "failed", "SlowError('no')"),
        ([(STARTED, 1), ({"type": "task-revoked", "terminated": True}, 2), (FAILED, 2.1)], "stopped", "revoked"),
    ],
)  # fmt: skip
def test_a_task_that_did_not_end_by_itself_says_how(
    tasks: Tasks, events: list[tuple[dict[str, Any], float]], state: str, message: str | None
) -> None:
    *_, job = fold(tasks, (RECEIVED, 0), *(({"uuid": "a"} | event, at_s) for event, at_s in events))
    assert (job.state, job.message) == (state, message)


def by_result(tasks: Tasks, meta: dict[str, Any]) -> list[EngineJob]:
    celery_results.take(tasks, "a", json.dumps({"traceback": None} | meta), at(90))
    return tasks.changed()


def test_a_task_that_had_ended_when_it_was_seen_at_work_has_ended(tasks: Tasks) -> None:
    (begun,) = by_result(tasks, {"status": "STARTED", "result": None})
    assert begun.started_ms == at(90)
    (job,) = by_result(tasks, {"status": "SUCCESS", "result": 3, "date_done": "2026-09-21T14:14:40+00:00"})
    assert (job.state, job.started_ms, job.ended_ms, job.result) == ("finished", at(80), at(80), 3)


def test_an_attempt_that_its_result_says_is_tried_again_was_at_work_before(tasks: Tasks) -> None:
    fold(tasks, (SENT, 0), (RECEIVED, 0.1))
    take(tasks, (STARTED, 1), (SENT | {"retries": 1}, 2))
    jobs = by_result(tasks, {"status": "RETRY", "result": {"exc_type": "SlowError"}, "traceback": "shop.SlowError: no"})
    assert [(job.state, job.attempt, job.started_ms) for job in jobs] == [
        ("started", 1, at(1)),
        ("retrying", 2, None),
    ]


def test_a_success_by_its_result_does_not_say_why_the_attempt_before_failed(tasks: Tasks) -> None:
    (waits,) = by_result(tasks, {"status": "RETRY", "result": {"exc_type": "SlowError", "exc_message": ["too slow"]}})
    assert (waits.state, waits.message) == ("retrying", "SlowError: too slow")
    (job,) = by_result(tasks, {"status": "SUCCESS", "result": 3})
    assert (job.state, job.attempt, job.message) == ("finished", 2, None)


@pytest.mark.parametrize(
    ("reason", "state", "message"),
    [("terminated", "stopped", "revoked"), ("revoked", "canceled", "revoked"), ("expired", "canceled", "it expired before it began")],
)  # fmt: skip
def test_a_result_of_a_revoked_task_says_whether_it_was_at_work(
    tasks: Tasks, reason: str, state: str, message: str
) -> None:
    (job,) = by_result(
        tasks, {"status": "REVOKED", "result": {"exc_type": "TaskRevokedError", "exc_message": [reason]}}
    )
    assert (job.state, job.message) == (state, message)


def test_how_often_a_task_was_tried_again_before_anybody_listened_is_told_by_its_result(tasks: Tasks) -> None:
    (job,) = by_result(tasks, {"status": "SUCCESS", "result": 3, "retries": 2})
    assert (job.state, job.attempt) == ("finished", 3)


@pytest.mark.parametrize("by", ["an event", "a result"])
@pytest.mark.parametrize("is_known", [True, False], ids=["its worker was lost", "its worker has it no more"])
def test_what_was_concluded_of_a_task_gives_way_to_what_is_told(tasks: Tasks, by: str, is_known: bool) -> None:
    fold(tasks, (RECEIVED, 0), (STARTED, 1))
    presences = Presences()
    if is_known:
        presences.take({"type": "worker-heartbeat", "hostname": "w@h", "timestamp": T0, "heard": T0})
    look_at_work(tasks, presences, {"w@h": Told(active_at_s=T0 + 50)}, lambda id: False, T0 + 60)
    (concluded,) = tasks.changed()
    assert (concluded.state, concluded.ended_ms) == ("failed" if is_known else "deleted", at(60))
    assert concluded.error is not None and ("WorkerLost" if is_known else "it raised Ignore") in concluded.error
    done = {"status": "SUCCESS", "result": 3, "date_done": "2026-09-21T14:14:40+00:00"}
    (job,) = fold(tasks, (SUCCEEDED, 80)) if by == "an event" else by_result(tasks, done)
    assert (job.state, job.started_ms, job.ended_ms, job.result) == ("finished", at(1), at(80), 3)
    assert (job.error, job.message) == (None, None)


@pytest.mark.parametrize(
    "event",
    [
        {"uuid": None}, {"uuid": ""}, {"uuid": "x" * 201}, {"uuid": ["a"]}, {"type": None}, {"type": ["task-sent"]}, {"type": "task-custom"},
        {"timestamp": None}, {"timestamp": "soon"}, {"timestamp": float("nan")}, {"timestamp": 1e300}, {"timestamp": -1}, {"timestamp": True},
    ],
)  # fmt: skip
def test_what_is_no_event_of_a_task_is_passed_over(tasks: Tasks, event: dict[str, Any]) -> None:
    assert fold(tasks, (RECEIVED | event, 0)) == []


@pytest.mark.parametrize(
    "more",
    [{"name": 5, "args": 7, "kwargs": ["x"], "retries": "2", "eta": "tomorrow", "parent_id": {}}, {"args": "((" * 5000, "retries": -1}],
)  # fmt: skip
def test_odd_values_of_an_event_are_left_out(tasks: Tasks, more: dict[str, Any]) -> None:
    (job,) = fold(tasks, (RECEIVED | more, 0))
    assert (job.state, job.due_ms) == ("reserved", None)


def test_a_bounded_number_of_tasks_is_remembered(tasks: Tasks) -> None:
    for number in range(MOST + 10):
        celery_event_words.take(tasks, RECEIVED | {"uuid": str(number), "timestamp": T0})
    assert len(tasks.changed()) == MOST + 10
    assert tasks.known("9") is None
    assert tasks.known("10") is not None


@pytest.mark.parametrize(
    ("kwargs", "shown"),
    [
        ("{'password': 'hunter2', 'n': 1}", {"password": "***", "n": 1}),
        ("{'card': {'number': 4111}, 'n': 1}", {"card": "***", "n": 1}),
        ("{'card': {'number': 4111, 'of': <User: 4111>}, 'n': 1}", "{'card': ***, 'n': 1}"),
        ("{'n': 1, 'card': {'number': 4111, 'cv...", "{'n': 1, 'card': ***"),
        ("{'who': User(card=4111)}", "{'who': User(card=***)}"),
    ],
)
def test_a_field_is_hidden_by_its_name_whether_a_representation_can_be_read_or_not(kwargs: str, shown: object) -> None:
    told = celery_texts.arguments(mask(fields=("card*",)), "()", kwargs)
    assert told == {"kwargs": shown}
    assert "4111" not in str(told)


@pytest.mark.parametrize(
    ("args", "kwargs", "title"),
    [
        ("(76363986,)", "{}", "shop.add(76363986)"),
        ("()", "{'name': 'x', 'password': 'hunter2'}", "shop.add(name='x', password='***')"),
        ("()", "{}", "shop.add()"),
        ("(<Order: 5>, 2)", "{'of': <User: 7>, 'card': 4111}", "shop.add(<Order: 5>, 2, **{'of': <User: 7>, 'card': ***})"),
        (f"('{'x' * 900}',)", "{}", f"shop.add('{'x' * 290}…"),
        (None, None, None),
    ],
)  # fmt: skip
def test_a_title_is_the_call_with_what_may_be_shown_of_its_arguments(args: str, kwargs: str, title: str | None) -> None:
    for said in (SENT, RECEIVED):
        (job,) = fold(Tasks(mask(fields=("card*",))), (said | {"args": args, "kwargs": kwargs}, 0))
        assert job.title == title


def test_a_title_has_no_arguments_where_they_are_not_to_be_stored() -> None:
    (job,) = fold(Tasks(mask(arguments=False)), (RECEIVED | {"args": "(76363986,)", "kwargs": "{'name': 'x'}"}, 0))
    assert job.title == "shop.add"


def test_the_queue_of_a_task_is_that_of_a_worker_which_listens_to_no_other(tasks: Tasks) -> None:
    presences = Presences()
    for name, at_s in (("one@h", 10), ("two@h", 10), ("anew@h", 40)):
        presences.take({"type": "worker-online", "hostname": name, "timestamp": T0 + at_s, "heard": T0 + at_s})
    mail, letters = ("mail", "mail"), ("letters", "letters")
    told = {
        "one@h": Told(queues=(mail,), queues_at_s=T0 + 30),
        "two@h": Told(queues=(mail, letters), queues_at_s=T0 + 30),
        "anew@h": Told(queues=(mail,), queues_at_s=T0 + 30),
    }
    tasks.only_queues = celery_workers.only_queues(told, presences, T0 + 20)
    assert tasks.only_queues == {"one@h": "mail"}
    assert celery_workers.only_queues(told, presences, T0 + 31) == {}
    jobs = fold(tasks, (RECEIVED | {"uuid": "a", "hostname": "one@h"}, 50), (RECEIVED | {"uuid": "b", "hostname": "two@h"}, 50),
                (SENT | {"uuid": "c", "queue": "letters"}, 49), (RECEIVED | {"uuid": "c", "hostname": "one@h"}, 50))  # fmt: skip
    assert {job.id: job.queue for job in jobs} == {"a": "mail", "b": None, "c": "letters"}


def test_arguments_are_kept_as_text_where_they_are_no_literal_and_never_run() -> None:
    told = celery_texts.arguments(mask(), "(__import__('os').abort(), <Order: 5>)", "{}")
    assert told == {"args": "(__import__('os').abort(), <Order: 5>)"}
    assert celery_texts.arguments(mask(arguments=False), "(<Order: 5>,)", "{'n': 1}") == {}
    assert celery_texts.value(mask(arguments=False), "<Order: 5>") is None


def test_numbers_that_no_job_can_have_are_passed_over(tasks: Tasks) -> None:
    (job,) = fold(
        tasks, (STARTED, 1), (SUCCEEDED | {"runtime": 10**400, "retries": True}, 2), (SENT | {"timestamp": 10**400}, 3)
    )
    assert (job.state, job.metadata, job.started_ms) == ("finished", {}, at(1))
    for told in (f'{{"current": 1{"0" * 400}, "total": 3}}', f'{{"percent": 1{"0" * 400}}}', '{"percent": true}'):
        celery_results.take(tasks, "b", f'{{"status": "PROGRESS", "result": {told}}}', at(1))
        task = tasks.known("b")
        assert task is not None
        assert (task.state, task.progress) == ("started", None)


def test_whole_numbers_without_end_in_arguments_are_kept_as_text() -> None:
    said = f"(0x{'F' * 3_900},)"
    assert celery_texts.arguments(mask(), said, "{}") == {"args": said}
    assert celery_texts.value(mask(), "1" * 400) == "1" * 400
