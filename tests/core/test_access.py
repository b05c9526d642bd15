"""The gate: who gets through to which view, by token, by cookie, from where, and how those turned away are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.scopes import rule_of
from core.settings import Settings
from core.store import Store
from tests.visitors import (
    ADMIN,
    BY_SCOPE,
    INGEST,
    METRICS,
    READ,
    SCOPES,
    bearer,
    browser,
    form_token,
    probed_app,
    with_tokens,
)

MAY = {
    "admin": {"public", "read", "ingest", "metrics", "admin"},
    "read": {"public", "read", "metrics"},
    "ingest": {"public", "ingest"},
    "metrics": {"public", "metrics"},
}


@pytest.fixture
def app(settings: Settings, store: Store) -> Iterator[Flask]:
    app = probed_app(with_tokens(settings))
    yield app
    app.extensions["headway"].store.close()


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize("holder", BY_SCOPE)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_token_opens_the_views_of_its_scope_and_no_other(
    visitor: FlaskClient, holder: str, scope: str, method: str
) -> None:
    answer = visitor.open(f"/api/probe/{scope}", method=method, headers=bearer(BY_SCOPE[holder]))
    assert answer.status_code == (200 if scope in MAY[holder] else 403)
    if answer.status_code == 403:
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope", SCOPES)
def test_without_a_token_only_public_views_answer(visitor: FlaskClient, scope: str) -> None:
    answer = visitor.get(f"/api/probe/{scope}")
    if scope == "public":
        assert (answer.status_code, answer.text) == (200, "nobody")
    else:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="headway"'


WRONG = [
    "",
    "x",
    ADMIN[:-1],
    ADMIN + "x",
    ADMIN.upper(),
    "ü",
    "ü" * 24,
    "\xff\xfe",
    "null",
    "Bearer " + ADMIN,
    "a" * 10_000,
]


@pytest.mark.parametrize("token", WRONG, ids=lambda token: token[:20])
def test_a_wrong_token_is_refused_whatever_its_bytes(visitor: FlaskClient, token: str) -> None:
    answer = visitor.get("/api/probe/read", headers=bearer(token))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("header", [f"bearer {ADMIN}", f"BEARER  {ADMIN} ", f"Bearer {ADMIN}"])
def test_the_scheme_is_read_in_any_case(visitor: FlaskClient, header: str) -> None:
    assert visitor.get("/api/probe/admin", headers={"Authorization": header}).status_code == 200


def test_a_wrong_token_is_not_saved_by_a_good_cookie(app: Flask) -> None:
    assert browser(app).get("/api/probe/read", headers=bearer("wrong-token")).status_code == 401


def test_what_a_proxy_asks_by_basic_does_not_disturb_a_session(app: Flask) -> None:
    answer = browser(app).get("/api/probe/read", headers={"Authorization": "Basic dXNlcjpwYXNz"})
    assert answer.text == "session admin"


@pytest.mark.parametrize("name", ["token", "access_token", "ticket", "Authorization", "auth"])
def test_a_token_in_the_address_opens_nothing(visitor: FlaskClient, name: str) -> None:
    answer = visitor.get("/api/probe/read", query_string={name: ADMIN})
    assert answer.status_code == 401
    assert ADMIN not in answer.text + str(answer.headers)
    assert ADMIN not in visitor.get("/login", query_string={name: ADMIN}).text


def test_a_view_that_says_not_who_may_call_it_is_closed_to_all(app: Flask) -> None:
    assert app.test_client().get("/probe/undeclared", headers=bearer(ADMIN)).status_code == 403
    assert browser(app).get("/probe/undeclared").status_code == 403


def test_every_view_of_the_site_says_who_may_call_it(app: Flask) -> None:
    silent = {name for name, view in app.view_functions.items() if rule_of(view) is None}
    assert silent == {"static", "probe_undeclared"}


def test_only_these_views_are_public(app: Flask) -> None:
    public = {name for name, view in app.view_functions.items() if (rule := rule_of(view)) and rule.public}
    public = {name for name in public if not name.startswith(("_", "health."))}
    assert public == {"auth.login", "auth.sign_in", "auth.sign_out"}


def test_what_is_not_there_is_not_found_whoever_asks(visitor: FlaskClient) -> None:
    assert visitor.get("/api/nothing-here").status_code == 404
    assert visitor.get("/static/nothing-here").status_code == 404


# In a browser


@pytest.mark.parametrize("path", ["/probe/read", "/probe/read?status=failed&agent=a%20b", "/probe/admin?q=ü"])
def test_a_page_leads_a_browser_to_sign_in_and_from_there_back(visitor: FlaskClient, path: str) -> None:
    answer = visitor.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 303
    assert answer.location.startswith("/login?next=")
    page = visitor.get(answer.location)
    from_form = page.text.split('name="next" value="')[1].split('"')[0].replace("&amp;", "&")
    assert visitor.get(from_form).request.url == visitor.get(path).request.url


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/probe/read", {"Accept": "text/html"}),
        ("/probe/read", {"Accept": "application/json"}),
        ("/probe/read", {"Accept": "text/html", **bearer("wrong-token")}),
        ("/probe/read", {}),
    ],
)
def test_programs_are_told_401_and_not_sent_to_a_page(visitor: FlaskClient, path: str, headers: dict[str, str]) -> None:
    assert visitor.get(path, headers=headers).status_code == 401


def test_a_form_of_nobody_signed_in_is_not_led_away(visitor: FlaskClient) -> None:
    assert visitor.post("/probe/admin", headers={"Accept": "text/html"}).status_code == 401


@pytest.mark.parametrize(
    ("current", "onward"),
    [
        ("http://localhost/dashboard/jobs?status=failed", "/dashboard/jobs%3Fstatus%3Dfailed"),
        ("https://evil.example//evil.example/", "/"),
        ("http://[broken", "/"),
        ("", "/"),
    ],
)
def test_htmx_is_told_in_a_fragment_and_shown_the_way_to_sign_in(
    visitor: FlaskClient, current: str, onward: str
) -> None:
    headers = {"HX-Request": "true", "Accept": "text/html", "HX-Current-URL": current}
    answer = visitor.get("/dashboard/api/stats-html", headers=headers)
    if answer.status_code == 404:  # no such panel: any view will do
        answer = visitor.get("/probe/read", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == f"/login?next={onward}"
    assert answer.text.startswith('<section class="problem"')
    assert "<html" not in answer.text


@pytest.mark.parametrize("holder", ["admin", "read"])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_session_sees_what_its_token_sees_and_never_ingests(app: Flask, holder: str, scope: str) -> None:
    answer = browser(app, BY_SCOPE[holder]).get(f"/probe/{scope}")
    assert answer.status_code == (200 if scope in MAY[holder] - {"ingest"} else 403)


def test_ingest_takes_no_cookie_even_with_a_csrf_token(app: Flask) -> None:
    client = browser(app)
    answer = client.post(
        "/api/probe/ingest", headers={"X-CSRF-Token": form_token(client), "Origin": "http://localhost"}
    )
    assert answer.status_code == 403
    assert "token" in answer.json["detail"]
    assert client.post("/api/probe/ingest", headers=bearer(INGEST)).status_code == 200


# CSRF

OURS = "http://localhost"
SENT_BY = [
    ("our page", {"Origin": OURS}, True),
    ("our page, in a new browser", {"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, True),
    ("the address bar", {"Sec-Fetch-Site": "none"}, True),
    ("an old browser or a program", {}, True),
    ("our page behind a proxy that ends TLS", {"Origin": "https://localhost"}, True),
    ("a frontend that is listed", {"Origin": "http://localhost:5173", "Sec-Fetch-Site": "same-site"}, True),
    ("another site", {"Origin": "https://evil.example"}, False),
    ("another site, in a new browser", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    ("a page without origin", {"Origin": "null"}, False),
    ("a frame without origin", {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
    ("another site that hides its origin", {"Sec-Fetch-Site": "cross-site"}, False),
    ("another host of the domain", {"Origin": "http://evil.localhost", "Sec-Fetch-Site": "same-site"}, False),
    ("another port of the host", {"Origin": "http://localhost:8080"}, False),
    ("a name that begins alike", {"Origin": "http://localhost.evil.example"}, False),
]  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("with_token", [True, False], ids=["with the token", "without"])
@pytest.mark.parametrize(("who", "headers", "ours"), SENT_BY, ids=[who for who, _, _ in SENT_BY])
def test_with_the_cookie_a_change_needs_our_token_and_our_origin(
    app: Flask, method: str, with_token: bool, who: str, headers: dict[str, str], ours: bool
) -> None:
    client = browser(app)
    sent = headers | ({"X-CSRF-Token": form_token(client)} if with_token else {})
    answer = client.open("/probe/admin", method=method, headers=sent)
    assert answer.status_code == (200 if ours and with_token else 403)


@pytest.mark.parametrize(("who", "headers", "ours"), SENT_BY, ids=[who for who, _, _ in SENT_BY])
def test_a_bearer_token_needs_neither(visitor: FlaskClient, who: str, headers: dict[str, str], ours: bool) -> None:
    assert visitor.post("/probe/admin", headers=headers | bearer(ADMIN)).status_code == 200


FORGED = ["", "x", "a.b.c", "ü", "\xff", "IjEi.aaaaaa.bbbb", "0" * 5000]


@pytest.mark.parametrize("token", FORGED, ids=lambda token: token[:12])
def test_a_forged_csrf_token_is_refused(app: Flask, token: str) -> None:
    client = browser(app)
    assert client.post("/probe/admin", headers={"X-CSRF-Token": token}).status_code == 403
    assert client.post("/probe/admin", data={"csrf_token": token}).status_code == 403


def test_the_csrf_token_of_another_session_is_refused(app: Flask) -> None:
    other = form_token(browser(app))
    assert browser(app).post("/probe/admin", headers={"X-CSRF-Token": other}).status_code == 403


def test_a_form_may_carry_the_token_as_a_field(app: Flask) -> None:
    client = browser(app)
    assert client.post("/probe/admin", data={"csrf_token": form_token(client)}).status_code == 200


def test_the_gate_reads_no_upload_to_find_a_token(app: Flask) -> None:
    client = browser(app)
    token = form_token(client)
    boundary = {"csrf_token": token, "file": (__import__("io").BytesIO(b"x"), "x.csv")}
    assert client.post("/probe/admin", data=boundary, content_type="multipart/form-data").status_code == 403
    large = {"csrf_token": token, "rest": "x" * 100_000}
    assert client.post("/probe/admin", data=large).status_code == 403


@pytest.mark.parametrize("right", [True, False])
def test_an_upload_checks_the_token_itself_and_the_gate_its_origin(app: Flask, right: bool) -> None:
    client = browser(app)
    path = f"/probe/upload?csrf={form_token(client) if right else 'wrong'}"
    assert client.post(path, headers={"Origin": OURS}).status_code == (200 if right else 403)
    assert client.post(path, headers={"Origin": "https://evil.example"}).status_code == 403


def test_no_view_of_the_site_changes_anything_for_a_cookie_alone(app: Flask) -> None:
    client = browser(app)
    tried = 0
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            path = (
                path.replace(f"<{argument}>", "7").replace(f"<int:{argument}>", "7").replace(f"<path:{argument}>", "7")
            )
        if "<" in path or path in ("/probe/public", "/api/probe/public", "/probe/upload"):
            continue
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            tried += 1
            answer = client.open(path, method=method, headers={"Origin": OURS})
            assert answer.status_code in (401, 403), f"{method} {path}"
    assert tried > 8


# From other origins

LISTED = "https://app.example.com"


@pytest.fixture
def with_frontend(settings: Settings, store: Store) -> Iterator[FlaskClient]:
    app = probed_app(with_tokens(settings, frontend_origins=(LISTED, "http://localhost:3000")))
    yield app.test_client()
    app.extensions["headway"].store.close()


@pytest.mark.parametrize("token", [READ, "wrong-token"])
def test_a_listed_frontend_may_read_answers_and_errors(with_frontend: FlaskClient, token: str) -> None:
    answer = with_frontend.get("/api/probe/read", headers={"Origin": LISTED} | bearer(token))
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in ",".join(answer.headers.getlist("Vary"))
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        LISTED + "/",
        "*",
    ],
)
def test_no_other_origin_may(with_frontend: FlaskClient, origin: str) -> None:
    answer = with_frontend.get("/api/probe/read", headers={"Origin": origin} | bearer(READ))
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_are_for_no_frontend(with_frontend: FlaskClient) -> None:
    answer = with_frontend.get("/login", headers={"Origin": LISTED})
    assert "Access-Control-Allow-Origin" not in answer.headers


def preflight(client: FlaskClient, origin: str):  # type: ignore[no-untyped-def]
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    return client.options("/api/probe/ingest", headers=asked)


def test_a_preflight_of_a_listed_origin_needs_no_token(with_frontend: FlaskClient) -> None:
    answer = preflight(with_frontend, LISTED)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_a_preflight_of_another_origin_gets_no_leave(with_frontend: FlaskClient) -> None:
    answer = preflight(with_frontend, "https://evil.example")
    assert answer.status_code == 401
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


# With HEADWAY_AUTH=off


@pytest.fixture
def open_site(settings: Settings, store: Store) -> Iterator[FlaskClient]:
    app = probed_app(replace(settings, auth=False, frontend_origins=(LISTED,)))
    yield app.test_client()
    app.extensions["headway"].store.close()


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


def test_with_auth_off_a_forwarded_host_does_not_make_a_strange_one_local(settings: Settings, store: Store) -> None:
    app = probed_app(replace(settings, auth=False, trusted_hops=1))
    forged = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
    assert (
        app.test_client()
        .get("/probe/read", headers=forged, environ_overrides={"HTTP_HOST": "evil.example"})
        .status_code
        == 403
    )
    app.extensions["headway"].store.close()


def test_with_auth_off_there_is_nothing_to_sign_in_to(open_site: FlaskClient) -> None:
    assert open_site.get("/login?next=/probe/read").location == "/probe/read"
    assert open_site.post("/login", data={"token": "x"}).location == "/"
    assert open_site.post("/logout").status_code == 303


# Too often


def limited(settings: Settings, store: Store, **changes: object) -> FlaskClient:
    return probed_app(with_tokens(settings, **changes)).test_client()


def test_wrong_tokens_are_slowed_and_a_right_one_never(settings: Settings, store: Store) -> None:
    client = limited(settings, store)
    answers = [client.get("/api/probe/read", headers=bearer(f"wrong-{n}")) for n in range(40)]
    assert [answer.status_code for answer in answers] == [401] * 30 + [429] * 10
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 300
    assert client.get("/api/probe/read", headers=bearer(READ)).status_code == 200
    elsewhere = client.get("/api/probe/read", headers=bearer("wrong"), environ_overrides={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 401


def test_a_token_past_its_rate_waits_and_others_do_not(settings: Settings, store: Store) -> None:
    client = limited(settings, store, rate_limit=5)
    codes = [client.post("/api/probe/ingest", headers=bearer(INGEST)).status_code for _ in range(8)]
    assert codes == [200] * 5 + [429] * 3
    refused = client.post("/api/probe/ingest", headers=bearer(INGEST))
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "HEADWAY_RATE_LIMIT" in refused.json["detail"]
    assert client.post("/api/probe/ingest", headers=bearer(ADMIN)).status_code == 200
    assert client.get("/api/probe/metrics", headers=bearer(METRICS)).status_code == 200


def test_the_rate_counts_over_all_processes(settings: Settings, store: Store) -> None:
    one, other = (limited(settings, store, rate_limit=4) for _ in range(2))
    codes = [client.post("/api/probe/ingest", headers=bearer(INGEST)).status_code for client in (one, other) * 3]
    assert sorted(codes) == [200] * 4 + [429] * 2


def test_no_token_stands_in_the_store(settings: Settings, store: Store) -> None:
    client = limited(settings, store, rate_limit=5)
    client.post("/api/probe/ingest", headers=bearer(INGEST))
    client.get("/api/probe/read", headers=bearer("a-wrong-token"))
    browser(client.application)
    for key in store.redis.keys("*"):
        assert not any(token in key for token in (*BY_SCOPE.values(), "a-wrong-token")), key
        assert store.redis.ttl(key) > 0 or "limit" not in key
