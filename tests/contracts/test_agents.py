"""Contracts: the calls of dialect A."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import TOKEN, free_port
from tests.contracts.conftest import TOKENS
from tests.serving import Answer, Server

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ALWAYS = {
    "id",
    "videoId",
    "videoTitle",
    "status",
    "stage",
    "progress",
    "createdAt",
    "updatedAt",
    "episodeId",
    "published",
}
KNOWN = {"message", "error", "startedAt", "finishedAt", "stages", "failedStage", "applied"}


@pytest.fixture(scope="module")
def parted() -> Iterator[Server]:
    """A site of several partitions and two web processes."""
    site = Server(free_port(), TOKEN, {"HEADWAY_PARTITIONS": "5"}, workers=2)
    try:
        yield site.start()
    finally:
        site.close()


@pytest.fixture(params=["here", "open_site", "parted"])
def site(request: pytest.FixtureRequest) -> Server:
    """A site that asks for a token, one that answers everyone, and one of several partitions and processes."""
    found: Server = request.getfixturevalue(request.param)
    return found


def sent(site: Server, method: str, path: str, status: int, /, **fields: Any) -> Any:
    answer = site.request(method, path, json=fields, token="" if site.token else None)
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def got(site: Server, path: str) -> Any:
    answer = site.get(path, token="" if site.token else None)
    assert answer.status == 200, answer.text
    return answer.json()


def refused(answer: Answer, status: int) -> Any:
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    return answer.json()


def check(job: dict[str, Any]) -> dict[str, Any]:
    assert job.keys() >= ALWAYS
    assert job.keys() - ALWAYS <= KNOWN
    assert all(
        TIME.fullmatch(job[name]) for name in ("createdAt", "updatedAt", "startedAt", "finishedAt") if name in job
    )
    assert isinstance(job["id"], str)
    return job


def test_a_video_becomes_an_episode_as_the_first_client_tells_it(site: Server) -> None:
    home = "/agents/life%20of%20a%20v%C3%AFdeo"
    job = check(sent(site, "POST", f"{home}/jobs", 201, videoId="v1", videoTitle="One", stage="queued"))
    assert (job["status"], job["stage"], job["progress"], job["episodeId"], job["published"]) == (
        "pending", "queued", 0, None, False)  # fmt: skip
    at = f"{home}/jobs/{job['id']}"
    for stage, percent in (("downloading", 10), ("speech_detection", 30), ("ai_analysis", 50), ("audio_processing", 70),
                           ("uploading", 90)):  # fmt: skip
        now = check(sent(site, "PATCH", at, 200, stage=stage, message=f"{stage}…"))
        assert (now["status"], now["stage"], now["progress"], now["message"]) == (
            "processing", stage, percent, f"{stage}…")  # fmt: skip
        assert [one["id"] for one in got(site, f"{home}/jobs/active")["jobs"]] == [job["id"]]
    done = check(sent(site, "PATCH", at, 200, stage="completed", episodeId="e1", published=False))
    assert (done["status"], done["stage"], done["progress"], done["episodeId"]) == ("completed", "completed", 100, "e1")
    assert got(site, f"{home}/episodes?published=false")["episodes"][0]["episodeId"] == "e1"
    assert sent(site, "PATCH", at, 200, published=True)["applied"]
    assert got(site, f"{home}/jobs/active") == {"jobs": []}
    assert got(site, f"{home}/stats") == {
        "totalVideos": 1, "totalEpisodes": 1, "publishedEpisodes": 1, "unpublishedEpisodes": 0, "activeJobs": 0,
        "failedJobs": 0, "successRate": 100.0}  # fmt: skip
    (mine,) = [one for one in got(site, "/agents")["agents"] if one["id"] == "life of a vïdeo"]
    assert mine.keys() == {"id", "activeJobs", "failedJobs", "lastSeen"}
    assert TIME.fullmatch(mine["lastSeen"])


def test_a_failure_tells_its_error_and_where(site: Server) -> None:
    job = sent(site, "POST", "/agents/failing/jobs", 201, videoId="v1")
    sent(site, "PATCH", f"/agents/failing/jobs/{job['id']}", 200, stage="ai_analysis")
    failed = check(sent(site, "PATCH", f"/agents/failing/jobs/{job['id']}", 200, stage="failed", error="no model"))
    assert (failed["status"], failed["progress"], failed["error"], failed["failedStage"]) == (
        "failed", 50, "no model", "ai_analysis")  # fmt: skip
    late = sent(site, "PATCH", f"/agents/failing/jobs/{job['id']}", 200, stage="uploading")
    assert (late["applied"], late["status"]) == (False, "failed")
    assert got(site, "/agents/failing/stats")["failedJobs"] == 1
    assert got(site, "/agents/failing/stats")["successRate"] == 0


def test_jobs_are_paged_newest_first(site: Server) -> None:
    ids = [sent(site, "POST", "/agents/paged/jobs", 201, videoTitle=str(n))["id"] for n in range(7)]
    sent(site, "PATCH", f"/agents/paged/jobs/{ids[3]}", 200, status="completed")
    listed: list[str] = []
    for page in (1, 2, 3):
        told = got(site, f"/agents/paged/jobs?page={page}&limit=3")
        assert told.keys() == {"jobs", "total", "page", "totalPages"}
        assert (told["total"], told["page"], told["totalPages"]) == (7, page, 3)
        listed += [check(job)["id"] for job in told["jobs"]]
    assert listed == ids[::-1]
    assert got(site, "/agents/paged/jobs?page=4&limit=3")["jobs"] == []


def test_a_job_is_found_by_its_number_too(site: Server) -> None:
    named = sent(site, "POST", "/agents/both/jobs", 201, id="my.job")
    number = got(site, "/api/v1/queue/my.job?agent=both")["queue_id"]
    assert got(site, f"/agents/both/jobs/{number}") == got(site, "/agents/both/jobs/my.job")
    assert sent(site, "PATCH", f"/agents/both/jobs/{number}", 200, progress=5)["id"] == named["id"]
    again = sent(site, "POST", "/agents/both/jobs", 200, id="my.job", videoTitle="another")
    assert (again["applied"], again["videoTitle"], again["progress"]) == (False, None, 5)


def test_a_video_is_seen_once(site: Server) -> None:
    said = {"videoId": "v1", "title": "One", "publishedAt": "2026-11-20T10:00:00Z"}
    assert sent(site, "POST", "/agents/scout/videos", 201, **said) == {**said, "applied": True}
    assert sent(site, "POST", "/agents/scout/videos", 200, **{**said, "title": "Two"}) == {**said, "applied": False}
    assert got(site, "/agents/scout/stats")["totalVideos"] == 1


def test_a_backfill_has_an_id_and_ends_once(site: Server) -> None:
    begun = sent(site, "POST", "/agents/archive/backfills", 201, totalVideos=9, since="2026-01-01T00:00:00Z")
    assert (begun["totalVideos"], begun["since"], begun["completedAt"]) == (9, "2026-01-01T00:00:00Z", None)
    at = f"/agents/archive/backfills/{begun['id']}"
    done = sent(site, "PATCH", at, 200, totalFound=7, totalEnqueued=5)
    assert (done["totalFound"], done["totalEnqueued"], done["applied"]) == (7, 5, True)
    assert TIME.fullmatch(done["completedAt"])
    assert not sent(site, "PATCH", at, 200, totalFound=8, totalEnqueued=5)["applied"]


def test_reading_and_writing_take_their_own_tokens(here: Server) -> None:
    for token, reads, writes in (("read", 200, 403), ("ingest", 403, 201), ("metrics", 403, 403), ("wrong", 401, 401)):
        assert here.get("/agents", token=TOKENS[token]).status == reads
        assert here.post("/agents/guarded/jobs", json={}, token=TOKENS[token]).status == writes


def test_what_can_not_be_served_is_told_as_a_problem(here: Server) -> None:
    refused(here.get("/agents/nobody/jobs/nothing"), 404)
    assert refused(here.get("/agents/nobody/jobs?limit=101"), 422)["field"] == "limit"
    assert refused(here.get("/agents/nobody/jobs?page=0"), 422)["field"] == "page"
    assert refused(here.post("/agents/nobody/jobs", json={"videoId": 1}), 422)["field"] == "videoId"
    assert refused(here.post("/agents/%00/jobs", json={}), 422)["field"] == "agent"
    refused(here.post("/agents/nobody/jobs", b"{", headers={"Content-Type": "application/json"}), 400)
    refused(here.request("PATCH", "/agents/nobody/backfills/x", json={"totalFound": 1, "totalEnqueued": 1}), 404)
    refused(here.request("DELETE", "/agents/nobody/jobs"), 405)
    assert "nobody" not in {agent["id"] for agent in got(here, "/agents")["agents"]}
