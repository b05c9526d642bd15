"""Contracts: one job, whatever it is called, and the order in which reports of it count."""

from __future__ import annotations

import itertools
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.serving import Answer, Server

QUEUE = "/api/v1/queue"
STATUSES = ("queued", "processing", "completed", "failed")
_names = (f"job-{number}" for number in itertools.count())


def create(site: Server, **fields: Any) -> dict[str, Any]:
    answer = site.post(QUEUE, json=fields)
    assert answer.status == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def put(site: Server, job: dict[str, Any], **fields: Any) -> Answer:
    return site.put(f"{QUEUE}/{job['queue_id']}", json=fields)


def told(site: Server, job: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The job after an update that counts."""
    after = put(site, job, **fields)
    assert after.status == 200, after.text
    state: dict[str, Any] = after.json()
    assert state["applied"] is True
    return state


def ignored(site: Server, job: dict[str, Any], **fields: Any) -> None:
    """An update that changes nothing, and is answered with the present state."""
    before = site.get(f"{QUEUE}/{job['queue_id']}").json()
    answer = put(site, job, **fields)
    assert (answer.status, answer.json()) == (200, {**before, "applied": False})
    assert site.get(f"{QUEUE}/{job['queue_id']}").json() == before


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def test_a_job_has_a_rising_number_a_uuid_and_the_agent_default(here: Server) -> None:
    first, second = create(here), create(here)
    assert second["queue_id"] > first["queue_id"]
    assert (uuid.UUID(first["id"]), first["agent"]) != (uuid.UUID(second["id"]), None)
    assert first["agent"] == "default"


@pytest.mark.parametrize("name", ["a", "x" * 128, "A.b_c:d-9", "7z", "-", "batch1", "Active"])
def test_an_id_may_be_named(here: Server, name: str) -> None:
    job = create(here, id=name, agent=next(_names))
    assert here.get(f"{QUEUE}/{name}?agent={job['agent']}").json()["queue_id"] == job["queue_id"]


@pytest.mark.parametrize("name", ["", "x" * 129, "a b", "a/b", "ü", "123", "batch", "active", "a\n", 5, ["a"]])
def test_an_id_that_could_not_be_told_apart_is_refused(here: Server, name: Any) -> None:
    answer = here.post(QUEUE, json={"id": name})
    assert (answer.status, answer.json()["field"]) == (422, "id")


def test_a_number_or_an_id_with_its_agent_names_a_job(here: Server) -> None:
    name, agent = next(_names), next(_names)
    by_default, of_agent = create(here, id=name), create(here, id=name, agent=agent)
    assert by_default["queue_id"] != of_agent["queue_id"]
    for path, job in ((f"{QUEUE}/{name}", by_default), (f"{QUEUE}/{name}?agent={agent}", of_agent),
                      (f"{QUEUE}/{of_agent['queue_id']}", of_agent)):  # fmt: skip
        assert here.get(path).json()["queue_id"] == job["queue_id"]
    assert here.put(f"{QUEUE}/{name}?agent={agent}", json={"progress": 1}).json()["queue_id"] == of_agent["queue_id"]


@pytest.mark.parametrize("name", ["current_step", "stage"])
def test_a_stage_has_two_names(here: Server, name: str) -> None:
    assert told(here, create(here), **{name: "encode"})["current_step"] == "encode"


@pytest.mark.parametrize("fields", [{"progress": 0}, {"progress": 12.5}, {"current_step": "a"}])
def test_a_first_stage_or_progress_makes_it_processing(here: Server, fields: dict[str, Any]) -> None:
    assert told(here, create(here), **fields)["status"] == "processing"


@pytest.mark.parametrize("status", STATUSES)
def test_the_status_words_are_these_four(here: Server, status: str) -> None:
    assert told(here, create(here), status=status)["status"] == status
    assert put(here, create(here), status="pending").status == 422


@pytest.mark.parametrize("final", ["completed", "failed"])
@pytest.mark.parametrize("name", ["status", "current_step"])
def test_an_end_may_be_a_status_or_a_stage(here: Server, name: str, final: str) -> None:
    job = create(here)
    told(here, job, current_step="upload", progress=30)
    done = told(here, job, **{name: final}, error="no space" if final == "failed" else None)
    assert done["status"] == final
    assert done["progress"] == (100 if final == "completed" else 30)
    assert done["failedStage"] == (None if final == "completed" else "upload")
    assert (done["error"], done["message"]) == ((None, None) if final == "completed" else ("no space", "no space"))


def test_a_stage_alone_leaves_the_progress_and_a_message_stays_the_last_one(here: Server) -> None:
    job = create(here)
    told(here, job, progress=42, message="first")
    state = told(here, job, current_step="next")
    assert (state["progress"], state["message"]) == (42, "first")


def test_without_order_that_of_arrival_counts(here: Server) -> None:
    job = create(here)
    told(here, job, progress=50)
    assert told(here, job, progress=40)["progress"] == 40


def test_by_seq_a_late_or_repeated_update_changes_nothing(here: Server) -> None:
    job = create(here)
    told(here, job, progress=50, seq=5)
    ignored(here, job, progress=40, seq=4)
    ignored(here, job, progress=99, seq=5)
    told(here, job, progress=60, seq=6)


@pytest.mark.parametrize("said", [{"progress": 50}, {"progress": 50, "message": "half", "metadata": {"a": 1}},
                                  {"result": [1]}, {"title": "new"}, {"error": "odd"}])  # fmt: skip
def test_by_timestamp_a_late_or_repeated_update_changes_nothing(here: Server, said: dict[str, Any]) -> None:
    job, time = create(here), ago(60)
    told(here, job, **said, timestamp=time)
    ignored(here, job, **said, timestamp=time)
    ignored(here, job, progress=40, timestamp=ago(61))
    told(here, job, progress=60, message="on", timestamp=time)


@pytest.mark.parametrize("final", ["completed", "failed"])
@pytest.mark.parametrize("late", [{"progress": 1}, {"status": "processing"}, {"current_step": "x"}, {"message": "x"}])
def test_after_the_end_of_its_attempt_nothing_counts(here: Server, final: str, late: dict[str, Any]) -> None:
    job = create(here)
    told(here, job, status=final)
    ignored(here, job, **late)


def test_creating_an_id_that_exists_changes_nothing(here: Server) -> None:
    job = create(here, id=next(_names), title="first")
    answer = here.post(QUEUE, json={"id": job["id"], "title": "second"})
    assert (answer.status, answer.json()) == (200, {**job, "applied": False})


def test_a_higher_attempt_starts_anew_and_keeps_what_the_earlier_did(here: Server) -> None:
    job = create(here)
    told(here, job, current_step="read", progress=30, seq=8)
    told(here, job, status="failed", error="timeout", seq=9)
    again = told(here, job, attempt=2, current_step="read", progress=1, seq=1)
    assert (again["status"], again["attempt"], again["progress"], again["error"]) == ("processing", 2, 1, None)
    (first,) = again["attempts"]
    assert (first["attempt"], first["status"], first["error"]) == (1, "failed", "timeout")
    assert (first["failedStage"], first["progress"], [s["name"] for s in first["stages"]]) == ("read", 30, ["read"])
    ignored(here, job, attempt=1, status="completed", seq=99)


def test_a_clock_that_is_off_never_makes_a_time_run_backwards(here: Server) -> None:
    job = create(here)
    told(here, job, current_step="read")
    done = told(here, job, status="completed", timestamp=ago(3600))
    assert done["started_at"] <= done["finished_at"]
    assert all(stage["started_at"] <= stage["finished_at"] for stage in done["stages"])


def completed(site: Server, agent: str) -> float:
    """How many jobs of an agent were ever completed, as Prometheus is told."""
    series = f'headway_jobs_finished_total{{agent="{agent}",outcome="completed"}} '
    told = [line for line in site.get("/metrics").text.splitlines() if line.startswith(series)]
    return sum(float(line.rpartition(" ")[2]) for line in told)


def test_reports_from_many_sides_in_any_order_end_in_one_state_counted_once(here: Server) -> None:
    agent = "many-sides"
    jobs = [create(here, agent=agent) for _ in range(10)]
    reports = [(job, seq) for job in jobs for seq in (*range(1, 11), 5, 10)]
    random.Random(7).shuffle(reports)

    def report(one: tuple[dict[str, Any], int]) -> int:
        job, seq = one
        said = {"status": "completed"} if seq == 10 else {"progress": seq * 10, "current_step": f"step-{seq}"}
        return put(here, job, seq=seq, **said).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(report, reports)) == {200}
    page = here.get(f"{QUEUE}?agent={agent}&status=completed").json()
    assert page["total"] == len(page["items"]) == 10
    assert all(item["progress"] == 100 for item in page["items"])
    assert here.get(f"{QUEUE}?agent={agent}").json()["total"] == 10
    wait_until(lambda: completed(here, agent) == 10, what="one end counted for each completed job")


def test_success_is_completed_out_of_completed_and_failed_with_two_decimals(open_site: Server) -> None:
    def rate() -> Any:
        return open_site.get(f"/agents/{agent}/stats").json()["successRate"]

    agent = next(_names)
    jobs = [create(open_site, agent=agent) for _ in range(3)]
    assert rate() is None
    for job, status in zip(jobs, ("completed", "completed", "failed"), strict=True):
        told(open_site, job, status=status)
    assert rate() == 66.67
