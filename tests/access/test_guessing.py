"""Who may try to sign in how often."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from tests.visitors import (
    ADMIN,
    READ,
    attempt,
    bearer,
    sign_in,
    sign_out,
)


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


def test_a_forged_address_does_not_help_a_guesser(probed: Callable[..., Flask]) -> None:
    app = probed(trusted_hops=1)
    codes = []
    for n in range(12):
        client = app.test_client()
        forged = {"X-Forwarded-For": f"198.51.100.{n}, 192.0.2.7", "X-Real-IP": f"198.51.100.{n}"}
        codes.append(sign_in(client, "guess-guess", headers=forged).status_code)
    assert codes == [401] * 10 + [429] * 2


def test_a_guesser_gets_no_further_with_a_network_of_addresses(app: Flask) -> None:
    codes = [attempt(app.test_client(), "guess-guess", f"2001:db8:1:2::{n:x}").status_code for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert attempt(app.test_client(), "guess-guess", "2001:db8:1:3::1").status_code == 401
