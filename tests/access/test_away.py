"""Signing in and out while the store is away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import Valkey, wait_until
from tests.visitors import (
    attempt,
    bearer,
    browser,
    cookie_of,
    sign_out,
    with_cookie,
    works,
)


@pytest.fixture
def lonely(probed: Callable[..., Flask], tmp_path: Path) -> Flask:
    """An application whose store never was there."""
    return probed(redis_url=f"unix://{tmp_path}/nothing.sock")


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


def test_a_sign_out_while_the_store_is_away_is_told_when_it_is_back(
    own_valkey: Callable[..., Valkey], probed: Callable[..., Flask]
) -> None:
    valkey = own_valkey()
    here, there = (probed(redis_url=valkey.url) for _ in range(2))
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
