"""The job list and a job's page, read as a person without a script reads them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import msgspec
import pytest
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from routes import job_list
from services import jobs_service
from services.job_changes import JobRef
from services.job_model import Job
from services.job_rules import NewJob, Update
from tests.panels.boards import HOSTILE, Parts


def make(
    site: Site, title: str = "a job", *updates: dict[str, object], agent: str = "default", **fields: object
) -> int:
    job = jobs_service.create(site, NewJob(title=title, agent=agent, **fields)).job  # type: ignore[arg-type]
    assert job is not None
    for update in updates:
        jobs_service.update(site, JobRef(number=job.number), Update(**update))  # type: ignore[arg-type]
    return job.number


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr id="job-(\d+)"', page)]


def text(page: str) -> str:
    return Parts(page).text


def bar(page: str) -> list[str]:
    """What the segments of a job's bar say."""
    track = page[page.index('<svg class="track') :]
    return re.findall(r'<rect class="(\w+)"', track[: track.index("</svg>")])


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_list, "LIMIT", 3)


def links(page: str) -> dict[str, str]:
    """The list's links to other pages of it, by their words."""
    pager = page[page.index('<nav class="pager"') :]
    found = re.findall(r'<a class="button"[^>]*href="([^"]+)">(\w+)</a>', pager)
    return {words: address.replace("&amp;", "&") for address, words in found}


def test_the_list_shows_jobs_newest_first_each_with_a_link(client: FlaskClient, site: Site) -> None:
    one, two = make(site, "first", agent="studio"), make(site, "second", {"stage": "rendering", "progress": 40.0})
    page = client.get("/dashboard/jobs").text
    assert numbers(page) == [two, one]
    assert f'href="/dashboard/jobs/{one}"' in page
    words = text(page)
    assert f"second # {two}".replace("# ", "#") in words
    assert "processing" in words
    assert "rendering" in words
    assert "40 %" in words
    assert "2 jobs" in words
    assert '<progress max="100" value="40.0"' in page


def test_status_and_agent_narrow_the_list_and_stand_in_the_address(client: FlaskClient, site: Site) -> None:
    make(site, "a", {"status": "failed", "error": "x"}, agent="studio")
    wanted = make(site, "b", agent="studio")
    make(site, "c", agent="mail")
    page = client.get("/dashboard/jobs?status=queued&agent=studio").text
    assert numbers(page) == [wanted]
    assert 'value="status:queued agent:studio"' in page
    assert 'hx-get="/dashboard/jobs/rows?q=status%3Aqueued+agent%3Astudio"' in page
    assert 'href="/dashboard/jobs?q=status%3Afailed+agent%3Astudio"' in page
    assert "Jobs that fit 1 job" in text(page)


@pytest.mark.usefixtures("small_pages")
def test_one_can_walk_to_the_oldest_and_back(client: FlaskClient, site: Site) -> None:
    made = [make(site, f"job {i}") for i in range(8)][::-1]
    page = client.get("/dashboard/jobs").text
    assert (numbers(page), list(links(page))) == (made[:3], ["Older", "Oldest"])
    page = client.get(links(page)["Older"]).text
    assert (numbers(page), list(links(page))) == (made[3:6], ["Newest", "Newer", "Older", "Oldest"])
    oldest = client.get(links(page)["Oldest"]).text
    assert (numbers(oldest), list(links(oldest))) == (made[-3:], ["Newest", "Newer"])
    page = client.get(links(oldest)["Newer"]).text
    assert numbers(page) == made[2:5]
    page = client.get(links(page)["Newer"]).text
    assert numbers(page) == made[:3]
    assert numbers(client.get(links(oldest)["Newest"]).text) == made[:3]


@pytest.mark.usefixtures("small_pages")
def test_walking_keeps_the_filter(client: FlaskClient, site: Site) -> None:
    for i in range(5):
        make(site, f"job {i}", agent="a b&c")
    page = client.get("/dashboard/jobs?agent=a+b%26c").text
    older = client.get(links(page)["Older"]).text
    assert len(numbers(older)) == 2
    assert 'value="agent:&#34;a b&amp;c&#34;"' in older


