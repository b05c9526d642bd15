"""Jobs that were canceled or deleted are no failures, wherever failures are counted, listed or searched for."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.config import sources
from core.fields import check
from core.site import Site
from services import agents_service, analytics_service, job_query, jobs_service
from services.alert_readings import Sources, read
from services.alert_watch import Watch
from services.job_changes import Change
from services.job_model import Job
from services.job_rules import UNCOUNTED, HistoryRow
from services.live_metrics_service import Jobs, LiveMetrics
from services.live_search import Conditions, count, find
from services.tile_sources import Context, jobs
from tests.panels.boards import Parts, show, words
from tests.services.alert_rules import rule

COUNTS = {"queued": 1, "processing": 0, "completed": 0, "failed": 1, "canceled": 3}


def end(site: Site, id: str, state: str, agent: str = "rq", **fields: Any) -> int:
    """A job of RQ's in a state that is an end, or waits."""
    status = "queued" if state == "queued" else "failed"
    change = Change("put", a=agent, i=id, en="rq", qu="mail", x=state, s=status, **fields)
    job = jobs_service.apply(site, site.store.partition_of(agent), change).job
    assert isinstance(job, Job)
    return job.number


@pytest.fixture
def ended(parted_site: Site) -> Site:
    for id, state in (("a", "canceled"), ("b", "deleted"), ("c", "failed"), ("d", "canceled"), ("e", "queued")):
        end(parted_site, id, state)
    return parted_site


def test_they_are_counted_by_themselves_and_in_all(ended: Site) -> None:
    end(ended, "z", "canceled", agent="other")
    assert jobs_service.counts(ended, "rq") == COUNTS
    assert jobs_service.counts(ended) == COUNTS | {"canceled": 4}
    assert {each.agent: (each.failed, each.canceled) for each in jobs_service.agents(ended)} == {
        "rq": (1, 3),
        "other": (0, 1),
    }
    stats = agents_service.stats(ended, "other")
    assert (stats.failed_jobs, stats.success_rate) == (0, None)
    snapshot = analytics_service.compute_snapshot(ended)
    assert (snapshot.total, snapshot.by_status["failed"]) == (6, 1)
    assert {each.agent: each.success_rate for each in snapshot.agents} == {"rq": 0.0, "other": None}


def test_no_figure_on_the_wire_takes_them_for_failures(ended: Site) -> None:
    live = LiveMetrics(ended)
    assert live.tick().jobs == Jobs(total=5, queued=1, processing=0, completed=0, failed=1)
    for figure, value in (("failed", 1), ("total", 5), ("success_rate", 0)):
        assert jobs.read(sources.Jobs(figure=figure), Context(ended, 5)) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("narrowed", ["", ', agent = "rq"', ', agent = "rq", queue = "mail"'])
def test_alerts_do_not_count_them(ended: Site, narrowed: str) -> None:
    now = ended.clock()
    asked = Sources(ended, now, Watch(0.0, now))
    assert read(rule(f'kind = "failed_jobs"{narrowed}').when, asked).value == 1
    assert read(rule(f'kind = "failure_rate", above = 5, at_least = 1{narrowed}').when, asked).value == 100
    none = read(rule(f'kind = "failure_rate", above = 5, at_least = 2{narrowed}').when, asked)
    assert none.value is None, "four ended, three of them on purpose"


