"""Who tries or reports too often waits, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from core.store import Store
from tests.visitors import (
    ADMIN,
    BY_SCOPE,
    INGEST,
    METRICS,
    READ,
    bearer,
    browser,
)


def test_wrong_tokens_are_slowed_and_a_right_one_never(visitor: FlaskClient) -> None:
    answers = [visitor.get("/api/probe/read", headers=bearer(f"wrong-{n}")) for n in range(40)]
    assert [answer.status_code for answer in answers] == [401] * 30 + [429] * 10
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 300
    assert visitor.get("/api/probe/read", headers=bearer(READ)).status_code == 200
    elsewhere = visitor.get("/api/probe/read", headers=bearer("wrong"), environ_overrides={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 401


def test_a_token_past_its_rate_waits_and_others_do_not(probed: Callable[..., Flask]) -> None:
    client = probed(rate_limit=5).test_client()
    codes = [client.post("/api/probe/ingest", headers=bearer(INGEST)).status_code for _ in range(8)]
    assert codes == [200] * 5 + [429] * 3
    refused = client.post("/api/probe/ingest", headers=bearer(INGEST))
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "HEADWAY_RATE_LIMIT" in refused.json["detail"]
    assert client.post("/api/probe/ingest", headers=bearer(ADMIN)).status_code == 200
    assert client.get("/api/probe/metrics", headers=bearer(METRICS)).status_code == 200


def test_the_rate_counts_over_all_processes(probed: Callable[..., Flask]) -> None:
    one, other = (probed(rate_limit=4).test_client() for _ in range(2))
    codes = [client.post("/api/probe/ingest", headers=bearer(INGEST)).status_code for client in (one, other) * 3]
    assert sorted(codes) == [200] * 4 + [429] * 2


def test_no_token_stands_in_the_store(probed: Callable[..., Flask], store: Store) -> None:
    client = probed(rate_limit=5).test_client()
    client.post("/api/probe/ingest", headers=bearer(INGEST))
    client.get("/api/probe/read", headers=bearer("a-wrong-token"))
    browser(client.application)
    for key in store.redis.keys("*"):
        assert not any(token in key for token in (*BY_SCOPE.values(), "a-wrong-token")), key
        assert store.redis.ttl(key) > 0 or "limit" not in key
