"""What a browser is given when it signs in, and when that stops to count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from core.sessions import LIFETIME_S
from tests.visitors import (
    ADMIN,
    READ,
    browser,
    content,
    cookie_of,
    form_token,
    sign_in,
    with_cookie,
    works,
)


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


def test_behind_a_trusted_proxy_with_tls_the_cookie_is_secure(probed: Callable[..., Flask]) -> None:
    for hops, secure in ((0, False), (1, True)):
        app = probed(trusted_hops=hops)
        answer = sign_in(app.test_client(), headers={"X-Forwarded-Proto": "https"})
        assert ("Secure" in answer.headers["Set-Cookie"]) == secure
        assert ("Strict-Transport-Security" in answer.headers) == secure


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
def test_a_changed_cookie_is_nobodys(app: Flask, probed: Callable[..., Flask], change: str) -> None:
    good = cookie_of(browser(app))
    if change == "flip":
        change = ("B" if good[5] != "B" else "C").join((good[:5], good[6:]))
    elif change == "cut":
        change = good[:-1]
    elif change == "other key":
        other = probed(token="another-admin-token")
        change = cookie_of(browser(other, "another-admin-token"))
    assert not works(with_cookie(app, change))
    assert works(with_cookie(app, good))


def test_polls_do_not_set_the_cookie_again(app: Flask) -> None:
    assert "Set-Cookie" not in browser(app).get("/probe/read").headers


def test_a_session_runs_out(app: Flask) -> None:
    client = browser(app)
    site = app.extensions["headway"]
    sessions = app.extensions["headway.gate"].sessions
    sessions._clock = lambda: site.clock() + LIFETIME_S - 60
    assert works(client)
    sessions._clock = lambda: site.clock() + LIFETIME_S + 60
    assert not works(client)


def test_a_new_read_token_ends_the_sessions_of_the_old_one(app: Flask, probed: Callable[..., Flask]) -> None:
    readers, admins = cookie_of(browser(app, READ)), cookie_of(browser(app, ADMIN))
    later = probed(read_token="the-next-read-token")
    assert not works(with_cookie(later, readers))
    assert works(with_cookie(later, admins))
