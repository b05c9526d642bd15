"""What the bus brings, in the words of dialect A."""

from __future__ import annotations

from typing import Any

import pytest

from core.event_log import Entry
from services import agent_dialect
from services.agent_events import AgentEvent
from services.job_events import JobEvent

AT_MS = 1_795_273_200_123
AT = "2026-11-21T15:00:00.123Z"


def told(**fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """The events of a job's change, each by its name and data."""
    change: dict[str, Any] = {
        "kind": "updated", "number": 7, "id": "j", "agent": "a", "title": "", "status": "processing", "was": "queued",
        "stage": "", "progress": 0.0, "message": "", "error": "", "failed_stage": "", "attempt": 1, "at_ms": AT_MS,
    }  # fmt: skip
    return [(one.event, one.data) for one in emissions(JobEvent(**change | fields))]


def emissions(event: Any) -> list[agent_dialect.Emission]:
    return agent_dialect.emissions(Entry("e", event, 0, (AT_MS, 0)))


def progress(**fields: Any) -> tuple[str, dict[str, Any]]:
    known = {"jobId": "j", "videoId": None, "stage": "processing", "progress": 0, "message": None, "timestamp": AT}
    return "job:progress", known | fields


@pytest.mark.parametrize("kind", ["created", "begun", "imported", "facts"])
def test_what_is_no_progress_is_not_told(kind: str) -> None:
    assert told(kind=kind, status="completed") == []


def test_what_is_not_known_is_null_and_work_without_a_stage_is_one_as_its_json_says() -> None:
    assert told() == [progress(stage="processing")]


def test_a_change_carries_what_it_said() -> None:
    found = told(stage="encode", progress=37.5, message="frame 3", video_id="v")
    assert found == [progress(stage="encode", progress=37.5, message="frame 3", videoId="v")]
    assert isinstance(told(progress=30.0)[0][1]["progress"], int)


def test_a_job_that_is_tried_again_begins_anew() -> None:
    assert told(status="queued", was="failed", attempt=2) == [progress(stage="queued")]


def test_the_end_of_a_job_comes_after_its_progress() -> None:
    done = told(status="completed", stage="encode", progress=100.0, message="done", episode_id="e", published=True)
    assert done == [
        progress(stage="completed", progress=100, message="done"),
        ("job:completed", {"jobId": "j", "episodeId": "e", "published": True}),
    ]


@pytest.mark.parametrize(
    ("said", "message", "error"),
    [
        ({"error": "boom"}, "boom", "boom"),
        ({"message": "no more"}, "no more", "no more"),
        ({"error": "boom", "message": "no more"}, "boom", "boom"),
        ({}, None, None),
    ],
)
def test_a_failure_tells_its_error(said: dict[str, str], message: str | None, error: str | None) -> None:
    found = told(status="failed", stage="failed", progress=40.0, failed_stage="encode", **said)
    assert found == [
        progress(stage="failed", progress=0, message=message),
        ("job:failed", {"jobId": "j", "error": error, "stage": "encode"}),
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("video", "video:discovered"),
        ("backfill-started", "backfill:started"),
        ("backfill-completed", "backfill:completed"),
    ],
)
def test_what_happens_to_an_agent_is_told_as_it_is(kind: Any, name: str) -> None:
    [one] = emissions(AgentEvent(kind, "a", AT_MS, {"x": 1}))
    assert (one.event, one.data, one.keep) == (name, {"x": 1}, True)


def test_only_progress_may_give_way_to_newer_progress_of_the_same_job() -> None:
    change = JobEvent("updated", 7, "j", "a", "", "processing", "", "", 1, "", "", "", 1, AT_MS)
    assert [(one.key, one.keep) for one in emissions(change)] == [(7, False)]
    end = JobEvent("updated", 7, "j", "a", "", "failed", "", "", 1, "", "", "", 1, AT_MS)
    assert [(one.key, one.keep) for one in emissions(end)] == [(7, True), (7, True)]


@pytest.mark.parametrize("said", ["studio", "Ünï code", "7", "a" * 128])
def test_an_agents_name_is_taken(said: str) -> None:
    assert agent_dialect.check_agent(said) == said


@pytest.mark.parametrize("said", [None, 7, {}, [], "", " a", "a/b", "a\0", "a\ud800", "a" * 129, True])
def test_what_can_be_no_agents_name_is_refused_with_words(said: object) -> None:
    with pytest.raises(ValueError, match="agent"):
        agent_dialect.check_agent(said)
