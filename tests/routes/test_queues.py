"""Pages of queues, workers and schedules, and the same for programs."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from core.site import Site
from panels import PANELS
from routes.regions import REGIONS
from services import jobs_service, queue_depths
from services.brokers.model import QueueNow, ScheduleNow, WorkerNow
from services.job_rules import NewJob
from tests.panels.boards import HOSTILE, Parts
from tests.told import fails, mirrors, now_ms, stands

PAGES = ("queues", "workers", "schedules")


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(f"/dashboard/{path}")
    assert answer.status_code == 200, answer.text
    return Parts(answer.text).text


@pytest.fixture
def told(site: Site) -> Site:
    """A site with a queue of RQ that has some of everything."""
    now = now_ms(site)
    mirrors(site, "w1", qu="mail", fn="app.send", l="to Ann", x="queued", ca=now, qa=now - 60_000)
    mirrors(
        site, "f1", qu="mail", fn="app.send", l="to Bob", s="failed", x="failed", et="SMTPError", ca=now, sa=now, fa=now
    )
    mirrors(site, "s1", qu="mail", fn="app.send", l="to Cid", x="scheduled", du=now + 180_000)
    mirrors(site, "b1", qu="mail", fn="app.send", l="to Dan", s="processing", x="started", ca=now, sa=now - 90_000)
    stands(
        site,
        queues=[QueueNow(name="mail", counts={"queued": 120, "scheduled": 1, "failed": 1}, workers=0)],
        workers=[WorkerNow(name="w", state="busy", queues=("web",), jobs=("b1",), host="box", pid=7, heartbeat_ms=now,
                           succeeded=30, failed=2, skew_s=40)],
        schedules=[ScheduleNow(name="nightly", spec="0 3 * * *", queue="mail", next_ms=now + 60_000, alive=True,
                               runs=1_234)],
    )  # fmt: skip
    site.store.redis.rpush("rq:queue:mail", "w1")
    queue_depths.sample(site)
    return site


def test_no_part_of_a_page_is_called_like_a_panel_for_which_its_stream_would_take_it() -> None:
    assert not set(REGIONS) & set(PANELS)


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_site_is_told_how_to_connect(client: FlaskClient, name: str) -> None:
    page = client.get(f"/dashboard/{name}").text
    assert f'href="/dashboard/{name}" aria-current="true"' in page
    assert "[[queues]]\nkind = &#34;rq&#34;" in page


@pytest.mark.parametrize("name", PAGES)
def test_a_site_whose_broker_has_nothing_yet_is_told_so_and_not_how_to_connect(
    client: FlaskClient, site: Site, name: str
) -> None:
    stands(site)
    page = text(client, name)
    assert {"queues": "No queues yet.", "workers": "No worker is known.", "schedules": "Nothing is scheduled."}[
        name
    ] in page
    assert "[[queues]]" not in page


def test_the_queues_are_listed_with_what_worries_and_lead_to_their_jobs(client: FlaskClient, told: Site) -> None:
    page = client.get("/dashboard/queues").text
    words = Parts(page).text
    assert "1 queue 1 needs a look" in words
    assert '<a class="tag warn" href="/dashboard/queues?look=1">' in page
    assert "mail 120 jobs wait and no worker listens rq 120" in words
    assert 'href="/dashboard/queues/rq/mail"' in page
    for state in ("queued", "started", "failed"):
        assert f'href="/dashboard/jobs?q=state%3A{state}+queue%3Amail+agent%3Arq"' in page
    assert 'title="120 by its engine’s count, 1 that Headway keeps"' in page
    assert "In the last hour 120 at most waited" in words
    assert "app.send" in text(client, "queues/functions")


def test_a_list_is_narrowed_by_a_part_of_a_name(client: FlaskClient, told: Site) -> None:
    assert "mail" in text(client, "queues?find=RQ/MA")
    assert "No queue fits. None has <web> in its name" in text(client, "queues?find=%3Cweb%3E")
    assert "1 worker" in text(client, "workers?find=rq")
    assert "No worker fits." in text(client, "workers?find=nobody")


def test_a_queues_page_tells_its_figures_jobs_functions_and_workers(client: FlaskClient, told: Site) -> None:
    page = text(client, "queues/rq/mail")
    assert "120 jobs wait and no worker listens" in page
    assert "Waiting 120 the next one for since" in page
    assert "Later 1 1 scheduled" in page
    assert "Failed 1 100 % of those that ended within the hour" in page
    assert "How many waited the most of each minute" in page
    assert "Jobs that wait next first; 120 by its engine’s count, 1 that Headway keeps to Ann" in page
    assert "Last failures to Bob SMTPError" in page
    assert "Functions of the last jobs that ended here, 200 at most" in page
    mirrors(told, "b2", qu="web", x="queued")
    assert "Workers that listen to it" in text(client, "queues/rq/web")


def names(client: FlaskClient, query: str) -> list[str]:
    """Of the queues that a query shows, in their order."""
    page = client.get(f"/dashboard/queues/rows{query}")
    assert page.status_code == 200, page.text
    return re.findall(r'id="queue-rq/([^"]*)"', page.text)


def test_queues_that_need_a_look_are_chosen_and_figures_are_sorted_by_in_the_address(
    client: FlaskClient, site: Site
) -> None:
    now = now_ms(site)
    mirrors(site, "f", qu="q10", s="failed", x="failed", ca=now, sa=now, fa=now)
    depths, ages_s = {"q1": 5, "q2": 0, "q10": 7}, {"q1": 90, "q2": 0, "q10": 30}
    stands(
        site,
        queues=[QueueNow(name=name, counts={"queued": depth, "failed": int(name == "q10")}, workers=int(name != "q10"),
                         oldest_ms=now - ages_s[name] * 1000) for name, depth in depths.items()],
    )  # fmt: skip
    assert names(client, "") == ["q10", "q1", "q2"]
    assert names(client, "?sort=waiting") == ["q10", "q1", "q2"]
    assert names(client, "?sort=oldest") == ["q1", "q10", "q2"]
    assert names(client, "?sort=failed") == names(client, "?sort=rate") == ["q10", "q1", "q2"]
    assert names(client, "?look=1&sort=waiting") == ["q10"]
    page = client.get("/dashboard/queues?find=q&sort=waiting").text
    for href in ("find=q&amp;look=1&amp;sort=waiting", "find=q&amp;sort=failed", "find=q&amp;sort=oldest", "find=q"):
        assert f'href="/dashboard/queues?{href}"' in page
    assert 'aria-sort="descending"' in page
    assert 'data-live="queue-list:find=q&amp;sort=waiting"' in page
    assert '<input type="hidden" name="sort" value="waiting">' in page
    assert "1 of 3 queues only those that need a look" in text(client, "queues?look=1")
    assert "No queue needs a look." in text(client, "queues?look=1&find=q2")
    for fault in ("sort=colour", "look=yes"):
        assert client.get(f"/dashboard/queues?{fault}").status_code == 422


def test_a_queues_count_and_the_list_beside_it_are_of_one_moment_or_say_where_they_differ(
    client: FlaskClient, site: Site
) -> None:
    mirrors(site, "w1", qu="mail", l="to Ann", x="queued")
    stands(site, queues=[QueueNow(name="mail", counts={"queued": 0}, workers=1)])
    state = text(client, "queue/state?agent=rq&queue=mail")
    assert "Waiting 0 nothing waits" in state and "Jobs that wait Nothing waits." in state
    site.store.redis.rpush("rq:queue:mail", "w1")
    state = text(client, "queue/state?agent=rq&queue=mail")
    assert "Jobs that wait next first; 0 by its engine’s count, 1 that Headway keeps to Ann" in state
    stands(site, queues=[QueueNow(name="mail", counts={"queued": 1}, workers=1)])
    assert "Jobs that wait next first to Ann" in text(client, "queue/state?agent=rq&queue=mail")
    assert "to Ann" not in text(client, "queue/jobs?agent=rq&queue=mail")


def test_the_jobs_that_wait_are_told_in_the_order_of_their_engine_or_of_their_age_and_why(
    client: FlaskClient, site: Site
) -> None:
    for name in ("Ann", "Bob", "Cid"):
        mirrors(site, name, qu="mail", l=f"to {name}", x="queued")
    site.store.redis.rpush("rq:queue:mail", "Cid", "Ann", "Bob")
    stands(site, queues=[QueueNow(name="mail", counts={"queued": 3}, workers=1)])
    state = text(client, "queue/state?agent=rq&queue=mail")
    assert re.search(r"Jobs that wait next first to Cid .*to Ann .*to Bob", state)
    site.store.redis.delete("rq:queue:mail")
    site.store.redis.set("rq:queue:mail", "no list")
    why = "a key of its Redis holds another type than its engine gives it"
    state = text(client, "queue/state?agent=rq&queue=mail")
    assert re.search(f"oldest first; their order is not known: {why} to Ann .*to Bob .*to Cid", state)
    fails(site, "its Redis can't be reached")
    state = text(client, "queue/state?agent=rq&queue=mail")
    assert re.search(r"Jobs that wait oldest first to Ann .*to Bob .*to Cid", state)


def test_only_a_queue_in_which_something_waits_can_be_emptied(client: FlaskClient, site: Site) -> None:
    stands(site, queues=[QueueNow(name="mail", counts={"queued": 0}, workers=1)])
    assert "Empty" not in text(client, "queue/state?agent=rq&queue=mail")
    stands(site, queues=[QueueNow(name="mail", counts={"queued": 1}, workers=1)])
    assert "Empty …" in text(client, "queue/state?agent=rq&queue=mail")


def test_the_line_of_a_queue_leaves_empty_what_is_not_known_of_the_hour(client: FlaskClient, site: Site) -> None:
    stands(site, queues=[QueueNow(name="mail", counts={"queued": 3}, workers=1)])
    queue_depths.sample(site)
    assert re.search(r'<path class="line" d="M300\.0 [0-9.]+L300\.0 ', client.get("/dashboard/queues").text)


@pytest.mark.parametrize("name", ["mail/eu", "a//b", "/", "..", "a?b#c%2F", "state", "ünï", "two  blanks"])
def test_any_name_of_a_queue_leads_to_its_page(client: FlaskClient, site: Site, name: str) -> None:
    stands(site, queues=[QueueNow(name=name, counts={"queued": 3})])
    hrefs = [value for key, value in Parts(client.get("/dashboard/queues").text).attributes if key == "href"]
    (place,) = {href for href in hrefs if href and href.startswith("/dashboard/queues/")}
    answer = client.get(place)
    assert answer.status_code == 200, place
    assert Parts(answer.text).text.count(" ".join(name.split())) >= 1
    asked = f"agent=rq&queue={quote(name, safe='')}"
    for part in ("state", "jobs"):
        assert client.get(f"/dashboard/queue/{part}?{asked}").status_code == 200


def test_what_is_no_queue_is_said_to_be_none(client: FlaskClient, told: Site) -> None:
    for path in (
        "/dashboard/queues/rq/none",
        "/dashboard/queues/rq",
        "/dashboard/queue/state?agent=rq",
        "/api/v1/queues/rq/none",
    ):
        assert client.get(path).status_code == 404, path


def test_workers_are_listed_with_their_job_and_what_worries(client: FlaskClient, told: Site) -> None:
    page = client.get("/dashboard/workers").text
    words = Parts(page).text
    assert "1 worker 1 busy 1 to look at" in words
    assert "w its clock is 40 s ahead rq box pid 7 busy app.send since" in words
    assert "32 2 failed" in words
    assert 'href="/dashboard/jobs/4"' in page


def test_workers_and_schedules_that_need_a_look_are_chosen_and_found_by_name_however_many_there_are(
    client: FlaskClient, site: Site
) -> None:
    def shown(path: str) -> list[str]:
        return re.findall(r'<span class="name"><bdi[^>]*>(.*?)</bdi>', client.get(f"/dashboard/{path}").text)

    states = {"w7": "suspended", "w250": "dead"}
    stands(
        site,
        workers=[WorkerNow(name=f"w{n}", state=states.get(f"w{n}", "idle"), skew_s=40 if n == 249 else None)  # type: ignore[arg-type]
                 for n in range(251)],
        schedules=[ScheduleNow(name=f"s{n}", spec="@daily", next_ms=n, alive=n != 250) for n in range(251)],
    )  # fmt: skip
    assert shown("workers")[:4] == ["w250", "w7", "w249", "w0"]
    page = client.get("/dashboard/workers?find=w2").text
    assert 'href="/dashboard/workers?find=w2&amp;look=1">1 dead, 1 to look at</a>' in page
    assert 'data-live="worker-list:find=w2"' in page
    assert shown("workers/rows?find=w2&look=1") == ["w250", "w249"]
    assert "3 of 251 workers only those that need a look" in text(client, "workers?look=1")
    assert "No worker needs a look." in text(client, "workers?look=1&find=w11")
    assert (
        'href="/dashboard/schedules?look=1">1 without a live scheduler</a>' in client.get("/dashboard/schedules").text
    )
    assert shown("schedules/rows?look=1") == shown("schedules?find=RQ/s250") == ["s250"]
    assert "No schedule needs a look." in text(client, "schedules?look=1&find=s11")
    assert "No schedule fits." in text(client, "schedules?find=nightly")
    assert "The soonest 100 of 251" in text(client, "schedules")
    for path in ("workers", "schedules"):
        assert client.get(f"/dashboard/{path}?look=yes").status_code == 422


def test_a_failure_of_celerys_is_told_once_in_short_and_once_whole(client: FlaskClient, site: Site) -> None:
    trace = 'Traceback (most recent call last):\n  File "shop.py", line 3, in add\nValueError: no user 17'
    mirrors(site, "j", agent="celery", engine="celery", s="failed", x="failed", e=trace, et="ValueError",
            m="ValueError('no user 17')")  # fmt: skip
    mirrors(site, "k", s="failed", x="failed", e=trace, et="ValueError", m="page 3 of 7")
    page = text(client, "jobs/1")
    assert page.count("no user 17") == 2
    assert "Error: ValueError no user 17" in page
    assert "page 3 of 7" in text(client, "jobs/2")


def test_schedules_and_jobs_that_wait_for_a_time_are_listed_with_both_times(client: FlaskClient, told: Site) -> None:
    page = client.get("/dashboard/schedules").text
    words = Parts(page).text
    assert "nightly rq 0 3 * * *" in words
    assert "alive" in words
    assert "1,234 runs" in words
    assert "to Cid #3 rq" in words
    assert page.count('data-when="until"') == 2
    assert page.count('data-when="moment"') == 2


def test_an_unavailable_broker_is_explained_on_each_page(client: FlaskClient, told: Site) -> None:
    fails(told, "nothing listens at its address")
    for path in (*PAGES, "queues/rq/mail"):
        page = client.get(f"/dashboard/{path}").text
        assert "rq is unavailable , because nothing listens at its address ." in Parts(page).text, path
        assert " old" in page or 'class="old"' in page, path


def old_rows(page: str) -> int:
    return len(re.findall(r'<tr[^>]* class="old">', page))


def test_an_unavailable_broker_is_told_since_when_and_that_it_is_tried_again(client: FlaskClient, told: Site) -> None:
    earlier = replace(told, clock=lambda: 1_795_262_400.0)
    fails(earlier, "nothing listens at its address")
    fails(told, "its Redis is still loading its data")
    page = text(client, "queues")
    assert "Since 21 Nov 2026, 12:00:00 UTC ; tried again every 5 s. What is shown of it in grey" in page
    stands(told)
    fails(told, "nothing listens at its address")
    assert "21 Nov 2026, 12:00" not in text(client, "queues"), "it answered meanwhile"
    alone = replace(told, clock=lambda: told.clock() - 60)
    fails(alone, "nothing listens at its address")
    assert "tried again every 5 s" not in text(client, "queues"), "nobody follows it"


def test_what_waits_at_an_unavailable_broker_is_grey_and_counts_no_further(client: FlaskClient, told: Site) -> None:
    fails(told, "nothing listens at its address")
    assert old_rows(client.get("/dashboard/schedules").text) == 2, "the schedule and the job that waits for its time"
    page = client.get("/dashboard/queues/rq/mail").text
    assert page.count('class="pair old"') == 2
    assert 'data-when="elapsed"' not in page.partition('id="region-queue-jobs"')[0]


@pytest.mark.parametrize("name", [*PAGES, "jobs"])
def test_what_a_broker_that_never_answered_has_is_not_told_to_be_nothing(
    client: FlaskClient, site: Site, name: str
) -> None:
    fails(site, "nothing listens at its address")
    page = text(client, name)
    assert "rq is unavailable , because nothing listens at its address . Since" in page
    assert "Nothing was read of it before." in page
    assert f"Which {name} there are is not known while a broker is unavailable." in page
    assert not re.search(r"No \w+ yet|No worker is known|Nothing is scheduled|No job is at work", page)


def test_the_jobs_of_an_unavailable_broker_are_grey_and_their_pages_say_why(client: FlaskClient, told: Site) -> None:
    jobs_service.create(told, NewJob(agent="app", title="by its app"))
    page = client.get("/dashboard/jobs").text
    assert 'class="brokers"' not in page and old_rows(page) == 0
    fails(told, "nothing listens at its address")
    words = "rq is unavailable , because nothing listens at its address ."
    page = client.get("/dashboard/jobs").text
    assert words in Parts(page).text
    assert old_rows(page) == 3, "not what has ended, nor what its app reports"
    assert 'class="job old"' in page
    assert words in text(client, "jobs?q=agent:rq,app")
    assert words not in text(client, "jobs?q=agent:app")
    waiting = client.get("/dashboard/jobs/1").text
    assert words in Parts(waiting).text
    assert 'data-when="for"' not in waiting, "nobody knows how long it has waited"
    assert words not in text(client, "jobs/5")
    assert words in Parts(client.get("/dashboard/jobs/brokers?agent=rq").text).text
    stands(told)
    assert words not in text(client, "jobs/1")


def test_nothing_is_offered_to_be_done_with_what_an_unavailable_broker_has(client: FlaskClient, told: Site) -> None:
    reported = 5
    jobs_service.create(told, NewJob(agent="app", queue="mail"))
    asked = {"action": "cancel", "jobs": [1, 2, reported], "preview": True}
    by_query = {"action": "move", "q": "queue:mail", "to": "other", "preview": True}
    assert client.get("/api/v1/jobs/1/actions").get_json()["actions"]["cancel"] is None
    fails(told, "nothing listens at its address")
    why = "rq is unavailable, because nothing listens at its address."
    assert set(client.get("/api/v1/jobs/1/actions").get_json()["actions"].values()) == {why}
    reported_why = set(client.get(f"/api/v1/jobs/{reported}/actions").get_json()["actions"].values())
    assert reported_why == {"It was reported by its app; Headway can't act on it."}
    for preview, jobs in ((asked, 2), (by_query, 4)):
        answer = client.post("/api/v1/jobs/actions", json=preview).get_json()
        assert (answer["can"], answer["others"][0]) == (0, {"why": why, "jobs": jobs})
    for path in ("jobs/1", "queues/rq/mail"):
        page = client.get(f"/dashboard/{path}").text
        assert 'name="do"' not in page, path
    assert 'name="do"' not in client.get("/dashboard/workers").text


def test_hostile_names_are_text_everywhere(client: FlaskClient, site: Site) -> None:
    now = now_ms(site)
    mirrors(site, "j", l=HOSTILE, fn=HOSTILE, qu=HOSTILE, wk=HOSTILE, x="scheduled", du=now)
    mirrors(site, "k", l=HOSTILE, fn=HOSTILE, qu=HOSTILE, et=HOSTILE, s="failed", x="failed", ca=now, sa=now, fa=now)
    stands(
        site,
        queues=[QueueNow(name=HOSTILE, counts={"queued": 1}, workers=0)],
        workers=[WorkerNow(name=HOSTILE, state="busy", queues=(HOSTILE,), jobs=(HOSTILE,), functions=(HOSTILE,),
                           host=HOSTILE, version=HOSTILE, pool=HOSTILE)],
        schedules=[ScheduleNow(name=HOSTILE, spec=HOSTILE, function=HOSTILE, queue=HOSTILE, last_job=HOSTILE,
                               scheduler=HOSTILE)],
        notes=[HOSTILE],
    )  # fmt: skip
    for path in (*PAGES, "queues/functions", f"queues/rq?queue={quote(HOSTILE)}"):
        answer = client.get(f"/dashboard/{path}")
        assert answer.status_code == 200, path
        assert not {"img", "iframe"} & set(Parts(answer.text).tags), path
        assert "<img src=x onerror=alert(1)>" in Parts(answer.text).text, path


def test_programs_get_the_queues(client: FlaskClient, told: Site) -> None:
    answer = client.get("/api/v1/queues").get_json()
    (broker,), (queue,) = answer["brokers"], answer["queues"]
    assert (broker["agent"], broker["engine"], broker["available"], broker["why"]) == ("rq", "rq", True, None)
    assert queue["counts"] == {"queued": 120, "scheduled": 1, "started": 1, "failed": 1}
    assert queue["kept"] == {"queued": 1, "scheduled": 1, "started": 1, "failed": 1}
    assert (queue["depth"], queue["workers"], queue["paused"], queue["stale"]) == (120, 0, False, False)
    assert 60 <= queue["oldest_age_s"] < 120
    assert queue["warnings"] == [{"kind": "no_worker", "text": "120 jobs wait and no worker listens"}]
    assert [len(queue["minutes"][of]) for of in ("added", "completed", "failed", "depth")] == [60] * 4
    assert queue["run"].keys() == {"p50_ms", "p95_ms", "n"}
    assert client.get("/api/v1/queues/rq/mail").get_json()["name"] == "mail"
    assert client.get("/api/v1/queues?find=none").get_json()["queues"] == []


def test_programs_get_the_workers_and_the_schedules(client: FlaskClient, told: Site) -> None:
    (worker,) = client.get("/api/v1/workers").get_json()["workers"]
    assert (worker["name"], worker["state"], worker["jobs_total"], worker["stale"]) == ("w", "busy", 1, False)
    (job,) = worker["jobs"]
    assert (job["id"], job["queue_id"], job["function"], job["started_at"][-1]) == ("b1", 4, "app.send", "Z")
    assert worker["warnings"] == [{"kind": "clock", "text": "its clock is 40 s ahead"}]
    answer = client.get("/api/v1/schedules?limit=1").get_json()
    (entry,), (due,) = answer["schedules"], answer["due"]["items"]
    assert (entry["name"], entry["spec"], entry["queue"], entry["alive"]) == ("nightly", "0 3 * * *", "mail", True)
    assert entry["runs"] == 1_234
    assert (due["id"], due["queue_id"], due["state"], answer["due"]["total"]) == ("s1", 3, "scheduled", 1)
    assert client.get("/api/v1/schedules?limit=0").status_code == 422


def test_queues_of_reported_jobs_are_told_without_a_broker(client: FlaskClient, site: Site) -> None:
    jobs_service.create(site, NewJob(agent="app", queue="mail"))
    (queue,) = client.get("/api/v1/queues").get_json()["queues"]
    assert (queue["agent"], queue["engine"], queue["workers"], queue["depth"]) == ("app", None, None, 1)
    assert "app" in text(client, "queues/app/mail")