def test_a_search_for_failures_leaves_them_out_and_knows_how_many_there_are(parted_site: Site) -> None:
    site = parted_site
    made: dict[str, list[int]] = {state: [] for state in ("failed", "stopped", *UNCOUNTED)}
    for number in range(24):
        state = list(made)[number % 4]
        made[state].append(end(site, f"j{number}", state, agent=f"a{number % 3}", fn="send"))
    failures = sorted(made["failed"] + made["stopped"], reverse=True)
    for asked, expected, total in (
        (Conditions(statuses=("failed",)), failures, 12),
        (Conditions(statuses=("failed", "completed")), failures, 12),
        (Conditions(statuses=("failed",), agents=("a0", "a1", "a2")), failures, 12),
        (Conditions(statuses=("failed",), function=("send",)), failures, 12),
        (Conditions(statuses=("failed",), agents=("a0", "a1", "a2"), queue=("mail",)), failures, 12),
        (Conditions(statuses=("failed",), states=("stopped", "canceled")), sorted(made["stopped"], reverse=True), 6),
        (Conditions(statuses=("failed",), states=UNCOUNTED), [], 0),
        (Conditions(states=("canceled",)), sorted(made["canceled"], reverse=True), 6),
        (Conditions(), sorted(itertools.chain(*made.values()), reverse=True), 24),
    ):
        assert [job.number for job in find(site, asked, limit=50).items] == expected
        assert count(site, asked, 1000) == (total, True)
        rising = find(site, asked, after=0, limit=5)
        assert [job.number for job in rising.items] == expected[-5:]
        page = find(site, asked, limit=5)
        walked = [*page.items]
        while page.next_cursor is not None:
            page = find(site, asked, before=page.next_cursor, limit=5)
            walked += page.items
        assert [job.number for job in walked] == expected
    for agents in ((), ("a0",)):
        assert find(site, Conditions(statuses=("failed",), agents=agents), limit=1).total == (4 if agents else 12)


def test_those_of_which_a_file_names_no_queue_are_no_failures_either(parted_site: Site) -> None:
    for state in ("failed", *UNCOUNTED):
        row = {"id": f"of-{state}", "status": "failed", "state": state, "function": "f"}
        jobs_service.store_rows(parted_site, [check(HistoryRow, row)])
    for asked, expected in (
        (Conditions(statuses=("failed",)), "of-failed"),
        (Conditions(statuses=("failed",), agents=("default",)), "of-failed"),
        (Conditions(states=("canceled",)), "of-canceled"),
    ):
        assert [job.id for job in find(parted_site, asked).items if isinstance(job, Job)] == [expected]
    for agent in (None, "default"):
        counts = jobs_service.counts(parted_site, agent)
        assert (counts["failed"], counts["canceled"]) == (1, 2)


def test_a_status_and_a_state_that_it_leaves_out_can_be_had_by_states_alone() -> None:
    assert job_query.parse("status:canceled,deleted").state == ("canceled", "deleted")
    with pytest.raises(job_query.QueryFault, match="Beside canceled name states alone"):
        job_query.parse("status:failed,canceled")
    assert job_query.parse("status:failed,stopped").state == ()


def test_the_api_and_pages_tell_failures_alone(app: Flask, client: FlaskClient, site: Site) -> None:
    for id in ("a", "b"):
        end(site, id, "canceled")
    assert client.get("/agents").json["agents"][0]["failedJobs"] == 0  # type: ignore[index]
    told = client.get("/agents/rq/stats").json
    assert (told["failedJobs"], told["successRate"]) == (0, None)  # type: ignore[index]
    rows = Parts(client.get("/dashboard/agents/rows").text).text
    assert "rq 0 0 0 – " in rows
    page = client.get("/dashboard/agents/rq/state").text
    assert "Failed jobs 0 of 0 that ended, 2 canceled" in Parts(page).text
    assert 'href="/dashboard/jobs?agent=rq&amp;q=status:canceled,deleted"' in page
    panel = show(app, site, "jobs")
    assert "0 failed" in words(panel)
    assert "2 canceled" in words(panel)
    overview = json.loads(panel.json)
    assert (overview["failed"], overview["canceled"], overview["total"]) == (0, 2, 2)
    for q, many in (("status:failed", 0), ("status:canceled", 2), ("status:canceled,deleted", 2)):
        answer = client.get(f"/api/v1/jobs?q={q}").json
        assert (len(answer["items"]), answer["total"]) == (many, many)  # type: ignore[index]
    listed = client.get("/api/v1/queue?status=failed").json
    assert len(listed["items"]) == listed["total"] == 2, "there the record's status counts"  # type: ignore[index]


def test_where_nothing_was_canceled_nothing_says_so(app: Flask, client: FlaskClient, site: Site) -> None:
    end(site, "a", "failed")
    assert "canceled" not in words(show(app, site, "jobs"))
    assert "canceled" not in Parts(client.get("/dashboard/agents/rq/state").text).text
