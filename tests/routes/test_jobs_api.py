"""The search for jobs over HTTP: as JSON, and what completes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from core.site import Site
from services import jobs_service
from services.job_changes import Change
from services.job_model import Job
from tests.panels.boards import HOSTILE, Parts
from tests.routes.queue_calls import problem

API = "/api/v1/jobs"


def put(site: Site, id: str, **fields: Any) -> int:
    change = Change("put", **{"a": "rq", "i": id, "en": "rq", "x": "queued", "qu": "mail", **fields})
    job = jobs_service.apply(site, 0, change).job
    assert isinstance(job, Job)
    return job.number


def asked(client: FlaskClient, **query: Any) -> Any:
    answer = client.get(API, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def completed(client: FlaskClient, q: str, at: int | None = None) -> tuple[list[str], list[str]]:
    """What the text would be with each option, and the options' labels."""
    found: Any = client.get("/dashboard/jobs/complete", query_string={"q": q, "at": len(q) if at is None else at}).json
    texts = [q[: found["begin"]] + option["text"] + q[found["end"] :] for option in found["options"]]
    return texts, [option["label"] for option in found["options"]]


def test_pages_lead_on_to_the_oldest_and_tell_how_many_there_are(client: FlaskClient, site: Site) -> None:
    made = [put(site, f"j{i}") for i in range(5)]
    put(site, "other", qu="web")
    seen, cursor = list[int](), None
    for _ in range(3):
        page = asked(client, q="queue:mail", limit=2, **({"cursor": cursor} if cursor else {}))
        assert (page["total"], page["notes"]) == (5, [])
        seen += [item["queue_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (made[::-1], None)
    assert page["items"][0]["queue"] == "mail"
    assert asked(client)["total"] == 6


def test_what_can_not_be_read_is_refused_with_its_place(client: FlaskClient) -> None:
    told = problem(client.get(API, query_string={"q": "status:failed quue:x"}), 422, "q (at character 15)", "queue:?")
    assert (told["field"], told["at"], told["length"]) == ("q", 14, 5)
    problem(client.get(API, query_string={"cursor": "x"}), 422, "cursor should be one that an answer gave")
    problem(client.get(API, query_string={"limit": "0"}), 422, "limit should be")
    assert client.get("/dashboard/jobs/rows?q=quue:x").status_code == 422


def test_old_addresses_lead_to_the_same_list(client: FlaskClient, site: Site) -> None:
    put(site, "a")
    put(site, "b", x="failed", s="failed")
    for old, new in (("status=failed&agent=rq", "status:failed agent:rq"), ("agent=rq", "agent:rq"), ("q=queue:mail&status=queued", "status:queued queue:mail")):  # fmt: skip
        rows = client.get(f"/dashboard/jobs?{old}").text
        assert f'value="{new}"' in rows
        assert rows.count('<tr id="job-') == client.get("/dashboard/jobs", query_string={"q": new}).text.count(
            '<tr id="job-'
        )


def test_a_lone_number_or_id_is_offered_as_the_job_that_it_names(client: FlaskClient, site: Site) -> None:
    number = put(site, "mail-17")
    for text in (str(number), f"#{number}", "mail-17"):
        words = Parts(client.get("/dashboard/jobs", query_string={"q": text}).text).text
        assert f"Job #{number} has the number or id" in words
    assert "has the number" not in client.get("/dashboard/jobs", query_string={"q": "mail-18"}).text


def test_keys_and_values_are_offered_where_one_types(client: FlaskClient, site: Site) -> None:
    put(site, "a", qu="mail", wk='host "1"', tg=["eu"])
    put(site, "b", qu="mail reports", s="failed", x="failed", et="TimeoutError", e="x")
    put(site, "c", qu=HOSTILE[:100].strip())
    assert completed(client, "")[1][:3] == ["status:", "queue:", "function:"]
    assert completed(client, "que")[0] == ["queue:"]
    assert completed(client, "timeout wor")[0] == ["timeout worker:"]
    assert completed(client, "status:pro")[0] == ["status:processing "]
    assert completed(client, "queue:MAIL")[0] == ['queue:"mail reports" ', "queue:mail "]
    assert completed(client, 'queue:web,"mail r')[0] == ['queue:web,"mail reports" ']
    assert completed(client, 'worker:"host \\"')[0] == ['worker:"host \\"1\\"" ']
    assert completed(client, "error:Time behind", at=10)[0] == ["error:TimeoutError  behind"]
    assert completed(client, "tag:")[0] == ["tag:eu "]
    assert completed(client, "agent:r")[0] == ["agent:rq "]
    assert completed(client, "took:>1m")[0] == ["took:>1min "]
    for nothing in ("nothing", "http:", "id:", "12:3", '"que', "-", "queue:none"):
        assert completed(client, nothing)[0] == [], nothing
    assert completed(client, "x" * 5000, at=99999)[0] == []


def test_a_search_too_long_for_a_stream_is_asked_for_again_by_itself(client: FlaskClient) -> None:
    page = client.get("/dashboard/jobs", query_string={"q": " ".join(["ü" * 15] * 12)}).text
    assert page.count("data-polled") == 1
    assert "data-polled" not in client.get("/dashboard/jobs?q=queue:mail").text


@pytest.mark.parametrize(
    "path", ["/dashboard/jobs", "/dashboard/jobs?q=queue:%22%3Csvg%20onload%3Dalert(2)%3E%22", "/dashboard/jobs/{}"]
)
def test_hostile_names_stay_text(client: FlaskClient, site: Site, path: str) -> None:
    svg = "<svg onload=alert(2)>"
    number = put(
        site, "h", qu=svg, fn=svg, wk=svg, tg=["<svg/onload=alert(2)>"], et=svg, e=HOSTILE, s="failed", x="failed", xi=svg,
        d='{"args": ["<svg onload=alert(2)>"], "kwargs": {"<svg onload=alert(2)>": 1}, "depends_on": ["<svg onload=alert(2)>"], "unreadable": "<svg onload=alert(2)>"}',
    )  # fmt: skip
    parts = Parts(client.get(path.format(number)).text)
    assert "onload=alert(2)" in parts.text
    assert not [name for name, _ in parts.attributes if name.startswith("on")]


def test_a_jobs_page_tells_what_its_engine_knows_and_leads_to_its_like(client: FlaskClient, site: Site) -> None:
    number = put(
        site, "a", fn="app.send", wk="host 1", tg=["eu"], s="failed", x="failed", et="app.Late", e="Traceback\n  line 1\napp.Late: x",
        d='{"args": [17], "kwargs": {"subject": "Hello"}, "retries_left": 2, "timeout_s": 180, "depends_on": ["b"], "unreadable": "result: pickle", "ttl": 5}',
    )  # fmt: skip
    page = client.get(f"/dashboard/jobs/{number}").text
    words = Parts(page).text
    for said in ("Queue mail", "Function app.send", "Worker host 1", "Tags eu", "Retries left 2", "Time limit 3 min", "Depends on b",
                 "0 17", 'subject "Hello"', "Result The job’s result can’t be shown, because pickle .", '"ttl": 5'):  # fmt: skip
        assert said in words, said
    assert "No stage was reported" not in words
    assert "Traceback\n  line 1\n" in page
    for query in (
        "queue%3Amail+agent%3Arq",
        "function%3Aapp.send",
        "worker%3A%22host+1%22",
        "tag%3Aeu",
        "error%3Aapp.Late",
        "id%3Ab+agent%3Arq",
    ):
        assert f'href="/dashboard/jobs?q={query}"' in page, query


@pytest.mark.parametrize(
    ("unreadable", "said"),
    [
        ("result: it has more than 20,000 parts", "Result The job’s result can’t be shown, because it has more than"),
        ("meta: it is cut off", "Metadata The job’s meta can’t be shown, because it is cut off"),
        ("data: it is neither: odd", "Arguments The job’s data can’t be shown, because it is neither: odd"),
        ("its message is odd", "Arguments Not all of this job can be shown, because its message is odd"),
    ],
)
def test_what_cant_be_shown_is_said_where_it_would_stand(
    client: FlaskClient, site: Site, unreadable: str, said: str
) -> None:
    number = put(site, "a", d=json.dumps({"unreadable": unreadable}))
    words = Parts(client.get(f"/dashboard/jobs/{number}").text).text
    assert said in words
    assert [card for card in ("Arguments", "Result", "Metadata") if f" {card} " in words] == [said.partition(" ")[0]]


def test_the_rows_of_jobs_that_an_engine_runs_can_be_chosen(client: FlaskClient, site: Site) -> None:
    number = put(site, "a", du=int((site.clock() + 200) * 1000), x="scheduled")
    client.post("/api/v1/queue", json={"title": "reported"})
    page = client.get("/dashboard/jobs?q=queue:mail").text
    assert f'<input type="checkbox" name="job" value="{number}" form="bulk"' in page
    assert 'name="q" value="queue:mail"' in page, "all that match"
    assert 'data-when="due"' in page
    assert "scheduled" in Parts(page).text
    assert client.get("/dashboard/jobs").text.count('name="job"') == 1
    assert 'name="all"' not in client.get("/dashboard/jobs?q=queue:mail+timeout").text
