"""The list of agents and an agent's page, read as a person without a script reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from core.site import Site
from panels._directions import written
from routes import agents_pages
from services import jobs_service
from services.job_changes import JobRef
from services.job_rules import NewJob, Update
from tests.panels.boards import HOSTILE, Parts

AGENTS = "/dashboard/agents"


def make(site: Site, agent: str, *updates: dict[str, object], title: str = "a job") -> int:
    job = jobs_service.create(site, NewJob(title=title, agent=agent)).job
    assert job is not None
    for update in updates:
        jobs_service.update(site, JobRef(number=job.number), Update(**update))  # type: ignore[arg-type]
    return job.number


def text(page: str) -> str:
    return Parts(page).text


def headings(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", page[: page.index('<dialog id="help"')])


def names(page: str) -> list[str]:
    return re.findall(r'<a class="name" href="/dashboard/agents/([^"]+)"', page)


def card(page: str, name: str) -> str:
    found = re.search(rf"<span>{name}</span>(.*?)</div></div>", page, re.DOTALL)
    assert found, f"no card {name}"
    return text(found[1])


def test_the_list_has_each_agent_by_name_with_its_figures_and_a_link(client: FlaskClient, site: Site) -> None:
    make(site, "mail", {"status": "completed"})
    for status in ("completed", "completed", "failed"):
        make(site, "studio", {"status": status})
    make(site, "studio", {"stage": "rendering"})
    make(site, "studio")
    page = client.get(AGENTS).text
    assert names(page) == ["mail", "studio"]
    row = text(page[page.index("agents/studio") :])
    assert re.search(r"studio 1 1 1 66.7 % ", row)
    assert 'href="/dashboard/jobs?status=failed&amp;agent=studio"' in page
    assert "2 agents" in text(page)


def test_an_agent_keeps_its_place_in_the_list_when_another_is_seen(client: FlaskClient, site: Site) -> None:
    for agent in ("box-10", "box-9", "archive", "box-10"):
        make(site, agent)
        shown = names(client.get(AGENTS).text)
        assert shown == [name for name in ("archive", "box-9", "box-10") if name in shown]


def test_many_agents_are_shown_by_the_page(client: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents_pages, "LIMIT", 3)
    for at in range(7):
        make(site, f"agent-{at}")
    pages = [client.get(f"{AGENTS}?page={number}").text for number in (1, 2, 3)]
    assert [name for page in pages for name in names(page)] == [f"agent-{at}" for at in (4, 5, 6, 1, 2, 3, 0)]
    assert [len(names(page)) for page in pages] == [3, 3, 1]
    assert "7 agents, page 2 of 3" in text(pages[1])
    assert [re.findall(r'rel="(next|prev)" href="([^"]+)"', page) for page in pages] == [
        [("next", f"{AGENTS}?page=2")],
        [("prev", f"{AGENTS}?page=1"), ("next", f"{AGENTS}?page=3")],
        [("prev", f"{AGENTS}?page=2")],
    ]
    assert "No agent is on this page." in text(client.get(f"{AGENTS}?page=9").text)


@pytest.mark.parametrize("number", ["0", "-1", "x", "201", "99999", "1e1", "²"])
def test_a_page_that_makes_no_sense_is_told_so(client: FlaskClient, number: str) -> None:
    assert client.get(f"{AGENTS}?page={number}").status_code == 400


def test_an_empty_list_teaches(client: FlaskClient) -> None:
    assert "No agents yet. An agent is whoever reports jobs" in text(client.get(AGENTS).text)


def test_an_agents_page_has_its_figures_what_it_does_and_its_jobs(client: FlaskClient, site: Site) -> None:
    make(site, "studio", {"status": "completed"})
    make(site, "studio", {"status": "failed", "error": "x"})
    now = make(site, "studio", {"stage": "rendering", "progress": 40.0, "message": "part 3"}, title="Sunday")
    make(site, "studio")
    other = make(site, "mail")
    page = client.get(f"{AGENTS}/studio").text
    assert card(page, "Active jobs") == "2 1 processing, 1 queued"
    assert card(page, "Failed jobs") == "1 of 2 that ended"
    assert card(page, "Success rate") == "50.0 % 1 completed"
    assert f'id="now-{now}"' in page
    assert "Sunday 40 % rendering · part 3" in text(page)
    assert len(re.findall(r'<tr id="job-', page)) == 4
    assert f'"job-{other}"' not in page
    assert 'href="/dashboard/jobs?agent=studio"' in page


def test_an_agent_without_videos_has_nothing_of_them_on_its_page(client: FlaskClient, site: Site) -> None:
    make(site, "mail")
    page = client.get(f"{AGENTS}/mail").text
    assert headings(page) == ["Processing now", "Jobs"]
    for word in ("Video", "Episode", "Backfill"):
        assert word not in page
    assert "Nothing is being processed; 1 job waits." in text(page)
    assert card(page, "Success rate") == "– no job ended yet"


def test_videos_episodes_and_backfills_are_shown_where_there_are_any(client: FlaskClient) -> None:
    for at, published in enumerate((True, False, False)):
        made = client.post("/agents/studio/jobs", json={"videoId": f"v{at}", "videoTitle": f"Service {at}"}).json
        done = {"status": "completed", "episodeId": f"ep-{at}", "published": published}
        assert client.patch(f"/agents/studio/jobs/{made['id']}", json=done).status_code == 200
    client.post(
        "/agents/studio/videos", json={"videoId": "d1", "title": "Study", "publishedAt": "2026-11-20T10:00:00Z"}
    )
    backfill = client.post("/agents/studio/backfills", json={"totalVideos": 120, "since": "2026-01-01"}).json
    client.patch(
        f"/agents/studio/backfills/{backfill['id']}", json={"totalFound": 46, "totalEnqueued": 40, "completed": False}
    )
    page = client.get(f"{AGENTS}/studio").text
    assert headings(page) == [
        "Processing now", "Jobs", "Workflow", "Backfills", "Unpublished episodes", "Published episodes", "Discovered videos",
    ]  # fmt: skip
    assert card(page, "Episodes") == "3 1 published, 2 unpublished"
    assert card(page, "Videos") == "4 seen in all"
    words = text(page)
    assert "2026-01-01 running 46 of 120 40" in words
    assert '<progress max="120" value="46"' in page
    assert "Study d1 20 Nov 2026, 10:00:00 UTC" in words
    assert words.index("Service 2") < words.index("Service 1")
    assert 'href="/agents/studio/episodes?published=false">2 as JSON' in page


def test_each_part_of_an_agents_page_is_asked_for_again_and_answers_304_where_nothing_changed(
    client: FlaskClient, site: Site
) -> None:
    number = make(site, "a b&c", {"progress": 5.0})
    page = client.get(f"{AGENTS}/{quote('a b&c')}").text
    parts = re.findall(r'data-live="([^"]+)" data-etag="([^"]+)"\s+hx-get="([^"]+)"', page)
    assert [name for name, _, _ in parts] == [
        "agent:a b&amp;c",
        "agent-jobs:a b&amp;c",
        "agent-workflow:a b&amp;c",
        "agent-made:a b&amp;c",
    ]
    for _, etag, address in parts:
        sent = {"If-None-Match": etag.replace("&#34;", '"')}
        assert client.get(address.replace("&amp;", "&"), headers=sent).status_code == 304
    jobs_service.update(site, JobRef(number=number), Update(progress=10.0))
    again = client.get(parts[0][2].replace("&amp;", "&"), headers={"If-None-Match": parts[0][1].replace("&#34;", '"')})
    assert "10 %" in again.text
    assert "hx-" not in again.text


@pytest.mark.parametrize("path", ["nobody", "nobody/state", "x" * 500, "%00", "studio/other"])
def test_an_agent_that_is_not_known_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(f"{AGENTS}/{path}").status_code == 404


@pytest.mark.parametrize("agent", ["<svg onload=alert(2)>", "a b&c=d?e#f", "100%", "名前 🎬", "\u202eevil", "a:b"])
def test_any_name_that_an_agent_may_have_leads_to_its_page_as_text(client: FlaskClient, site: Site, agent: str) -> None:
    make(site, agent, {"stage": HOSTILE[:100], "message": HOSTILE}, title=HOSTILE)
    (name,) = names(client.get(AGENTS).text)
    page = client.get(f"{AGENTS}/{name}").text
    parts = Parts(page)
    assert "<h1><bdi>" in page
    assert Parts(written(agent)).text in parts.text
    assert not {"img", "iframe"} & set(parts.tags)
    assert not [name for name, _ in parts.attributes if re.match(r"on[a-z]|style", name)]


def flow(page: str) -> str:
    """The part of an agent's page that shows its workflow."""
    return page[page.index('id="title-workflow"') : page.index('<dialog id="help"')]


