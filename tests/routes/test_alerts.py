"""Alerts over HTTP: the page, the banner of every page, muting, trying, and what programs get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core import config, keys
from core.settings import Settings
from core.site import Site
from core.store import Store
from core.times import rfc3339
from panels._directions import written
from services import alerts_service
from tests.conftest import TOKEN, wait_until
from tests.panels.boards import HOSTILE, Parts
from tests.services.reports import create
from tests.visitors import ADMIN, INGEST, READ, with_tokens

RULES = f"""
[[alerts]]
id = "backlog"
title = {json.dumps(HOSTILE)}
when = {{ kind = "queue_depth", above = 1 }}
severity = "error"

[[alerts]]
id = "silent"
when = {{ kind = "stalled_jobs" }}
"""
PAGES = ("/dashboard/observability", "/dashboard/jobs", "/dashboard/agents", "/dashboard/uploads", "/dashboard/alerts")


@pytest.fixture
def declaring(settings: Settings, store: Store) -> Iterator[Flask]:
    app = create_app(with_tokens(settings), config.parse(RULES, {}))
    app.testing = True
    yield app
    app.extensions["headway"].store.close()


@pytest.fixture
def asking(declaring: Flask) -> FlaskClient:
    client = declaring.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {ADMIN}"
    return client


@pytest.fixture
def firing(declaring: Flask) -> Site:
    """A site on which `backlog` fires."""
    site: Site = declaring.extensions["headway"]
    for _ in range(2):
        create(site)
    alerts_service.check(site)
    return site


def words(html: str) -> str:
    return Parts(html).text


def test_the_page_lists_what_fires_first_with_its_words_and_reading(asking: FlaskClient, firing: Site) -> None:
    html = asking.get("/dashboard/alerts").text
    assert html.index('id="alert-backlog"') < html.index('id="alert-silent"')
    said = words(html)
    assert "firing · error" in said
    assert "2 jobs wait · firing since " in said
    assert "fired · error" in said
    assert "Fires when more than 1 job waits; over when that has not been so for 1 min." in said
    assert "Stalled jobs" in said
    assert HOSTILE not in html
    assert words(written(HOSTILE)) in said


def test_one_that_is_fine_again_says_when_it_will_be_over(asking: FlaskClient, firing: Site) -> None:
    assert "Fine again" not in asking.get("/dashboard/alerts").text
    assert asking.put("/api/v1/queue/1", json={"status": "completed"}).status_code == 200
    alerts_service.check(firing)
    said = words(asking.get("/dashboard/alerts").text)
    assert "1 job waits · firing since " in said
    assert "over when that has been so for 1 min" in said


def test_every_page_says_that_an_alert_fires_and_none_that_one_is_muted(asking: FlaskClient, firing: Site) -> None:
    for path in PAGES:
        said = words(asking.get(path).text)
        assert "An alert fires. Error: " in said, path
    alerts_service.mute(firing, "backlog", firing.clock() + 60)
    for path in PAGES:
        assert "An alert fires." not in words(asking.get(path).text), path


def test_the_gravest_is_told_first_and_of_many_only_how_many_more(settings: Settings, store: Store) -> None:
    rule = '[[alerts]]\nid = "{}"\nseverity = "{}"\nwhen = {{ kind = "queue_depth", above = 0 }}\n'
    text = "".join(rule.format(f"r{n}", "error" if n == 4 else "info") for n in range(5))
    app = create_app(settings, config.parse(text, {}))
    site: Site = app.extensions["headway"]
    create(site)
    alerts_service.check(site)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    html = client.get("/dashboard/alerts/banner").text
    assert 'class="banner alarm bad"' in html
    assert words(html).startswith("5 alerts fire. Error: Backlog of jobs since ")
    assert "and 2 more" in words(html)
    site.store.close()


def test_where_nothing_is_declared_pages_have_no_banner_and_the_page_teaches(client: FlaskClient) -> None:
    assert "region-alarm" not in client.get("/dashboard/jobs").text
    html = client.get("/dashboard/alerts").text
    assert "No alerts yet" in html
    example = html.split('id="alert-example"')[1].split(">", 1)[1].split("</pre>")[0]
    assert config.parse(example.replace("&#34;", '"'), {}).alerts[0].id == "backlog"


def test_pages_are_shown_while_the_store_is_away(settings: Settings) -> None:
    app = create_app(replace(settings, redis_url="unix:///tmp/no-such-socket"), config.parse(RULES, {}))
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    assert client.get("/dashboard/observability").status_code == 200
    assert client.get("/dashboard/alerts/banner").status_code == 503


def test_a_poll_of_what_is_unchanged_is_304(asking: FlaskClient, firing: Site) -> None:
    for path in ("/dashboard/alerts/rows", "/dashboard/alerts/banner"):
        first = asking.get(path)
        assert first.status_code == 200
        assert asking.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_an_alert_is_muted_by_the_button_that_says_for_how_long(asking: FlaskClient, firing: Site) -> None:
    answer = asking.post("/dashboard/alerts/mute", data={"mute": "backlog 2h", "zone": "Europe/Berlin"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/alerts#alert-backlog")
    assert "Nothing is told of it until" in asking.get("/dashboard/alerts").text
    (until,) = [one.muted_until(firing.clock()) for one in alerts_service.alerts(firing) if one.rule.id == "backlog"]
    assert until == pytest.approx(firing.clock() + 7200, abs=60)
    asking.post("/dashboard/alerts/mute", data={"mute": "backlog off"})
    assert "Nothing is told of it until" not in asking.get("/dashboard/alerts").text


@pytest.mark.parametrize(("fields", "status"), [
    ({"mute": "backlog soon"}, 422), ({"mute": "backlog morning", "zone": "Nowhere/At all"}, 422), ({"mute": "another 2h"}, 404),
    ({"mute": "\x00 2h"}, 404), ({}, 422),
])  # fmt: skip
def test_a_mute_that_makes_no_sense_is_refused(
    asking: FlaskClient, firing: Site, fields: dict[str, str], status: int
) -> None:
    assert asking.post("/dashboard/alerts/mute", data=fields).status_code == status


def test_who_may_only_read_sees_no_way_to_mute_and_has_none(asking: FlaskClient, firing: Site) -> None:
    reader = {"Authorization": f"Bearer {READ}"}
    page = asking.get("/dashboard/alerts", headers=reader)
    assert "An alert fires." in words(page.text)
    assert 'id="alert-mutes"' not in page.text
    assert asking.post("/dashboard/alerts/mute", data={"mute": "backlog 2h"}, headers=reader).status_code == 403
    assert asking.put("/api/v1/alerts/backlog/mute", json={"for": "2h"}, headers=reader).status_code == 403
    assert asking.post("/api/v1/alerts/try", json={"toml": RULES}, headers=reader).status_code == 422


def tried(client: FlaskClient, toml: Any) -> Any:
    return client.post("/api/v1/alerts/try", json={"toml": toml})


def test_programs_get_how_each_alert_stands(asking: FlaskClient, firing: Site) -> None:
    answer = asking.get("/api/v1/alerts").json
    backlog, silent = answer["alerts"]
    assert answer["firing"] == 1
    assert (backlog["state"], backlog["value"], backlog["reading"], backlog["title"]) == (
        "firing",
        2,
        "2 jobs wait",
        HOSTILE,
    )
    assert backlog["when"] == {"kind": "queue_depth", "above": 1}
    assert backlog["since"].endswith("Z")
    assert silent["when"] == {"kind": "stalled_jobs", "above": 0, "after": 600}
    (line,) = asking.get("/api/v1/alerts/history").json["items"]
    assert (line["id"], line["what"], line["reading"]) == ("backlog", "fired", "2 jobs wait")
    assert asking.get("/api/v1/alerts/history?limit=x").status_code == 422


def test_programs_mute_for_a_span_or_until_a_time(asking: FlaskClient, firing: Site) -> None:
    assert asking.put("/api/v1/alerts/backlog/mute", json={"for": "30m"}).json["muted_until"]
    assert asking.delete("/api/v1/alerts/backlog/mute").json["muted_until"] is None
    later = rfc3339(firing.clock() + 86_400)
    for body, status in (
        ({"until": later}, 200), ({"until": "2001-01-01T00:00:00Z"}, 422), ({"until": "2027-11-21T12:00:00"}, 422),
        ({"until": "soon"}, 422), ({}, 422), ({"for": "2h", "until": later}, 422), ({"for": "two hours"}, 422), ({"fro": "2h"}, 422),
    ):  # fmt: skip
        assert asking.put("/api/v1/alerts/backlog/mute", json=body).status_code == status, body
    assert asking.put("/api/v1/alerts/another/mute", json={"for": "2h"}).status_code == 404


def test_a_rule_is_tried_and_nothing_of_it_is_stored(asking: FlaskClient, firing: Site) -> None:
    before = sorted(firing.store.redis.keys("*alert*"))
    answer = tried(asking, 'when = { kind = "failed_jobs", above = 3 }').json
    assert (answer["tried"], answer["fired"], answer["seconds_firing"]) == (True, [], 0)
    assert answer["history"] == "the jobs that ended, by the minute"
    assert len(answer["points"]) > 100
    untried = tried(asking, 'when = { kind = "no_worker" }').json
    assert (untried["tried"], untried["because"]) == (False, "when nobody was at work is not kept")
    assert sorted(firing.store.redis.keys("*alert*")) == before
    assert not firing.store.redis.hexists(keys.ALERTS.at(), "tried")


def test_what_is_wrong_with_a_tried_rule_is_said_with_where(asking: FlaskClient, firing: Site) -> None:
    wrong = tried(asking, 'when = { kind = "queue_depth", above = "many" }')
    assert (wrong.status_code, wrong.json["field"]) == (422, "when.above")
    assert tried(asking, 3).status_code == 422
    assert tried(asking, "a = " + "[" * 9_000).status_code == 422
    assert asking.post("/api/v1/alerts/try", data="x").status_code == 415
    page = asking.post(
        "/dashboard/alerts/try", data={"toml": f"when = {json.dumps(HOSTILE)}"}, headers={"Accept": "text/html"}
    )
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert "<img" not in page.text
    assert HOSTILE in words(page.text).replace('\\"', '"').replace("\\u202e", "\u202e").replace("\\u202c", "\u202c")


def test_the_page_shows_what_a_trial_found_and_the_text_to_copy(asking: FlaskClient, firing: Site) -> None:
    text = '[[alerts]]\nid = "a"\nwhen = { kind = "failed_jobs", above = 3 }'
    html = asking.post("/dashboard/alerts/try", data={"toml": text}).text
    assert "It would not have fired" in html
    assert "the file is how a rule is saved" in html
    assert html.count("failed_jobs") >= 2
    assert 'id="plot-trial"' in html
    assert 'data-unit="jobs"' in html
    assert "in jobs; dashed: the bound" in words(html)


def test_the_rules_file_is_yaml_for_those_who_may_read(asking: FlaskClient, firing: Site) -> None:
    answer = asking.get("/api/v1/alerts/rules.yml")
    assert answer.mimetype == "application/yaml"
    (group,) = yaml.safe_load(answer.text)["groups"]
    assert [rule["alert"] for rule in group["rules"]] == ["backlog", "silent"]
    assert asking.get("/api/v1/alerts/rules.yml", headers={"Authorization": f"Bearer {INGEST}"}).status_code == 403


def test_metrics_tell_how_many_stand_how(asking: FlaskClient, firing: Site) -> None:
    alerts_service.mute(firing, "silent", firing.clock() + 60)

    def lines() -> set[str]:
        return set(asking.get("/metrics").text.splitlines())

    wait_until(lambda: 'headway_alerts{severity="error",state="firing"} 1.0' in lines())
    assert {'headway_alerts{severity="warning",state="ok"} 1.0', "headway_alerts_muted 1.0"} <= lines()
