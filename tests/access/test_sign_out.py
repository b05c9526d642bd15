"""Signing out ends a session everywhere, and nobody else's."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.conftest import wait_until
from tests.visitors import (
    READ,
    browser,
    cookie_of,
    sign_out,
    with_cookie,
    works,
)


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


def test_only_an_admin_is_offered_to_sign_everybody_out(app: Flask) -> None:
    assert "Sign everybody out" in browser(app).get("/dashboard/jobs").text
    assert "Sign everybody out" not in browser(app, READ).get("/dashboard/jobs").text


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
