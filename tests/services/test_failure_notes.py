"""What open pages are told of jobs that failed."""

from __future__ import annotations

from typing import Any

from services.failure_notes import MOST_AGENTS, FailureNotes
from services.job_events import JobEvent


def event(number: int = 1, agent: str = "studio", **changes: Any) -> JobEvent:
    told: dict[str, Any] = {
        "kind": "updated", "number": number, "id": f"id-{number}", "agent": agent, "title": f"{number}.mp4",
        "status": "failed", "was": "processing", "stage": "failed", "progress": 30.0, "message": "", "error": "disk full",
        "failed_stage": "upload", "attempt": 1, "at_ms": 0,
    }  # fmt: skip
    return JobEvent(**told | changes)


def test_a_first_failure_is_told_at_once() -> None:
    notes = FailureNotes()
    assert notes.take(5.0) == []
    notes.add([event(7)], now=5.0)
    assert [note.as_json() for note in notes.take(5.0)] == [
        {"agent": "studio", "count": 1, "queue_id": 7, "title": "7.mp4", "stage": "upload", "error": "disk full"}
    ]
    assert notes.take(5.0) == []


def test_of_a_traceback_the_line_is_told_that_says_what_went_wrong() -> None:
    notes = FailureNotes()
    raised = 'Traceback (most recent call last):\n  File "mail.py", line 3, in send\nMailError: no such address\n'
    notes.add([event(7, error=raised)], now=5.0)
    (note,) = notes.take(5.0)
    assert note.as_json()["error"] == "MailError: no such address"


def test_what_somebody_canceled_is_no_failure() -> None:
    notes = FailureNotes()
    notes.add([event(7, state="canceled"), event(8, state="deleted")], now=5.0)
    assert notes.take(5.0) == []
    notes.add([event(9, state="stopped")], now=5.0)
    assert [note.job.number for note in notes.take(5.0)] == [9]


def test_those_that_follow_are_told_together_a_second_later() -> None:
    notes = FailureNotes()
    notes.add([event(1)], now=5.0)
    notes.take(5.0)
    notes.add([event(2), event(3, "night")], now=5.1)
    notes.add([event(4)], now=5.5)
    assert notes.take(5.9) == []
    assert notes.due_at == 6.0
    assert [(note.agent, note.count, note.job.number) for note in notes.take(6.0)] == [
        ("studio", 2, 2),
        ("night", 1, 3),
    ]


def test_only_what_became_failed_just_now_is_told() -> None:
    notes = FailureNotes()
    notes.add(
        [event(was="failed"), event(kind="imported"), event(kind="facts"), event(status="completed")],
        now=5.0,
    )
    assert notes.take(9.0) == []


def test_a_job_without_a_title_is_told_by_its_id() -> None:
    notes = FailureNotes()
    notes.add([event(title="")], now=5.0)
    assert notes.take(5.0)[0].as_json()["title"] == "id-1"


def test_the_failures_of_very_many_agents_end_in_one_sum() -> None:
    notes = FailureNotes()
    notes.add([event(number, f"agent-{number}") for number in range(MOST_AGENTS + 30)], now=5.0)
    told = notes.take(5.0)
    assert len(told) == MOST_AGENTS + 1
    assert (told[-1].agent, told[-1].count) == (None, 30)
