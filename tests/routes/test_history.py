"""The history page, its API, and archived jobs wherever a job can be asked for."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from routes import history_api
from services import archive_export, jobs_service
from services.job_rules import NewJob
from tests import archive
from tests.archived import AT_MS, row, write

PAGE, API = "/dashboard/history", "/api/v1/history"


@pytest.fixture
def held(site: Site, client: FlaskClient) -> Site:
    """A site whose archive is empty and has its tables."""
    archive.database(site.settings).close()
    return site


def titles(html: str) -> list[str]:
    found = re.findall(r'<a class="name"[^>]*><bdi[^>]*>(.*?)</bdi>', html)
    return [re.sub(r"</?mark>", "", each) for each in found]


def test_the_page_lists_finished_jobs_newest_end_first_and_marks_what_was_found(
    held: Site, client: FlaskClient
) -> None:
    write(
        held,
        row(1, title="First cut"),
        row(2, title="Second", error="Traceback (most recent call last):\n  File x\nBoom: host gone"),
    )
    assert titles(client.get(PAGE).text) == ["Second", "First cut"]
    html = client.get(f"{PAGE}?q=host+status").text
    assert "No archived job fits." in html
    html = client.get(f"{PAGE}?q=host&status=failed").text
    assert titles(html) == ["Second"]
    assert "Boom: <mark>host</mark> gone" in html
    # Of a traceback the line that tells most, also where nothing was sought.
    assert "Boom: host gone</bdi></div>" in client.get(PAGE).text


def test_an_empty_archive_says_what_will_come(held: Site, client: FlaskClient) -> None:
    assert "Nothing is archived yet." in client.get(PAGE).text
    assert "narrows nothing" in client.get(f"{PAGE}?q=***").text


def test_a_site_that_has_no_tables_yet_shows_the_page_all_the_same(client: FlaskClient) -> None:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    assert "Nothing is archived yet." in answer.text


def test_what_a_site_archived_that_has_archived_nothing_yet_is_nothing(client: FlaskClient) -> None:
    assert client.get("/api/v1/history").json == {"items": [], "next_cursor": None}
    assert client.get("/api/v1/history/export?format=ndjson").data == b""
    assert client.get("/api/v1/history/export?format=csv").text.count("\n") == 1
    assert client.get("/api/v1/metrics/jobs?by=agent").json["groups"] == []


def test_the_filter_is_in_the_address_and_each_part_can_be_taken_away(held: Site, client: FlaskClient) -> None:
    write(held, *(row(n, agent=f"a{n % 2}", duration_ms=n * 1000, queue="high") for n in range(1, 9)))
    html = client.get(f"{PAGE}?agent=a1&min_s=3&max_s=5.5&from={AT_MS // 1000}&to=2026-09-21T14:13:25Z&queue=high").text
    assert len(titles(html)) == 1
    assert (
        'href="/dashboard/history?queue=high&amp;from=1790000000&amp;to=2026-09-21T14%3A13%3A25Z&amp;min_s=3&amp;max_s=5.5"'
        in html
    )
    local = client.get(f"{PAGE}?from=2026-09-21T16:13:22&to=2026-09-21T16:13:23&zone=Europe/Berlin").text
    assert len(titles(local)) == 1
    assert 'value="2026-09-21T16:13:22"' in local


def test_pages_lead_on_by_links(held: Site, client: FlaskClient) -> None:
    write(held, *(row(n, title=f"T{n}") for n in range(1, 121)))
    html, seen = client.get(f"{PAGE}?agent=studio").text, list[str]()
    while True:
        seen += titles(html)
        older = re.search(r'rel="next" href="([^"]+)"', html)
        if older is None:
            break
        html = client.get(older[1].replace("&amp;", "&")).text
    assert seen == [f"T{n}" for n in range(120, 0, -1)]
    newer = re.search(r'rel="prev" href="([^"]+)"', html)
    assert newer is not None
    assert titles(client.get(newer[1].replace("&amp;", "&")).text) == [f"T{n}" for n in range(70, 20, -1)]


def test_figures_of_what_fits_stand_below_on_demand(held: Site, client: FlaskClient) -> None:
    write(held, row(1, agent="a"), row(2, agent="b", error="x"), row(3, agent="b"))
    assert 'class="grouped"' not in client.get(PAGE).text
    html = client.get(f"{PAGE}?by=agent&agent=b").text
    assert re.findall(r'<th scope="row"><a href="[^"]*"><bdi[^>]*>(\w+)</bdi>', html) == ["b"]
    assert "50.0 %" in html or "50 %" in html
    write(held, row(4, error="Boom: x", error_type="Boom", worker="w1"))
    html = client.get(f"{PAGE}?by=error").text
    assert f'href="{PAGE}?error_type=Boom"' in html
    assert f'href="{PAGE}?worker=w1"' in client.get(f"{PAGE}?by=worker").text


def test_what_came_from_outside_is_shown_as_text(held: Site, client: FlaskClient) -> None:
    bad = "<script>alert(1)</script>"
    stages = json.dumps([[bad, AT_MS - 2000, AT_MS]])
    write(
        held,
        row(
            1,
            title=bad,
            agent=bad.replace("/", ""),
            error=bad,
            failed_stage=bad,
            queue=bad,
            function=bad,
            stages=stages,
        ),
    )
    for query in (
        "",
        "?q=script",
        "?by=agent",
        "?by=stage",
        "?by=queue",
        f"?q={bad}&agent={bad}&stage={bad}&zone=UTC&job={bad}",
    ):
        html = client.get(PAGE + query).text
        assert "<script>alert" not in html
        assert "alert<mark" not in html
    assert "<script>alert" not in client.get("/dashboard/jobs/1").text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=queued", "status"), ("from=yesterday", "from"), ("to=2026-13-01T00:00:00Z", "to"), ("min_s=-1", "min_s"), ("max_s=1e9", "max_s"),
        ("from=20&to=10", "from"), ("min_s=9&max_s=3", "min_s"), ("zone=Mars/Base", "zone"), ("zone=../../etc/passwd", "zone"),
        ("limit=0", "limit"), ("limit=501", "limit"), ("cursor=x", "cursor"), ("cursor=1.", "cursor"), ("cursor=%D9%A3.1", "cursor"),
        ("agent=%00", "agent"), ("state=bogus", "state"), ("state=canceled,queued", "state"), ("state=,", "state"), ("queue=+%09", "queue"), ("job=%20%00", "job"), ("from=+", "from"),
    ],
)  # fmt: skip
def test_bad_values_are_named(held: Site, client: FlaskClient, query: str, field: str) -> None:
    answer = client.get(f"{API}?{query}")
    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert answer.content_type == "application/problem+json"
    if field not in ("limit", "cursor"):
        assert client.get(f"{PAGE}?{query}").status_code == 422
        assert client.get(f"{API}/export?format=csv&{query}").status_code == 422


@pytest.mark.parametrize("query", ["from=0", "to=999999999999", "from=0001-01-01T00:00:00Z", "to=9999-12-31T23:59:59-12:00", "q=%00",
                                   "q=%ff", "agent=%ED%A0%80", "job=99999999999999999999", "q=" + "a" * 5000])  # fmt: skip
def test_odd_values_are_no_errors(held: Site, client: FlaskClient, query: str) -> None:
    for address in (f"{PAGE}?{query}", f"{API}?{query}", f"{PAGE}?{query}&zone=Pacific/Kiritimati"):
        assert client.get(address).status_code == 200


def test_the_api_answers_items_in_the_shape_of_the_queue_by_cursor(held: Site, client: FlaskClient) -> None:
    write(held, *(row(n, queue="high", function="tasks.a") for n in range(1, 8)))
    seen, cursor = list[dict[str, Any]](), ""
    while True:
        answer = client.get(f"{API}?queue=high&limit=3{cursor}").json
        seen += answer["items"]
        if answer["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['next_cursor']}"
    assert [item["queue_id"] for item in seen] == [7, 6, 5, 4, 3, 2, 1]
    assert (seen[0]["queue"], seen[0]["function"], seen[0]["archived"]) == ("high", "tasks.a", True)
    jobs_service.create(held, NewJob())
    live = client.get("/api/v1/queue").json["items"][0]
    assert live.keys() == seen[0].keys() - {"archived"}


def test_what_jobs_of_queues_have_besides_narrows_page_and_api_alike(held: Site, client: FlaskClient) -> None:
    named = {"worker": "w 1", "error_type": "app.Lost", "state": "stopped", "fingerprint": "00ff00ff00ff00ff"}
    write(held, row(1, tags=" eu vip ", error="app.Lost: x", **named), row(2, worker="w", tags=" vips "))
    for name, value in {**named, "tag": "vip"}.items():
        asked = urlencode({name: value})
        assert [item["queue_id"] for item in client.get(f"{API}?{asked}").json["items"]] == [1], name
        page = client.get(f"{PAGE}?{asked}").text
        assert "#1<" in page
        assert "#2<" not in page
        assert value in page
    item = client.get(f"{API}?tag=eu").json["items"][0]
    assert (item["tags"], item["worker"], item["state"], item["error_type"]) == (
        ["eu", "vip"],
        "w 1",
        "stopped",
        "app.Lost",
    )


def test_several_states_are_named_with_commas_between_them(held: Site, client: FlaskClient) -> None:
    write(held, *(row(n, state=state) for n, state in enumerate(("canceled", "deleted", "stopped", None), 1)))
    for said in ("canceled,deleted", "Deleted, CANCELED,"):
        asked = urlencode({"state": said})
        assert [item["queue_id"] for item in client.get(f"{API}?{asked}").json["items"]] == [2, 1]
        assert len(client.get(f"{API}/export?format=ndjson&{asked}").text.splitlines()) == 2
        page = client.get(f"{PAGE}?{asked}").text
        assert "#2<" in page
        assert "#3<" not in page
    told = client.get(f"{API}?state=bogus").json["detail"]
    assert (
        told
        == "state should be one or several of finished, failed, stopped, canceled, deleted, with commas between them."
    )


def test_an_export_is_a_file_by_name(held: Site, client: FlaskClient) -> None:
    write(held, row(1, agent="studio"), row(2, agent="other"))
    answer = client.get(f"{API}/export?format=ndjson&agent=studio&q=")
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ["job-1"]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="headway-history-studio.ndjson"'
    assert client.get(f"{API}/export?format=csv").text.splitlines()[1].startswith("job-1,")
    assert client.get(f"{API}/export?format=xml").json["field"] == "format"
    assert client.get(f"{API}/export?format=csv&agent=%0d%0aX:1").headers["Content-Disposition"].count("\n") == 0
    # Neither those that were read nor those that were only asked for the head keep a place.
    for _ in range(5):
        assert client.head(f"{API}/export?format=csv").status_code == 200


def test_figures_by_what_jobs_have_in_common(held: Site, client: FlaskClient) -> None:
    write(held, row(1), row(2, error="x"))
    told = client.get("/api/v1/metrics/jobs?by=outcome").json
    assert (told["by"], told["from"], told["other"]) == ("outcome", None, None)
    assert {group["outcome"]: group["jobs"] for group in told["groups"]} == {"completed": 1, "failed": 1}
    assert told["groups"][0]["processing_time"].keys() == {"p50", "p95", "mean"}
    hours = f"from={AT_MS // 1000}&to={AT_MS // 1000 + 7200}"
    assert client.get(f"/api/v1/metrics/jobs?by=hour&{hours}").json["groups"][0]["jobs"] == 2
    assert client.get("/api/v1/metrics/jobs?by=agent&range=7d").json["from"] is not None
    for query, field in (
        ("by=colour", "by"),
        ("by=hour", "from"),
        ("by=agent&range=2w", "range"),
        ("by=agent&from=x", "from"),
    ):
        assert client.get(f"/api/v1/metrics/jobs?{query}").json["field"] == field
    assert "points" in client.get("/api/v1/metrics/jobs").json


def test_a_job_that_the_store_let_go_of_has_its_page_and_its_json(held: Site, client: FlaskClient) -> None:
    stages = json.dumps([["fetch", AT_MS - 2000, AT_MS - 1000], ["encode", AT_MS - 1000, AT_MS]])
    write(held, row(17, id="old-1", title="Old one", error="Boom: host 7 gone", stages=stages, failed_stage="encode",
                    metadata='{"k": "kept"}', queue="high", duration_ms=2000))  # fmt: skip
    html = client.get("/dashboard/jobs/17").text
    for words in ("Old one", "archived", "Boom: host 7 gone", "kept", "fetch", "encode", "high", "Similar failures"):
        assert words in html
    assert 'href="/dashboard/history?q=boom+host+gone&amp;status=failed"' in html
    assert "data-live" not in html.partition('id="region-job"')[2].partition(">")[0]
    for address in ("/api/v1/queue/17", "/api/v1/queue/old-1?agent=studio"):
        assert (client.get(address).json["archived"], client.get(address).json["queue_id"]) == (True, 17)
    for address in ("/agents/studio/jobs/old-1", "/agents/studio/jobs/17"):
        assert (client.get(address).json["archived"], client.get(address).json["id"]) == (True, "old-1")
    assert client.get("/agents/other/jobs/old-1").status_code == 404
    for text in ("17", "#17", "old-1"):
        assert (
            client.get(f"/dashboard/jobs?find={text.replace('#', '%23')}")
            .headers["Location"]
            .endswith("/dashboard/jobs/17")
        )
    for address in ("/dashboard/jobs/18", "/api/v1/queue/18", "/agents/studio/jobs/18"):
        assert client.get(address).status_code == 404


def test_a_live_job_goes_before_an_archived_state_of_it(held: Site, client: FlaskClient) -> None:
    job = jobs_service.create(held, NewJob(title="Alive", agent="studio", id="one")).job
    assert job is not None
    write(held, row(job.number, id="one", title="As it was"))
    html = client.get(f"/dashboard/jobs/{job.number}").text
    assert "Alive" in html
    assert "archived" not in html.partition("<main")[2]
    assert "archived" not in client.get(f"/api/v1/queue/{job.number}").json


def test_without_the_database_the_page_says_so_and_live_jobs_go_on(client: FlaskClient, site: Site) -> None:
    site.database.path.write_text("This is no database at all. " * 100)
    live = jobs_service.create(site, NewJob(title="Alive")).job
    assert live is not None
    answer = client.get(f"{PAGE}?q=x")
    assert answer.status_code == 503
    assert "can’t be asked" in answer.text
    assert "Traceback" not in answer.text
    for address in (API, f"{API}/export?format=csv", "/api/v1/metrics/jobs?by=agent"):
        told = client.get(address)
        assert (told.status_code, told.json["title"]) == (503, "Archive unavailable")
        assert told.headers["Retry-After"]
    assert client.get(f"/dashboard/jobs/{live.number}").status_code == 200
    places = ("/api/v1/queue/", "/agents/a/jobs/", "/dashboard/jobs/")
    for address in (*(f"{place}99" for place in places), "/agents/a/jobs/x", "/api/v1/queue/x"):
        told = client.get(address)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "5")
        assert "archive of finished jobs can" in told.text
    site.store.redis.hset(keys.ARCHIVE.at(), "of", "an archive")  # so it was asked for its highest number
    for place in places:
        assert client.get(f"{place}99").status_code == 404
    assert client.get(f"/api/v1/queue/{'9' * 5000}").status_code == 404
    assert client.get("/dashboard/jobs?find=nowhere").status_code == 404


def test_who_may_not_read_may_not_search(held: Site, app: Any) -> None:
    stranger = app.test_client()
    for address in (API, f"{API}/export?format=csv", "/api/v1/metrics/jobs?by=agent"):
        assert stranger.get(address).status_code == 401


def test_a_download_that_takes_hardly_anything_is_ended_and_makes_room_for_others(
    held: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_api, "STALL_S", 0.0)
    monkeypatch.setattr(history_api, "SLOWEST_BYTES_S", 10**9)
    monkeypatch.setattr(archive_export, "BATCH", 2)
    write(held, *(row(n) for n in range(6)))
    address = f"{API}/export?format=ndjson"
    for _ in range(history_api.AT_ONCE + 1):
        slow = client.get(address, buffered=False)
        pieces = slow.iter_encoded()
        assert next(pieces).count(b"\n") == 2
        time.sleep(0.01)
        with pytest.raises(BrokenPipeError):
            next(pieces)
        slow.close()
    monkeypatch.undo()
    assert client.get(address).text.count("\n") == 6
