"""Heroku's log drain: deliveries as they were recorded, whole, cut, repeated, miscounted."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.metrics import LOG_DRAIN_FAULTS
from core.site import Site
from services import logs_service
from services.logs_service import LogQuery
from tests.routes.queue_calls import problem
from tests.visitors import ADMIN, INGEST, READ, bearer

DRAIN = "/api/v1/logs/drain"
DELIVERIES = Path(__file__).parent / "drains"


def deliver(client: FlaskClient, name: str, count: int | None = 5, query: str = "", **headers: str) -> TestResponse:
    told = {"Logplex-Frame-Id": "0A1B2C3D", "Logplex-Drain-Token": "d.123", "User-Agent": "Logplex/v72"} | headers
    if count is not None:
        told["Logplex-Msg-Count"] = str(count)
    return client.post(
        f"{DRAIN}{query}", data=(DELIVERIES / name).read_bytes(), content_type="application/logplex-1", headers=told
    )


def stored(site: Site) -> list[tuple[str, str, str]]:
    lines = sorted(logs_service.search(site, LogQuery()).lines, key=lambda line: line.at)
    return [(line.source, line.level, line.message) for line in lines]


def faults(reason: str) -> float:
    return float(LOG_DRAIN_FAULTS.labels(reason=reason)._value.get())


def test_a_whole_delivery_is_stored_with_source_level_and_time(client: FlaskClient, site: Site) -> None:
    assert deliver(client, "whole").get_json() == {"accepted": 5, "repeated": False}
    assert [(source, level) for source, level, _ in stored(site)] == [
        ("app/web.1", "info"), ("heroku/router", "info"), ("app/worker.1", "error"), ("heroku/web.1", "critical"),
        ("app/web.1", "info")]  # fmt: skip
    texts = [message for *_, message in stored(site)]
    assert texts[0] == "\x1b[32mGET\x1b[0m /healthz 200 in 3 ms"
    assert texts[2:] == ["Käse – 30 € 🧀", "State changed from starting to up", ""]
    assert {line.at for line in logs_service.search(site, LogQuery(q="käse")).lines} == {1795255201.0}


def test_a_delivery_that_comes_again_is_answered_well_and_stored_once(client: FlaskClient, site: Site) -> None:
    before = faults("repeated")
    assert [deliver(client, "whole").get_json()["repeated"] for _ in range(3)] == [False, True, True]
    assert len(stored(site)) == 5
    assert faults("repeated") == before + 2
    assert deliver(client, "whole", **{"Logplex-Frame-Id": "another"}).get_json()["accepted"] == 5


@pytest.mark.parametrize(
    ("name", "count", "reason", "says"),
    [
        ("whole", 4, "count", "4 and 5 came"),
        ("whole", 6, "count", "6 and 5 came"),
        ("cut", 4, "cut", "Frame 4"),
        ("cut-in-a-length", 1, "octets", "Frame 2"),
        ("wrong-octet-count", 2, "octets", "Frame 2"),
        ("no-octet-count", 2, "octets", "Frame 1 at byte 1"),
        ("no-syslog", 2, "syslog", "Frame 2"),
    ],
)
def test_a_broken_delivery_is_refused_whole_counted_and_may_come_again_whole(
    client: FlaskClient, site: Site, name: str, count: int, reason: str, says: str
) -> None:
    before = faults(reason)
    problem(deliver(client, name, count), 400, says, "Nothing was stored")
    assert faults(reason) == before + 1
    assert stored(site) == []
    assert deliver(client, "whole").get_json() == {"accepted": 5, "repeated": False}, "its id was not spent"


@pytest.mark.parametrize(
    "header", [{"Logplex-Msg-Count": "many"}, {"Logplex-Frame-Id": "a b"}, {"Logplex-Frame-Id": ""}]
)
def test_headers_that_can_not_be_read_are_refused(client: FlaskClient, site: Site, header: dict[str, str]) -> None:
    problem(deliver(client, "whole", None, **header), 400, next(iter(header)))
    assert stored(site) == []


def test_what_is_no_delivery_of_logplex_is_415(client: FlaskClient) -> None:
    problem(client.post(DRAIN, json={"message": "x"}), 415, "application/logplex-1")


def test_without_count_and_id_the_frames_alone_are_checked(client: FlaskClient, site: Site) -> None:
    data = (DELIVERIES / "whole").read_bytes()
    assert client.post(DRAIN, data=data, content_type="application/logplex-1").get_json()["accepted"] == 5


def test_apps_are_told_apart_by_a_name_in_the_address(client: FlaskClient, site: Site) -> None:
    deliver(client, "whole", query="?app=shop")
    assert {source for source, *_ in stored(site)} == {"shop/web.1", "shop/router", "shop/worker.1"}


def test_the_token_may_stand_in_the_address_as_heroku_writes_it(guarded: Flask) -> None:
    client = guarded.test_client()

    def status(user: str, word: str) -> int:
        basic = b64encode(f"{user}:{word}".encode()).decode()
        return deliver(client, "whole", Authorization=f"Basic {basic}").status_code

    assert (status("headway", INGEST), status("", ADMIN), status(INGEST, "")) == (200, 200, 200)
    assert (status("headway", READ), status("headway", "wrong-token"), status("", "")) == (403, 401, 401)
    assert deliver(client, "whole", Authorization="Basic %%%").status_code == 401
    assert deliver(client, "whole").status_code == 401
    assert deliver(client, "whole", **bearer(INGEST)).status_code == 200
    assert deliver(client, "whole", **bearer("wrong-token")).status_code == 401


def test_basic_opens_nothing_but_the_drain(guarded: Flask) -> None:
    basic = {"Authorization": "Basic " + b64encode(f"headway:{ADMIN}".encode()).decode()}
    client = guarded.test_client()
    assert client.post("/api/v1/logs", json={"message": "x"}, headers=basic).status_code == 401
    assert client.get("/api/v1/logs", headers=basic).status_code == 401
    assert client.get("/metrics", headers=basic).status_code == 401


def test_guesses_of_the_drains_token_are_counted_like_others(guarded: Flask) -> None:
    client = guarded.test_client()
    basic = [b64encode(f"headway:guess-number-{n}".encode()).decode() for n in range(31)]
    codes = [deliver(client, "cut", Authorization=f"Basic {one}").status_code for one in basic]
    assert codes == [401] * 30 + [429]
    right = b64encode(f"headway:{INGEST}".encode()).decode()
    assert deliver(client, "whole", Authorization=f"Basic {right}").status_code == 200


def test_hostile_names_and_bytes_are_stored_tame(client: FlaskClient, site: Site) -> None:
    message = b"<190>1 2026-11-21T10:00:00Z host a\x01pp web\x9b.1 - bad \xff\x00\x1b]0;x\x07 utf-8\n"
    data = b"%d %s" % (len(message), message)
    answer = client.post(DRAIN, data=data, content_type="application/logplex-1")
    assert answer.get_json()["accepted"] == 1
    ((source, _, text),) = stored(site)
    assert (source, text) == ("app/web\N{REPLACEMENT CHARACTER}.1", "bad \N{REPLACEMENT CHARACTER} utf-8")