def test_an_empty_list_teaches_and_an_empty_filter_leads_back(client: FlaskClient, site: Site) -> None:
    assert "No jobs yet. Report the first one, with a token" in text(client.get("/dashboard/jobs").text)
    make(site)
    page = client.get("/dashboard/jobs?status=failed&agent=nobody").text
    assert "No job fits. Take a part of the search away above." in text(page)
    assert 'href="/dashboard/jobs">Show all jobs' in page


@pytest.mark.parametrize("query", ["status=done", "before=x", "after=-1", "before=99999999999999999999", "after=1e3"])
def test_an_address_that_makes_no_sense_is_told_so(client: FlaskClient, query: str) -> None:
    assert client.get(f"/dashboard/jobs?{query}").status_code == 400


def test_the_rows_alone_are_asked_again_and_answer_304_where_nothing_changed(client: FlaskClient, site: Site) -> None:
    number = make(site)
    page = client.get("/dashboard/jobs").text
    etag = re.search(r'data-live="job-list"[^>]* data-etag="([^"]+)"', page)
    assert etag
    sent = {"If-None-Match": etag[1].replace("&#34;", '"'), "HX-Request": "true"}
    assert client.get("/dashboard/jobs/rows", headers=sent).status_code == 304
    jobs_service.update(site, JobRef(number=number), Update(progress=10.0))
    again = client.get("/dashboard/jobs/rows", headers=sent)
    assert again.status_code == 200
    assert "10 %" in again.text
    assert "hx-" not in again.text


def test_a_damaged_job_is_shown_as_one_in_the_list_and_on_its_page(client: FlaskClient, site: Site) -> None:
    whole, broken, wrong = make(site, "whole"), make(site), make(site, "x", {"progress": 1.0})
    site.store.redis.delete(keys.JOB.at(0, broken))
    site.store.redis.delete(keys.JOB.at(0, wrong))
    site.store.redis.set(keys.JOB.at(0, wrong), "not a hash")
    page = client.get("/dashboard/jobs").text
    assert numbers(page) == [wrong, broken, whole]
    assert text(page[page.index("<table") :]).count("damaged") == 2
    assert text(page[: page.index("<table")]).count("damaged") == 1, "one is listed as at work"
    for number in (broken, wrong):
        one = client.get(f"/dashboard/jobs/{number}")
        assert one.status_code == 200
        assert "Damaged. The lists name this job" in text(one.text)


def test_a_job_is_asked_for_again_until_it_is_completed(client: FlaskClient, site: Site) -> None:
    failed = make(site, "may be tried again", {"status": "failed", "error": "timed out"})
    completed = make(site, "done", {"status": "completed"})
    assert "hx-get" in client.get(f"/dashboard/jobs/{failed}").text
    assert "hx-get" not in client.get(f"/dashboard/jobs/{completed}").text


def test_a_jobs_page_shows_what_it_did_and_why_it_failed(client: FlaskClient, site: Site) -> None:
    number = make(
        site,
        "Sunday Service",
        {"stage": "downloading", "progress": 10.0},
        {"stage": "rendering", "progress": 60.0, "message": "part 3"},
        {"status": "failed", "error": "Traceback\n  no space left"},
        agent="studio",
        metadata={"video": "x1"},
    )
    page = client.get(f"/dashboard/jobs/{number}").text
    words = text(page)
    for said in (
        "Sunday Service",
        "failed",
        "60 % · failed in rendering",
        "Traceback no space left",
        "downloading",
        '"video": "x1"',
        "studio",
    ):
        assert said in words
    assert bar(page) == ["room", "done", "bad"]
    assert f"/api/v1/queue/{number}" in page


def test_an_earlier_attempt_stays_on_the_page(client: FlaskClient, site: Site) -> None:
    number = make(site, "a", {"status": "failed", "error": "no luck"}, {"attempt": 2, "progress": 5.0})
    words = text(client.get(f"/dashboard/jobs/{number}").text)
    assert "attempt 2" in words
    assert "Earlier attempts" in words
    assert "no luck" in words


