"""What every answer says to browsers, and how far Host and X-Forwarded-* are believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, request, url_for
from flask.testing import FlaskClient

from core import access
from core.settings import Settings
from core.store import Store
from tests.visitors import ADMIN, bearer, probed_app, with_tokens


def site_of(settings: Settings, **changes: object) -> FlaskClient:
    app = probed_app(with_tokens(settings, **changes))
    app.testing = False

    @access.scope("public")
    def seen() -> dict[str, str | None]:
        return {
            "link": url_for("probe_seen", _external=True),
            "path": url_for("probe_seen"),
            "address": request.remote_addr,
            "scheme": request.scheme,
        }

    @access.scope("public")
    def fails() -> str:
        raise ZeroDivisionError

    app.add_url_rule("/probe/seen", "probe_seen", seen)
    app.add_url_rule("/probe/fails", "probe_fails", fails)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer(ADMIN)["Authorization"]
    return client


@pytest.fixture
def plain(settings: Settings, store: Store) -> Iterator[FlaskClient]:
    client = site_of(settings)
    yield client
    client.application.extensions["headway"].store.close()


ANSWERS = [
    ("GET", "/login", 200), ("GET", "/probe/read", 200), ("GET", "/nothing-here", 404), ("PUT", "/login", 405),
    ("GET", "/probe/fails", 500), ("GET", "/static/login.js", 200), ("OPTIONS", "/login", 200), ("POST", "/login", 403),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_every_answer_carries_the_rules_for_browsers(plain: FlaskClient, method: str, path: str, status: int) -> None:
    with plain.open(path, method=method) as answer:
        assert answer.status_code == status
        headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"]
    assert len(headers["X-Request-Id"]) == 16
    assert "Strict-Transport-Security" not in headers
    for name in ("Content-Security-Policy", "X-Request-Id", "Cache-Control", "X-Frame-Options"):
        assert len(headers.getlist(name)) == 1


def test_the_content_policy_lets_nothing_in_but_ours_and_two_packages(plain: FlaskClient) -> None:
    rules = dict(
        rule.strip().split(" ", 1) for rule in plain.get("/login").headers["Content-Security-Policy"].split(";")
    )
    assert rules["default-src"] == "'none'"
    assert rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules["form-action"] == rules["connect-src"] == rules["style-src"] == "'self'"
    sources = rules["script-src"].split()
    assert sources[0] == "'self'"
    assert all(source.startswith("https://cdn.jsdelivr.net/npm/") and source.endswith("/") for source in sources[1:])
    assert not any(weak in str(rules) for weak in ("unsafe", "*", "blob:", "http:"))


def test_pages_are_not_kept_by_shared_caches(plain: FlaskClient) -> None:
    assert plain.get("/probe/read").headers["Cache-Control"] == "private, no-cache"
    assert {"Cookie", "Origin"} <= set(", ".join(plain.get("/probe/read").headers.getlist("Vary")).split(", "))


# Proxies

FORWARDED = {
    "X-Forwarded-For": "203.0.113.5, 198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "front.example",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=203.0.113.9;proto=https;host=evil.example",
}


@pytest.mark.parametrize(
    ("hops", "link", "address"),
    [
        (0, "http://localhost/probe/seen", "127.0.0.1"),
        (1, "https://front.example/probe/seen", "198.51.100.7"),
        (2, "http://localhost/probe/seen", "203.0.113.5"),
    ],
)
def test_proxies_are_believed_as_far_as_configured(
    settings: Settings, store: Store, hops: int, link: str, address: str
) -> None:
    client = site_of(settings, trusted_hops=hops)
    answer = client.get("/probe/seen", headers=FORWARDED)
    assert answer.json == {"link": link, "path": "/probe/seen", "address": address, "scheme": link.split(":")[0]}
    assert ("Strict-Transport-Security" in answer.headers) == link.startswith("https")
    client.application.extensions["headway"].store.close()


@pytest.mark.parametrize(
    "forged", ["evil", "127.0.0.1; x", "<script>", "a" * 500, "\x1b[31m", "unknown", "fe80::1%\x1b[31m forged"]
)
def test_what_is_no_address_is_not_taken_for_one(settings: Settings, store: Store, forged: str) -> None:
    client = site_of(settings, trusted_hops=1)
    assert client.get("/probe/seen", headers={"X-Forwarded-For": forged}).json["address"] == "127.0.0.1"
    client.application.extensions["headway"].store.close()


@pytest.mark.parametrize("scheme", ["javascript", "ftp", "HTTPS", "https://evil.example", ""])
def test_a_strange_scheme_is_not_taken_over(settings: Settings, store: Store, scheme: str) -> None:
    client = site_of(settings, trusted_hops=1)
    assert client.get("/probe/seen", headers={"X-Forwarded-Proto": scheme}).json["scheme"] == "http"
    client.application.extensions["headway"].store.close()


# HEADWAY_URL

PUBLIC = "https://headway.example/ops"


@pytest.fixture
def public(settings: Settings, store: Store) -> Iterator[Flask]:
    client = site_of(settings, url=PUBLIC, trusted_hops=1)
    yield client.application
    client.application.extensions["headway"].store.close()


HOSTS = [
    ("headway.example", 200), ("HEADWAY.example", 200), ("headway.example:443", 200), ("evil.example", 400), ("localhost", 400),
    ("headway.example:8443", 400), ("headway.example.evil.example", 400), ("headway.example@evil.example", 400), ("", 400),
    ("evil.example/headway.example", 400), ("headway.example.", 400), ("127.0.0.1:8000", 400), ("ü.example", 400),
]  # fmt: skip


@pytest.mark.parametrize(("host", "status"), HOSTS)
@pytest.mark.parametrize("forwarded", [False, True])
@pytest.mark.parametrize("path", ["/ops/probe/seen", "/ops/nothing-here"])
def test_only_the_public_host_is_answered(public: Flask, path: str, host: str, status: int, forwarded: bool) -> None:
    environ = {"HTTP_HOST": "10.0.0.3:8000" if forwarded else host}
    if forwarded and host:
        environ["HTTP_X_FORWARDED_HOST"] = host
    answer = public.test_client().get(path, environ_overrides=environ)
    assert answer.status_code == (404 if status == 200 and "nothing" in path else status)
    assert "evil" not in answer.text


@pytest.mark.parametrize("path", ["/ops/probe/seen", "/probe/seen"])
@pytest.mark.parametrize("proto", ["http", "https"])
def test_links_are_made_from_the_public_address_alone(public: Flask, path: str, proto: str) -> None:
    headers = {"Host": "headway.example", "X-Forwarded-Proto": proto, "X-Forwarded-Prefix": "/evil"}
    answer = public.test_client().get(path, headers=headers)
    assert (answer.json["link"], answer.json["path"]) == (f"{PUBLIC}/probe/seen", "/ops/probe/seen")


@pytest.mark.parametrize("path", ["/opsies/probe/seen", "/ops/ops/probe/seen", "/OPS/probe/seen"])
def test_what_is_not_below_the_prefix_is_not_found(public: Flask, path: str) -> None:
    assert public.test_client().get(path, headers={"Host": "headway.example"}).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_is_told_to_whoever_asks_by_the_machines_own_address(public: Flask, path: str) -> None:
    answer = public.test_client().get(path, headers={"Host": "10.0.0.3:8000"})
    assert answer.status_code in (200, 503, 401)  # figures still take a token
    assert (answer.status_code == 401) == (path == "/metrics")


@pytest.mark.parametrize(
    "host", ["a b", "[", "]:x", "evil.example:99999999", "a" * 5000, "\xff", "evil.example:port", "http://x"]
)
def test_no_host_breaks_the_site(plain: FlaskClient, host: str) -> None:
    answer = plain.get("/probe/seen", environ_overrides={"HTTP_HOST": host})
    assert answer.status_code in (200, 400)
