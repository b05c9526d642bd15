"""With HEADWAY_AUTH=off this machine may all, and nobody else anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.visitors import (
    SCOPES,
)

LISTED = "https://app.example.com"


@pytest.fixture
def open_site(probed: Callable[..., Flask]) -> FlaskClient:
    return probed(auth=False, frontend_origins=(LISTED,)).test_client()


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_with_auth_off_everyone_on_this_machine_may(open_site: FlaskClient, scope: str, method: str) -> None:
    assert open_site.open(f"/probe/{scope}", method=method).text == "open admin"


HOSTS = [
    ("localhost", True), ("LOCALHOST:8000", True), ("127.0.0.1:8000", True), ("127.1.2.3", True), ("[::1]:8000", True),
    ("headway.example", False), ("192.168.0.7:8000", False), ("0.0.0.0:8000", False), ("localhost.evil.example", False),
    ("127.0.0.1.evil.example", False), ("evil.example:127", False), ("[::ffff:8.8.8.8]", False), ("", False),
    ("localhost:8000@evil.example", False), ("::1", False), ("2130706433", False), ("0x7f.1", False), ("localhost.", False),
]  # fmt: skip


@pytest.mark.parametrize(("host", "allowed"), HOSTS)
@pytest.mark.parametrize("path", ["/probe/read", "/healthz-not-here", "/login"])
def test_with_auth_off_only_a_loopback_host_is_answered(
    open_site: FlaskClient, path: str, host: str, allowed: bool
) -> None:
    answer = open_site.get(path, headers={"Host": host}, environ_overrides={"HTTP_HOST": host})
    assert (answer.status_code != 403) == allowed


ORIGINS = [
    ("http://localhost", True), (LISTED, True), ("https://evil.example", False), ("null", False), ("http://localhost:9", False),
    ("http://127.0.0.1", False), ("http://localhost.evil.example", False), ("", False),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "allowed"), ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_with_auth_off_only_our_and_listed_origins_are_answered(
    open_site: FlaskClient, method: str, origin: str, allowed: bool
) -> None:
    answer = open_site.open("/api/probe/ingest", method=method, headers={"Origin": origin})
    assert (answer.status_code == 403) != allowed


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_with_auth_off_a_page_that_hides_its_origin_changes_nothing(
    open_site: FlaskClient, site: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site}
    assert open_site.post("/api/probe/ingest", headers=headers).status_code == status
    assert open_site.get("/probe/read", headers=headers).status_code == 200, "a link may lead here from anywhere"


def test_with_auth_off_a_forwarded_host_does_not_make_a_strange_one_local(probed: Callable[..., Flask]) -> None:
    client = probed(auth=False, trusted_hops=1).test_client()
    forged = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
    answer = client.get("/probe/read", headers=forged, environ_overrides={"HTTP_HOST": "evil.example"})
    assert answer.status_code == 403


def test_with_auth_off_there_is_nothing_to_sign_in_to(open_site: FlaskClient) -> None:
    assert open_site.get("/login?next=/probe/read").location == "/probe/read"
    assert open_site.post("/login", data={"token": "x"}).location == "/"
    assert open_site.post("/logout").status_code == 303
