"""Signing in and out: what a browser is given, when it stops to count, and who may try how often."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.sessions import LIFETIME_S
from core.settings import Settings
from core.store import Store
from tests.conftest import Valkey, wait_until
from tests.visitors import (
    ADMIN,
    INGEST,
    METRICS,
    READ,
    bearer,
    browser,
    form_token,
    probed_app,
    sign_in,
    with_tokens,
)

Apps = Iterator[Flask]


@pytest.fixture
def app(settings: Settings, store: Store) -> Apps:
    app = probed_app(with_tokens(settings))
    yield app
    app.extensions["headway"].store.close()


@pytest.fixture
def other_process(settings: Settings, store: Store) -> Apps:
    """A second application on the same store, as another web process has it."""
    app = probed_app(with_tokens(settings))
    yield app
    app.extensions["headway"].store.close()


def cookie_of(client: FlaskClient, name: str = "headway_session", path: str = "/") -> str:
    cookie = client.get_cookie(name, path=path)
    assert cookie is not None
    return cookie.value


def content(app: Flask, client: FlaskClient) -> dict[str, object]:
    """What the session cookie says; anybody who holds it can read it."""
    return app.session_interface.get_signing_serializer(app).loads(cookie_of(client))  # type: ignore[attr-defined]


def with_cookie(app: Flask, value: str) -> FlaskClient:
    client = app.test_client()
    client.set_cookie("headway_session", value)
    return client


def works(client: FlaskClient) -> bool:
    return client.get("/api/probe/read").status_code == 200


def sign_out(client: FlaskClient, **fields: str):  # type: ignore[no-untyped-def]
    return client.post("/logout", data={"csrf_token": form_token(client), **fields})


# In


@pytest.mark.parametrize(("token", "scope"), [(ADMIN, "admin"), (READ, "read"), (f"  {ADMIN}\n", "admin")])
def test_the_admin_and_the_read_token_sign_in(app: Flask, token: str, scope: str) -> None:
    assert browser(app, token).get("/probe/read").text == f"session {scope}"


WRONG = [
    ("nothing", ""), ("a wrong one", "wrong-token"), ("the ingest token", INGEST), ("the metrics token", METRICS),
    ("part of it", ADMIN[:-1]), ("not ASCII", "пароль-администратора"), ("an emoji", "🔑" * 8), ("NUL", ADMIN + "\0"),
    ("long", "x" * 9000), ("a template", "{{7*7}}<script>alert(1)</script>"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "token"), WRONG, ids=[what for what, _ in WRONG])
def test_all_other_texts_are_refused_in_the_same_words(app: Flask, what: str, token: str) -> None:
    client = app.test_client()
    answer = sign_in(client, token, onward="/probe/read")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="headway"'
    fault = re.search(r'role="alert">([^<]+)<', answer.text)
    assert fault
    assert fault[1] == "That token does not open this site. Check it and try again."
    assert token == "" or token not in answer.text
    assert not works(client)


def test_the_page_needs_no_script_and_names_its_field(app: Flask) -> None:
    page = app.test_client().get("/login").text
    assert '<label for="token">Token</label>' in page
    assert 'type="password"' in page
    assert 'method="post" action="/login"' in page


def test_the_page_runs_no_script_of_its_own_text(app: Flask) -> None:
    page = app.test_client().get("/login?next=/x").text
    assert not re.findall(r"<script(?![^>]*\bsrc=)", page)
    assert not re.findall(r"\son\w+=|\sstyle=|javascript:", page)


@pytest.mark.parametrize(
    ("onward", "leads"),
    [
        ("/probe/read?a=1", "/probe/read?a=1"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/%0d%0aSet-Cookie:a=b", "/"),
        ("/login?next=/login", "/"),
        ("/logout", "/"),
    ],
)
def test_signing_in_leads_on_to_a_page_of_ours(app: Flask, onward: str, leads: str) -> None:
    answer = sign_in(app.test_client(), onward=onward)
    assert (answer.status_code, answer.location) == (303, leads)
    page = app.test_client().get("/login", query_string={"next": onward}).text
    assert f'name="next" value="{html.escape(leads)}"' in page


def test_a_next_that_breaks_out_of_its_attribute_does_not(app: Flask) -> None:
    page = app.test_client().get("/login", query_string={"next": '/"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


def test_nothing_of_signing_in_is_kept_by_a_cache(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/login").headers["Cache-Control"] == "no-store"
    assert sign_in(client).headers["Cache-Control"] == "no-store"
    assert sign_in(client, "wrong-token").headers["Cache-Control"] == "no-store"


def test_a_browser_that_is_signed_in_may_take_another_token(app: Flask) -> None:
    client = browser(app, READ)
    before = cookie_of(client)
    assert "You are signed in" in client.get("/login").text
    assert sign_in(client, ADMIN).status_code == 303
    assert client.get("/probe/admin").text == "session admin"
    assert not works(with_cookie(app, before))


# Forged sign-ins


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_can_not_sign_a_browser_in(app: Flask, headers: dict[str, str]) -> None:
    client = app.test_client()
    fields = {"csrf_token": form_token(client), "token": ADMIN}
    assert client.post("/login", data=fields, headers=headers).status_code == 403
    assert not works(client)


def test_a_form_without_its_token_is_shown_again_with_the_reason(app: Flask) -> None:
    client = app.test_client()
    answer = client.post("/login", data={"token": ADMIN, "next": "/probe/read"})
    assert answer.status_code == 403
    assert "Try again" in answer.text
    assert 'value="/probe/read"' in answer.text
    assert not works(client)


def test_a_large_form_is_not_read(app: Flask) -> None:
    client = app.test_client()
    assert client.post("/login", data={"csrf_token": form_token(client), "token": "x" * 1_000_000}).status_code == 413


# The cookie


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app: Flask, scheme: str, secure: bool) -> None:
    answer = sign_in(app.test_client(), base_url=f"{scheme}://localhost")
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/;" in cookie + ";"
        assert "Domain" not in cookie
        assert ("Secure" in cookie) == secure


def test_behind_a_trusted_proxy_with_tls_the_cookie_is_secure(settings: Settings, store: Store) -> None:
    for hops, secure in ((0, False), (1, True)):
        app = probed_app(with_tokens(settings, trusted_hops=hops))
        answer = sign_in(app.test_client(), headers={"X-Forwarded-Proto": "https"})
        assert ("Secure" in answer.headers["Set-Cookie"]) == secure
        assert ("Strict-Transport-Security" in answer.headers) == secure
        app.extensions["headway"].store.close()


def test_the_cookie_holds_no_token(app: Flask) -> None:
    client = browser(app)
    body = content(app, client)
    assert ADMIN not in str(body)
    assert set(body) == {"_permanent", "sid", "scope", "begun", "mark"}


def test_a_session_gets_a_new_id_at_each_sign_in(app: Flask) -> None:
    client = app.test_client()
    form_token(client)
    planted = cookie_of(client)
    assert sign_in(client).status_code == 303
    assert cookie_of(client) != planted
    assert not works(with_cookie(app, planted))
    sids = set()
    for _ in range(3):
        sign_in(client)
        sids.add(content(app, client)["sid"])
    assert len(sids) == 3


@pytest.mark.parametrize("change", ["", "x", "a.b.c", "flip", "cut", "other key", "ü", "A" * 3000])
def test_a_changed_cookie_is_nobodys(app: Flask, settings: Settings, change: str) -> None:
    good = cookie_of(browser(app))
    if change == "flip":
        change = ("B" if good[5] != "B" else "C").join((good[:5], good[6:]))
    elif change == "cut":
        change = good[:-1]
    elif change == "other key":
        other = probed_app(with_tokens(settings, token="another-admin-token"))
        change = cookie_of(browser(other, "another-admin-token"))
        other.extensions["headway"].store.close()
    assert not works(with_cookie(app, change))
    assert works(with_cookie(app, good))


def test_polls_do_not_set_the_cookie_again(app: Flask) -> None:
    assert "Set-Cookie" not in browser(app).get("/probe/read").headers


def test_a_session_runs_out(app: Flask, settings: Settings, store: Store) -> None:
    client = browser(app)
    site = app.extensions["headway"]
    sessions = app.extensions["headway.gate"].sessions
    sessions._clock = lambda: site.clock() + LIFETIME_S - 60
    assert works(client)
    sessions._clock = lambda: site.clock() + LIFETIME_S + 60
    assert not works(client)


def test_a_new_read_token_ends_the_sessions_of_the_old_one(app: Flask, settings: Settings) -> None:
    readers, admins = cookie_of(browser(app, READ)), cookie_of(browser(app, ADMIN))
    later = probed_app(with_tokens(settings, read_token="the-next-read-token"))
    assert not works(with_cookie(later, readers))
    assert works(with_cookie(later, admins))
    later.extensions["headway"].store.close()


# Out


def test_signing_out_ends_the_session_and_takes_the_cookie(app: Flask) -> None:
    client = browser(app)
    kept = cookie_of(client)
    answer = sign_out(client)
    assert (answer.status_code, answer.location) == (303, "/login?next=/")
    assert client.get_cookie("headway_session") is None
    assert not works(with_cookie(app, kept))


def test_another_process_soon_knows_of_a_sign_out(app: Flask, other_process: Flask) -> None:
    client = browser(app)
    elsewhere = with_cookie(other_process, cookie_of(client))
    assert works(elsewhere)
    sign_out(client)
    wait_until(lambda: not works(elsewhere), what="the end of the session in the other process")


def test_signing_out_leaves_other_sessions_alone(app: Flask, other_process: Flask) -> None:
    one, other = browser(app), browser(app)
    sign_out(one)
    assert works(other)
    assert works(with_cookie(other_process, cookie_of(other)))


def test_an_admin_can_sign_everybody_out(app: Flask, other_process: Flask) -> None:
    one, reader = browser(app), with_cookie(other_process, cookie_of(browser(app, READ)))
    assert works(reader)
    assert sign_out(one, everywhere="1").status_code == 303
    wait_until(lambda: not works(reader), what="the end of all sessions")
    assert works(browser(app))


def test_a_reader_can_not_sign_others_out(app: Flask) -> None:
    other = browser(app)
    assert sign_out(browser(app, READ), everywhere="1").status_code == 403
    assert works(other)


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}])
def test_another_site_can_not_sign_a_browser_out(app: Flask, headers: dict[str, str]) -> None:
    client = browser(app)
    assert client.post("/logout", headers=headers).status_code == 403
    assert works(client)


def test_looking_never_signs_out(app: Flask) -> None:
    client = browser(app)
    assert client.get("/logout").status_code == 405
    assert works(client)


def test_who_is_not_signed_in_is_led_to_sign_in(app: Flask) -> None:
    assert app.test_client().post("/logout").location == "/login?next=/"


def test_an_open_stream_can_ask_whether_its_caller_may_still_listen(app: Flask, other_process: Flask) -> None:
    client = browser(app)
    with app.test_request_context(headers={"Cookie": f"headway_session={cookie_of(client)}"}) as context:
        context.app.preprocess_request()
        gate = app.extensions["headway.gate"]
        who = gate.identify(context.request.environ)
    elsewhere = other_process.extensions["headway.gate"].sessions
    assert gate.sessions.alive(who)
    assert elsewhere.alive(who)
    sign_out(client)
    assert not gate.sessions.alive(who)
    wait_until(lambda: not elsewhere.alive(who), what="the end of the session for streams elsewhere")


# Too often


def attempt(client: FlaskClient, token: str, address: str = "192.0.2.1"):  # type: ignore[no-untyped-def]
    return sign_in(client, token, environ_overrides={"REMOTE_ADDR": address})


def test_after_ten_wrong_attempts_an_address_must_wait(app: Flask, other_process: Flask) -> None:
    codes = [attempt(one.test_client(), f"guess-{n}").status_code for n in range(6) for one in (app, other_process)]
    assert codes == [401] * 10 + [429] * 2
    refused = attempt(app.test_client(), ADMIN)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 300
    assert "Too many attempts. Try again in" in refused.text


def test_nobody_is_locked_out_by_anothers_guesses(app: Flask) -> None:
    owner = app.test_client()
    assert attempt(owner, ADMIN).status_code == 303
    sign_out(owner)
    for n in range(15):
        attempt(app.test_client(), f"guess-{n}")
    assert attempt(app.test_client(), ADMIN).status_code == 429
    assert attempt(app.test_client(), ADMIN, "192.0.2.2").status_code == 303, "another address"
    assert attempt(owner, ADMIN).status_code == 303, "a browser that signed in before"
    same = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.1"}}
    assert app.test_client().get("/api/probe/read", headers=bearer(ADMIN), **same).status_code == 200, "a token"


def test_a_browser_that_signed_in_before_may_not_guess_either(app: Flask) -> None:
    client = app.test_client()
    attempt(client, READ)
    assert [attempt(client, f"guess-{n}").status_code for n in range(11)] == [401] * 10 + [429]


def test_right_attempts_do_not_count(app: Flask) -> None:
    assert {attempt(app.test_client(), ADMIN).status_code for _ in range(15)} == {303}
    assert attempt(app.test_client(), "wrong-token").status_code == 401


def test_right_attempts_give_no_free_guesses(app: Flask) -> None:
    codes = []
    for n in range(12):
        attempt(app.test_client(), READ)
        codes.append(attempt(app.test_client(), f"guess-{n}").status_code)
    assert codes == [401] * 10 + [429] * 2


def test_a_forged_address_does_not_help_a_guesser(settings: Settings, store: Store) -> None:
    app = probed_app(with_tokens(settings, trusted_hops=1))
    codes = []
    for n in range(12):
        client = app.test_client()
        forged = {"X-Forwarded-For": f"198.51.100.{n}, 192.0.2.7", "X-Real-IP": f"198.51.100.{n}"}
        codes.append(sign_in(client, "guess-guess", headers=forged).status_code)
    assert codes == [401] * 10 + [429] * 2
    app.extensions["headway"].store.close()


def test_a_guesser_gets_no_further_with_a_network_of_addresses(app: Flask) -> None:
    codes = [attempt(app.test_client(), "guess-guess", f"2001:db8:1:2::{n:x}").status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert attempt(app.test_client(), "guess-guess", "2001:db8:1:3::1").status_code == 401


# With the store away


@pytest.fixture
def lonely(settings: Settings, tmp_path: Path) -> Apps:
    """An application whose store never was there."""
    app = probed_app(with_tokens(settings, redis_url=f"unix://{tmp_path}/nothing.sock"))
    yield app
    app.extensions["headway"].store.close()


def test_without_the_store_signing_in_and_out_works(lonely: Flask) -> None:
    client = browser(lonely)
    kept = cookie_of(client)
    assert works(client)
    assert sign_out(client).status_code == 303
    assert not works(with_cookie(lonely, kept))


def test_without_the_store_guesses_are_counted_in_memory(lonely: Flask) -> None:
    codes = [attempt(lonely.test_client(), f"guess-{n}").status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    codes = [lonely.test_client().get("/api/probe/read", headers=bearer(f"guess-{n}")).status_code for n in range(32)]
    assert codes == [401] * 30 + [429] * 2


def test_a_sign_out_while_the_store_is_away_is_told_when_it_is_back(settings: Settings) -> None:
    valkey = Valkey().start()
    here, there = (probed_app(with_tokens(settings, redis_url=valkey.url)) for _ in range(2))
    client, bystander = browser(here), browser(here)
    kept = cookie_of(client)
    valkey.stop()
    sign_out(client)
    assert not works(with_cookie(here, kept))
    assert works(bystander)
    valkey.start()
    wait_until(
        lambda: works(bystander) and not works(with_cookie(there, kept)), what="the sign-out in the other process"
    )
    for app in (here, there):
        app.extensions["headway"].store.close()
    valkey.close()


# Below a prefix


@pytest.mark.parametrize("stripped", [True, False], ids=["the proxy strips it", "the proxy keeps it"])
def test_below_a_prefix_everything_of_signing_in_stays_there(settings: Settings, store: Store, stripped: bool) -> None:
    app = probed_app(with_tokens(settings, url="https://headway.example/ops"))
    there = {"base_url": "https://headway.example/"}
    root = "" if stripped else "/ops"
    client = app.test_client()
    asked = client.get(f"{root}/probe/read?a=1", headers={"Accept": "text/html"}, **there)
    assert asked.location == "/ops/login?next=/ops/probe/read%3Fa%3D1"
    page = client.get(f"{root}/login?next=/ops/probe/read", **there)
    assert 'action="/ops/login"' in page.text
    assert 'src="/ops/static/login.js"' in page.text
    fields = {"csrf_token": "", "token": ADMIN, "next": "/ops/probe/read"}
    cookie = page.headers["Set-Cookie"]
    assert "Path=/ops" in cookie
    assert "Secure" in cookie
    fields["csrf_token"] = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]  # type: ignore[index]
    headers = {"Cookie": cookie.split(";")[0], "Origin": "https://headway.example"}
    answer = app.test_client(use_cookies=False).post(f"{root}/login", data=fields, headers=headers, **there)
    assert (answer.status_code, answer.location) == (303, "/ops/probe/read")
    app.extensions["headway"].store.close()