def test_an_earlier_attempt_tells_the_line_of_its_traceback_that_says_what_went_wrong(
    client: FlaskClient, site: Site
) -> None:
    error = (
        'Traceback (most recent call last):\n  File "shop.py", line 3, in order\nOrderError: attempt 1 failed\nask Ann'
    )
    number = make(site, "a", {"status": "failed", "error": error}, {"attempt": 2, "progress": 5.0})
    words = text(client.get(f"/dashboard/jobs/{number}").text)
    assert "OrderError: attempt 1 failed" in words
    assert "Traceback" not in words


def test_nothing_from_outside_turns_the_direction_of_what_is_read(client: FlaskClient, site: Site) -> None:
    turned = "live \u202eevil\u202c done"
    number = make(
        site, turned, {"stage": turned, "message": turned, "status": "failed", "error": turned, "error_type": turned}
    )
    for path in (f"/dashboard/jobs/{number}", "/dashboard/jobs"):
        page = client.get(path).text
        assert "\u202e" not in page
        assert "live U+202E evil" in text(page)


def test_a_running_job_is_asked_for_again_until_it_ended(client: FlaskClient, site: Site) -> None:
    number = make(site, "a", {"progress": 5.0})
    page = client.get(f"/dashboard/jobs/{number}").text
    assert f'hx-get="/dashboard/jobs/{number}/state"' in page
    assert "Headway-Resting" not in client.get(f"/dashboard/jobs/{number}/state").headers
    jobs_service.update(site, JobRef(number=number), Update(status="completed", result={"rows": 3}))
    state = client.get(f"/dashboard/jobs/{number}/state")
    assert state.headers["Headway-Resting"] == "yes"
    assert '"rows": 3' in text(state.text)


@pytest.mark.parametrize("number", ["0", "77", "99999999999999999999999"])
def test_a_number_that_no_job_has_is_not_found(client: FlaskClient, number: str) -> None:
    answer = client.get(f"/dashboard/jobs/{number}")
    assert answer.status_code == 404
    assert "No such job" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/jobs",
        "/dashboard/jobs/{}",
        "/dashboard/jobs/{}/state",
        "/dashboard/jobs?agent=<svg+onload%3Dalert(2)>",
    ],
)
def test_hostile_texts_stay_text_in_every_field(client: FlaskClient, site: Site, path: str) -> None:
    number = make(
        site,
        HOSTILE,
        {"stage": "<b onclick=x>", "message": HOSTILE, "progress": 5.0},
        {"status": "failed", "error": HOSTILE, "result": {"r": HOSTILE}},
        {"attempt": 2, "stage": "again", "error": HOSTILE, "message": HOSTILE, "result": [HOSTILE]},
        agent="<svg onload=alert(2)>",
        metadata={HOSTILE: HOSTILE},
    )
    page = client.get(path.format(number)).text
    parts = Parts(page)
    assert "iframe" not in parts.tags
    assert "img" not in parts.tags
    assert "onload=alert" in parts.text
    assert not [name for name, _ in parts.attributes if re.match(r"on[a-z]", name)]
    assert len(re.findall(r"<script", page)) == len(re.findall(r"<script[^>]* src=", page))


def test_a_very_long_text_is_whole_on_the_page_of_its_job(client: FlaskClient, site: Site) -> None:
    error = "x" * 16_000
    number = make(site, "t" * 500, {"status": "failed", "error": error})
    page = client.get(f"/dashboard/jobs/{number}").text
    assert error in page
    assert "t" * 500 in page
    assert f'title="{"t" * 500}"' in client.get("/dashboard/jobs").text


def test_a_row_of_the_list_is_an_address_that_json_has_too(client: FlaskClient, site: Site) -> None:
    number = make(site, "same")
    answer = client.get(f"/api/v1/queue/{number}")
    assert json.loads(answer.data)["title"] == "same"


