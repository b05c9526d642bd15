"""Dialect A over HTTP: what is taken, what is refused and in which words, and what is shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core import keys
from core.site import Site
from services import agents_service
from tests.routes.queue_calls import problem
from tests.visitors import BY_SCOPE, bearer

HOME = "/agents/studio"
WRITES = [
    ("POST", f"{HOME}/jobs", {}),
    ("PATCH", f"{HOME}/jobs/x", {}),
    ("POST", f"{HOME}/videos", {"videoId": "v"}),
    ("POST", f"{HOME}/backfills", {"totalVideos": 1}),
    ("PATCH", f"{HOME}/backfills/x", {"totalFound": 1, "totalEnqueued": 1}),
]
READS = ["/agents", f"{HOME}/jobs", f"{HOME}/jobs/active", f"{HOME}/jobs/x", f"{HOME}/stats", f"{HOME}/episodes"]


def create(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"{HOME}/jobs", json=fields)
    assert answer.status_code in (200, 201), answer.text
    job: dict[str, Any] = answer.get_json()
    return job


def patch(client: FlaskClient, id: str, **fields: Any) -> TestResponse:
    return client.patch(f"{HOME}/jobs/{id}", json=fields)


def patched(client: FlaskClient, id: str, **fields: Any) -> dict[str, Any]:
    answer = patch(client, id, **fields)
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.get_json()
    return job


class TestShapes:
    def test_a_new_job_shows_all_that_every_job_has(self, client: FlaskClient) -> None:
        answer = client.post(f"{HOME}/jobs", json={"videoId": "v1", "videoTitle": "Tïtle", "stage": "queued"})
        job = answer.get_json()
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{HOME}/jobs/{job['id']}"
        assert job.keys() == {
            "id", "videoId", "videoTitle", "status", "stage", "progress", "createdAt", "updatedAt", "episodeId", "published",
            "applied"}  # fmt: skip
        assert (job["status"], job["stage"], job["progress"], job["episodeId"], job["published"]) == (
            "pending", "queued", 0, None, False)  # fmt: skip

    def test_a_job_shows_what_became_known_of_it(self, client: FlaskClient) -> None:
        id = create(client, id="x")["id"]
        job = patched(client, id, stage="uploading", message="half")
        assert (job["status"], job["stage"], job["progress"], job["message"]) == ("processing", "uploading", 90, "half")
        assert [stage.keys() for stage in job["stages"]] == [{"name", "startedAt", "finishedAt"}]
        done = patched(client, id, stage="completed", episodeId="e", published=True)
        assert (done["episodeId"], done["published"], done["progress"]) == ("e", True, 100)
        assert done["finishedAt"].endswith("Z")

    @pytest.mark.parametrize("status", ["completed", "failed"])
    def test_the_end_is_a_stage_too_however_it_was_told(self, client: FlaskClient, status: str) -> None:
        create(client, id="x", stage="uploading")
        job = patched(client, "x", status=status, error="no space")
        assert (job["status"], job["stage"], job.get("failedStage")) == (
            status, status, "uploading" if status == "failed" else None)  # fmt: skip

    def test_a_job_at_work_without_a_stage_shows_its_status_as_one(self, client: FlaskClient) -> None:
        create(client, id="x")
        assert patched(client, "x", progress=12.5)["stage"] == "processing"

    def test_a_fact_after_the_end_is_applied_and_anything_else_is_not(self, client: FlaskClient) -> None:
        create(client, id="x", stage="completed")
        assert patched(client, "x", published=True)["applied"]
        late = patched(client, "x", progress=5)
        assert (late["applied"], late["progress"], late["published"]) == (False, 100, True)

    def test_a_damaged_job_has_all_that_a_list_counts_on(self, client: FlaskClient, site: Site) -> None:
        good = create(client, id="x")
        lost = create(client, id="y")
        site.store.redis.delete(keys.JOB.at(0, 2))
        shown = client.get(f"{HOME}/jobs").get_json()["jobs"]
        assert (shown[0]["damaged"], shown[0]["id"], shown[1]["id"]) == (True, "2", "x")
        assert good.keys() - {"applied"} <= shown[0].keys()
        assert client.get(f"{HOME}/jobs/2").get_json() == client.get(f"{HOME}/jobs/{lost['id']}").get_json() == shown[0]
        problem(patch(client, "y", progress=1), 409, "create it anew")

    def test_a_job_of_the_queue_shows_here_and_the_other_way(self, client: FlaskClient) -> None:
        number = client.post("/api/v1/queue", json={"agent": "studio", "title": "T"}).get_json()["queue_id"]
        client.put(f"/api/v1/queue/{number}", json={"current_step": "uploading"})
        job = client.get(f"{HOME}/jobs/{number}").get_json()
        # There a stage alone leaves the progress as it was.
        assert (job["videoTitle"], job["stage"], job["progress"]) == ("T", "uploading", 0)
        create(client, id="x", videoTitle="U")
        patched(client, "x", stage="uploading")
        item = client.get("/api/v1/queue/x?agent=studio").get_json()
        assert (item["title"], item["current_step"], item["progress"]) == ("U", "uploading", 90)


class TestPaging:
    def test_any_page_answers_with_where_it_lies(self, client: FlaskClient) -> None:
        ids = [create(client)["id"] for _ in range(5)]
        for page, expected in ((1, ids[:2:-1]), (2, ids[2:0:-1]), (3, ids[:1]), (4, [])):
            told = client.get(f"{HOME}/jobs?page={page}&limit=2").get_json()
            assert [job["id"] for job in told["jobs"]] == expected
            assert (told["total"], told["page"], told["totalPages"]) == (5, page, 3)
        assert len(client.get(f"{HOME}/jobs").get_json()["jobs"]) == 5

    @pytest.mark.parametrize(
        "query,field",
        [("page=0", "page"), ("page=-1", "page"), ("page=1.5", "page"), ("page=x", "page"), (f"page={'9' * 30}", "page"),
         ("page=%D9%A3", "page"), ("limit=0", "limit"), ("limit=101", "limit"), ("limit=%00", "limit")],
    )  # fmt: skip
    def test_a_page_that_is_none_is_refused_by_name(self, client: FlaskClient, query: str, field: str) -> None:
        for place in (f"{HOME}/jobs", f"{HOME}/episodes"):
            assert problem(client.get(f"{place}?{query}"), 422, field)["field"] == field

    @pytest.mark.parametrize("place", [f"{HOME}/jobs", f"{HOME}/episodes"])
    def test_the_largest_page_is_empty(self, client: FlaskClient, place: str) -> None:
        create(client, id="x", stage="completed")
        patched(client, "x", episodeId="e")
        told = client.get(f"{place}?page={2**53}&limit=100").get_json()
        assert (told["total"], told["totalPages"], told["jobs" if "jobs" in told else "episodes"]) == (1, 1, [])

    def test_episodes_are_asked_for_by_whether_they_are_published(self, client: FlaskClient) -> None:
        for id, published in (("x", True), ("y", False)):
            create(client, id=id, videoId=f"v{id}", videoTitle="T", stage="completed")
            patched(client, id, episodeId=f"e{id}", published=published)
        told = client.get(f"{HOME}/episodes?published=true").get_json()
        assert told["episodes"][0].pop("createdAt").endswith("Z")
        assert told == {
            "episodes": [{"episodeId": "ex", "published": True, "jobId": "x", "videoId": "vx", "videoTitle": "T"}],
            "total": 1, "page": 1, "totalPages": 1,
        }  # fmt: skip
        assert client.get(f"{HOME}/episodes?published=false").get_json()["episodes"][0]["episodeId"] == "ey"
        assert client.get(f"{HOME}/episodes?published=").get_json()["total"] == 2
        problem(client.get(f"{HOME}/episodes?published=yes"), 422, "published should be true or false")


class TestRefusals:
    @pytest.mark.parametrize(
        "field,value",
        [("videoId", 5), ("videoId", ""), ("videoId", "a\nb"), ("videoId", "v" * 201), ("videoTitle", ["T"]),
         ("videoTitle", "T" * 501), ("stage", ""), ("stage", "a\tb"), ("id", "17"), ("id", "active"), ("id", "a/b"),
         ("agent", "x"), ("progress", 5), ("timestamp", "yesterday"), ("metadata", [1])],
    )  # fmt: skip
    def test_a_new_job_names_what_is_wrong(self, client: FlaskClient, field: str, value: Any) -> None:
        assert problem(client.post(f"{HOME}/jobs", json={field: value}), 422, field)["field"] == field
        assert client.get(f"{HOME}/jobs").get_json()["total"] == 0

    @pytest.mark.parametrize(
        "field,value",
        [("progress", 101), ("progress", "50"), ("progress", True), ("progress", None), ("status", "queued"),
         ("status", None), ("published", "true"), ("published", 1), ("episodeId", 7), ("episodeId", "e" * 201),
         ("error", "e" * 16_001), ("seq", -1), ("attempt", 0), ("videoId", "v"), ("episode_id", "e")],
    )  # fmt: skip
    def test_an_update_names_what_is_wrong(self, client: FlaskClient, field: str, value: Any) -> None:
        before = create(client, id="x")
        assert problem(patch(client, "x", **{field: value}), 422, field)["field"] == field
        assert client.get(f"{HOME}/jobs/x").get_json() == {k: v for k, v in before.items() if k != "applied"}

    def test_the_status_words_are_those_of_this_dialect(self, client: FlaskClient) -> None:
        create(client, id="x")
        problem(patch(client, "x", status="queued"), 422, "pending, processing, completed, failed")
        problem(patch(client, "x", episode_id="e"), 422, "episodeId")

    @pytest.mark.parametrize(
        "place,body,field",
        [("videos", {}, "videoId"), ("videos", {"videoId": None}, "videoId"), ("videos", {"videoId": "v", "title": 5}, "title"),
         ("videos", {"videoId": "v", "publishedAt": "soon"}, "publishedAt"),
         ("videos", {"videoId": "v", "publishedAt": 1700000000}, "publishedAt"),
         ("backfills", {}, "totalVideos"), ("backfills", {"totalVideos": -1}, "totalVideos"),
         ("backfills", {"totalVideos": 2.5}, "totalVideos"), ("backfills", {"totalVideos": True}, "totalVideos"),
         ("backfills", {"totalVideos": 2**60}, "totalVideos"),
         ("backfills", {"totalVideos": 1, "since": "2026-02-30"}, "since"),
         ("backfills", {"totalVideos": 1, "id": "7"}, "id")],
    )  # fmt: skip
    def test_videos_and_backfills_name_what_is_wrong(
        self, client: FlaskClient, site: Site, place: str, body: dict[str, Any], field: str
    ) -> None:
        assert problem(client.post(f"{HOME}/{place}", json=body), 422, field)["field"] == field
        assert agents_service.agents(site) == ()

    @pytest.mark.parametrize("body", [{}, {"totalFound": 1}, {"totalFound": "1", "totalEnqueued": 1}])
    def test_what_a_backfill_found_is_told_whole(self, client: FlaskClient, body: dict[str, Any]) -> None:
        client.post(f"{HOME}/backfills", json={"id": "b", "totalVideos": 1})
        problem(client.patch(f"{HOME}/backfills/b", json=body), 422, "total")

    @pytest.mark.parametrize(
        "data,kind,status",
        [(b"", "application/json", 400), (b"{", "application/json", 400), (b"[]", "application/json", 422),
         (b"\xef\xbb\xbf{}", "application/json", 400), (b'{"a":NaN}', "application/json", 400),
         (b'{"id":"x","id":"y"}', "application/json", 400), (b"{}", "text/plain", 415),
         (b"[" * 100_000, "application/json", 400), (b'{"videoId":"a\\u0000"}', "application/json", 422),
         (b'{"message":"\\ud800"}', "application/json", 422), (b"{" + b" " * 300_000 + b"}", "application/json", 413)],
    )  # fmt: skip
    def test_a_body_that_is_no_object_is_refused(
        self, client: FlaskClient, data: bytes, kind: str, status: int
    ) -> None:
        for method, path, _ in WRITES:
            problem(client.open(path, method=method, data=data, content_type=kind), status)

    @pytest.mark.parametrize("agent", ["%00", "%0A", "%ff", "%ED%A0%80", "%20x", "x%20", "a" * 129, "%7F"])
    def test_a_name_that_no_agent_has_is_refused(self, client: FlaskClient, site: Site, agent: str) -> None:
        for method, path, body in WRITES:
            answer = client.open(path.replace("studio", agent), method=method, json=body)
            assert problem(answer, 422, "agent")["field"] == "agent"
        for path in READS[1:]:
            problem(client.get(path.replace("studio", agent)), 422, "agent")
        assert agents_service.agents(site) == ()

    @pytest.mark.parametrize("ref", ["nobody", "0", "999", "9" * 400, "%00", "%ff", "%D9%A3"])
    def test_an_unknown_job_or_backfill_is_404(self, client: FlaskClient, ref: str) -> None:
        create(client, id="x")
        problem(client.get(f"{HOME}/jobs/{ref}"), 404)
        problem(patch(client, ref, progress=1), 404)
        problem(client.patch(f"{HOME}/backfills/{ref}", json={"totalFound": 1, "totalEnqueued": 1}), 404)

    def test_a_job_of_another_agent_is_404_by_number_and_by_id(self, client: FlaskClient) -> None:
        create(client, id="x")
        for ref in ("1", "x"):
            problem(client.get(f"/agents/another/jobs/{ref}"), 404)
            problem(client.patch(f"/agents/another/jobs/{ref}", json={"progress": 1}), 404)

    def test_other_methods_and_places_are_refused_as_problems(self, client: FlaskClient) -> None:
        problem(client.delete(f"{HOME}/jobs"), 405)
        problem(client.get(f"{HOME}/nothing"), 404)
        problem(client.get("/agents/a/b/jobs"), 404)


class TestNames:
    @pytest.mark.parametrize(
        "agent", ["two words", "Überschnitt", "映像", "a.b:c@d", "50%", "x?y=z&", "🎬", "..", "jobs", "é"]
    )
    def test_an_agent_may_have_any_name_on_one_line(self, client: FlaskClient, agent: str) -> None:
        home = f"/agents/{quote(agent, safe='')}"
        made = client.post(f"{home}/jobs", json={"videoId": "v"})
        assert made.status_code == 201
        assert client.get(made.headers["Location"]).get_json()["id"] == made.get_json()["id"]
        assert client.get(f"{home}/stats").get_json()["totalVideos"] == 1
        (told,) = client.get("/agents").get_json()["agents"]
        assert told.keys() == {"id", "activeJobs", "failedJobs", "lastSeen"}
        assert (told["id"], told["activeJobs"], told["failedJobs"]) == (agent, 1, 0)

    def test_an_agent_that_nobody_heard_of_has_nothing_yet(self, client: FlaskClient) -> None:
        assert client.get("/agents").get_json() == {"agents": []}
        assert client.get(f"{HOME}/jobs").get_json() == {"jobs": [], "total": 0, "page": 1, "totalPages": 0}
        assert client.get(f"{HOME}/jobs/active").get_json() == {"jobs": []}
        assert client.get(f"{HOME}/episodes").get_json() == {"episodes": [], "total": 0, "page": 1, "totalPages": 0}
        assert client.get(f"{HOME}/stats").get_json() == {
            "totalVideos": 0, "totalEpisodes": 0, "publishedEpisodes": 0, "unpublishedEpisodes": 0, "activeJobs": 0,
            "failedJobs": 0, "successRate": None}  # fmt: skip
        assert client.get("/agents").get_json() == {"agents": []}

    def test_outside_text_comes_back_as_it_was_sent(self, client: FlaskClient) -> None:
        text = '<script>"\u202e\u2028🎬 é'
        job = create(client, id="x", videoTitle=text, videoId=text)
        assert (job["videoTitle"], job["videoId"]) == (text, text)
        assert patched(client, "x", message=text, episodeId=text)["message"] == text


class TestScopes:
    @pytest.mark.parametrize(
        "scope,reads,writes", [("read", True, False), ("ingest", False, True), ("metrics", False, False)]
    )
    def test_each_token_does_what_it_is_for(self, guarded: Flask, scope: str, reads: bool, writes: bool) -> None:
        shown = bearer(BY_SCOPE[scope])
        client = guarded.test_client()
        for path in READS:
            assert (client.get(path, headers=shown).status_code == 403) is not reads, path
            assert client.get(path).status_code == 401
        for method, path, body in WRITES:
            assert (client.open(path, method=method, json=body, headers=shown).status_code == 403) is not writes, path
            assert client.open(path, method=method, json=body).status_code == 401


def test_nothing_is_answered_with_2xx_while_the_store_is_away(
    client: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for connection in (site.store.redis, site.store.raw):
        monkeypatch.setitem(connection.connection_pool.connection_kwargs, "path", "/nowhere")
        connection.connection_pool.disconnect()
    for method, path, body in (*WRITES, *(("GET", path, None) for path in READS)):
        answer = client.open(path, method=method, json=body)
        problem(answer, 503)
        assert answer.headers["Retry-After"]