def passed(site: Site, began_s: float, *changes: dict[str, object], title: str = "a job") -> int:
    """A job of the agent `studio` that was created so many seconds ago and changed every ten seconds."""
    moments = [datetime.fromtimestamp(site.clock() - began_s + 10 * at, UTC) for at in range(len(changes) + 1)]
    job = jobs_service.create(site, NewJob(agent="studio", title=title, timestamp=moments[0])).job
    assert job is not None
    for moment, change in zip(moments[1:], changes, strict=True):
        jobs_service.update(site, JobRef(number=job.number), Update(timestamp=moment, **change))  # type: ignore[arg-type]
    return job.number


def test_the_workflow_shows_the_stages_of_recent_jobs_and_names_the_worst(client: FlaskClient, site: Site) -> None:
    stages = ({"stage": "fetch"}, {"stage": "render"}, {"stage": "render", "progress": 50.0})
    done = passed(site, 900, *stages, {"status": "completed"}, title="Sunday")
    failed = passed(site, 600, *stages, {"status": "failed", "error": "no"})
    going = passed(site, 15, {"stage": "fetch"})
    make(site, "studio", title="still queued")
    shown = flow(client.get(f"{AGENTS}/studio").text)
    assert re.findall(r'class="name" href="/dashboard/jobs/(\d+)"', shown) == [str(going), str(failed), str(done)]
    bars = re.findall(r'<svg data-kind="(\w+)"', shown)
    assert bars == ["wait", "now", "wait", "done", "bad", "wait", "done", "done"]
    words = text(shown)
    assert "failed in render" in words
    assert "Slowest is render : 20 s, 66.7 % of the time of all stages." in words
    assert "Every failure is in render : 1 of 1." in words
    assert "of the newest 3 jobs that began" in words
    assert "fetch 33.3 % 3 10 s 10 s 0 render 66.7 % 2 20 s 20 s 1" in words
    assert "Sunday waited 10 s · fetch 10 s · render 20 s" in words, "what is drawn stands in a table, too"


def test_the_workflow_by_the_clock_is_asked_for_in_the_address(client: FlaskClient, site: Site) -> None:
    make(site, "studio", {"stage": "fetch"}, {"status": "completed"})
    page = client.get(f"{AGENTS}/studio?times=clock").text
    assert re.findall(r'data-live="(agent-[a-z]+):studio"', page) == ["agent-jobs", "agent-clock", "agent-made"]
    assert '<a href="/dashboard/agents/studio?times=clock" aria-current="true">' in page
    assert client.get(f"{AGENTS}/studio/clock").status_code == 200
    refused = client.get(f"{AGENTS}/studio?times=moon")
    assert refused.status_code == 400
    assert "times should be one of lengths, clock." in text(refused.text)


def test_jobs_without_stages_are_drawn_and_no_stage_is_told_of(client: FlaskClient, site: Site) -> None:
    make(site, "studio", {"status": "completed"})
    shown = flow(client.get(f"{AGENTS}/studio").text)
    assert 'data-kind="done"' in shown
    assert 'id="title-stage-figures"' not in shown