def active(page: str) -> str:
    return page[page.index('id="region-active-jobs"') : page.index('id="region-job-list"')]


def test_what_is_at_work_stands_above_the_list_and_what_waits_is_counted(client: FlaskClient, site: Site) -> None:
    queued, done = make(site, "waits"), make(site, "done", {"status": "completed"})
    running = make(site, "runs", {"stage": "rendering", "progress": 40.0, "message": "part 3"}, agent="studio")
    page = client.get("/dashboard/jobs").text
    assert re.findall(r'id="now-(\d+)"', page) == [str(running)]
    words = text(active(page))
    assert "runs 40 % rendering · part 3 since" in words
    assert "Active now 1 processing, 1 queued" in words
    assert 'href="/dashboard/jobs?q=status%3Aqueued">1 queued</a>' in active(page)
    assert numbers(page) == [running, done, queued]
    assert re.findall(r'id="now-(\d+)"', client.get("/dashboard/jobs?agent=studio").text) == [str(running)]
    for elsewhere in ("status=failed", f"before={queued}", "after=0"):
        assert "region-active-jobs" not in client.get(f"/dashboard/jobs?{elsewhere}").text


def test_so_many_active_jobs_are_shown_and_the_rest_is_counted(client: FlaskClient, site: Site) -> None:
    for at in range(job_list.ACTIVE + 3):
        make(site, f"job {at}", {"progress": 1.0})
    make(site, "waits")
    page = client.get("/dashboard/jobs").text
    assert list(map(int, re.findall(r'id="now-(\d+)"', page))) == [*range(1, job_list.ACTIVE + 1)], (
        "each stays in its place"
    )
    assert f"{job_list.ACTIVE} of {job_list.ACTIVE + 3} processing" in text(active(page))
    assert f">{job_list.ACTIVE + 3} processing</a>" in active(page)
    assert ">1 queued</a>" in active(page)


def quiet(site: Site, number: int, seconds: float) -> None:
    """As if the job's last update had come so long ago."""
    record = msgspec.msgpack.decode(site.store.raw.get(keys.JOB.at(0, number)))
    record["updated"] = int((site.clock() - seconds) * 1000)
    record["started"] = min(record.get("started", record["updated"]), record["updated"])
    site.store.raw.set(keys.JOB.at(0, number), msgspec.msgpack.encode(record))


@pytest.mark.parametrize("path", ["/dashboard/jobs", "/dashboard/jobs?status=processing", "/dashboard/jobs/{}"])
def test_a_job_without_progress_for_long_is_marked_in_words(client: FlaskClient, site: Site, path: str) -> None:
    number = make(site, "stuck", {"stage": "rendering"})
    assert "no progress" not in text(client.get(path.format(number)).text)
    quiet(site, number, 400)
    assert "no progress since" in text(client.get(path.format(number)).text)


def past(site: Site, *stages: str, seconds: float, times: int = 4) -> None:
    """Jobs of the agent `studio` whose stages took so long each."""
    start = site.clock() - 40_000
    for run in range(times):
        job = jobs_service.create(site, NewJob(agent="studio", timestamp=at(start + run))).job
        assert job is not None
        moments = [start + run + seconds * step for step in range(len(stages) + 1)]
        for stage, moment in zip(stages, moments, strict=False):
            jobs_service.update(site, JobRef(number=job.number), Update(stage=stage, timestamp=at(moment)))
        jobs_service.update(site, JobRef(number=job.number), Update(status="completed", timestamp=at(moments[-1])))


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_the_stages_to_come_and_the_end_are_told_from_earlier_jobs(client: FlaskClient, site: Site) -> None:
    past(site, "fetch", "render", "upload", seconds=60)
    number = make(site, "next", {"stage": "fetch"}, {"stage": "render"}, agent="studio")
    page = client.get(f"/dashboard/jobs/{number}").text
    assert bar(page) == ["room", "room", "room", "done", "now"]
    words = text(page)
    assert "about 2 min left" in words
    assert re.search(r"render in progress usually 1 min .* since .* upload to come usually 1 min", words)
    assert "about 2 min left" in text(active(client.get("/dashboard/jobs").text))


def test_each_attempt_is_drawn_with_its_stages_and_its_wait(client: FlaskClient, site: Site) -> None:
    start = site.clock() - 1000
    job = jobs_service.create(site, NewJob(timestamp=at(start))).job
    assert job is not None
    for seconds, fields in (
        (30, {"stage": "fetch"}),
        (70, {"status": "failed", "error": "no luck"}),
        (100, {"attempt": 2, "stage": "fetch"}),
        (140, {"stage": "render"}),
        (200, {"status": "completed"}),
    ):
        jobs_service.update(site, JobRef(number=job.number), Update(timestamp=at(start + seconds), **fields))  # type: ignore[arg-type]
    page = client.get(f"/dashboard/jobs/{job.number}").text
    stages = page[page.index('id="title-stages"') : page.index('id="title-facts"')]
    assert re.findall(r'<svg data-kind="(\w+)"', stages) == ["wait", "done", "done", "wait", "bad"]
    words = text(stages)
    assert re.search(r"waiting before its start .*30 s fetch .*40 s .* render .*1 min ", words)
    assert re.search(r"1 failed in fetch , at 0 %.*waited 30 s · fetch 40 s, failed no luck", words)
    assert "usually" not in words.replace("usual length", ""), "of one run nothing is usual"


def test_a_job_that_was_over_at_once_and_one_of_hours_say_how_long_they_took(client: FlaskClient, site: Site) -> None:
    fast = make(site, "fast", {"stage": "scale"}, {"status": "completed"})
    words = text(client.get(f"/dashboard/jobs/{fast}").text)
    assert re.search(r"took \d+ ms ended", words)
    assert "100 % · scale" in words
    begun = site.clock() - 7500
    slow = make(site, "slow", {"stage": "index", "timestamp": at(begun)}, timestamp=at(begun))
    jobs_service.update(site, JobRef(number=slow), Update(status="completed", timestamp=at(begun + 7500)))
    assert "took 2 h 5 min ended" in text(client.get(f"/dashboard/jobs/{slow}").text)


def test_a_job_is_opened_by_its_number_or_its_id(client: FlaskClient, site: Site) -> None:
    number = make(site, "a", agent="studio", id="episode-7")
    for sought in (str(number), f"%23{number}", "episode-7", "episode-7&agent=studio"):
        answer = client.get(f"/dashboard/jobs?find={sought}")
        assert (answer.status_code, answer.location) == (302, f"/dashboard/jobs/{number}")


@pytest.mark.parametrize("sought", ["77", "0", "9" * 40, "episode", "<svg onload=x>", "a title", "%00"])
def test_a_job_that_is_not_found_is_told_so_above_the_list(client: FlaskClient, site: Site, sought: str) -> None:
    make(site, "a title", id="episode-7")
    answer = client.get(f"/dashboard/jobs?find={sought}")
    assert answer.status_code == 404
    assert "No job has the number or the id" in text(answer.text)
    assert len(numbers(answer.text)) == 1


def test_a_reporter_whose_clock_is_an_hour_behind_is_not_stalled_and_did_not_run_for_an_hour(
    client: FlaskClient, site: Site
) -> None:
    then = at(site.clock() - 3600)
    number = make(site, "late", {"stage": "render", "timestamp": then}, timestamp=then)
    found = jobs_service.get(site, JobRef(number=number))
    assert isinstance(found, Job)
    assert found.heard_at is not None
    assert site.clock() - found.heard_at.timestamp() < 60
    page = client.get(f"/dashboard/jobs/{number}").text
    assert "no progress" not in page
    running = re.search(r'running <b><time datetime="([^"]+)"', page)
    assert running
    assert site.clock() - datetime.fromisoformat(running[1]).timestamp() < 60
    jobs_service.update(site, JobRef(number=number), Update(progress=50.0))
    again = jobs_service.get(site, JobRef(number=number))
    assert isinstance(again, Job)
    assert again.heard_at is None
