"""Secrets are out of sight before a line is stored, and what is none stays as it is."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from core.config import Logs, Redaction
from core.settings import Settings
from services.log_redaction import Redactor, redactor

AWS = "AKIA" + "IOSFODNN7EXAMPLE"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("login password=hunter2 ok", "login password=*** ok"),
        ('{"password": "hunter2", "user": "ada"}', '{"password": "***", "user": "ada"}'),
        ("{\\\"api_key\\\": \\\"k-1\\\"}", "{\\\"api_key\\\": \\\"***\\\"}"),
        ("DB_PASSWORD: 'two words'", "DB_PASSWORD: '***'"),
        ('password="never closed', "password=*** closed"),
        ("GET /?token=abc.def&page=2", "GET /?token=***&page=2"),
        ("clientSecret=>s3cr3t, next", "clientSecret=>***, next"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = ***"),
        ("\x1b[32mpassword\x1b[0m=\x1b[33mhunter2\x1b[0m", "\x1b[32mpassword\x1b[0m=\x1b[33m***\x1b[0m"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic ***"),
        ("sent bearer 0123456789abcdef there", "sent bearer *** there"),
        ("redis://user:p@ss@db.internal:6379/0", "redis://***@db.internal:6379/0"),
        ("https://ghost@host/path", "https://***@host/path"),
        (f"key {AWS}.", "key ***."),
        (f"jwt {JWT} seen", "jwt *** seen"),
        ("gh" + "p_" + "a" * 36, "***"),
        ("sk" + "_live_" + "b" * 24, "***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----",
         "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "-----BEGIN PRIVATE KEY-----***"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_taken_out(said: str, kept: str) -> None:
    assert Redactor(Logs(), ()).redact(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "GET /api/items 200 in 3 ms", "total_tokens: 1234", "the password was changed", "bearer authentication failed",
        "see https://example.com/a@b", "mail to ada@example.org", "authorization failed for user 3", "monkey: banana",
        "12:30:45 key pressed", "risk-free",
    ],
)  # fmt: skip
def test_what_is_none_stays(said: str) -> None:
    assert Redactor(Logs(), ()).redact(said) == said


def test_our_own_tokens_go_wherever_they_stand(settings: Settings) -> None:
    ours = replace(settings, ingest_token="an-ingest-token-for-tests")
    text = redactor(Logs(), ours).redact(f"a {settings.token}x and an-ingest-token-for-tests")
    assert text == "a ***x and ***"


def test_declared_patterns_go_too_and_what_stands_there_instead_is_plain_text() -> None:
    logs = Logs(redact=(Redaction(r"\b\d{4}-\d{4}-\d{4}-\d{4}\b", r"\1[card]"), Redaction("(?i)ssn \\S+")))
    assert Redactor(logs, ()).redact("paid 1111-2222-3333-4444, SSN 12-3") == "paid \\1[card], ***"


def test_with_redact_secrets_off_only_declared_patterns_hold() -> None:
    logs = Logs(redact=(Redaction("card"),), redact_secrets=False)
    assert Redactor(logs, ("own-token",)).redact("card password=x own-token") == "*** password=x own-token"


@pytest.mark.parametrize(
    "part", ["password ", "password= ", "token:\"", "eyJ_", "://", "bearer ", "authorization: ", "-----BEGIN PRIVATE KEY-----",
             "secret\\\"", "AKIA", "sk-"],
)  # fmt: skip
def test_no_line_makes_a_rule_take_long(part: str) -> None:
    text = (part * 16_000)[:16_000]
    began = time.process_time()
    Redactor(Logs(), ()).redact(text)
    assert time.process_time() - began < 5  # s of CPU; what backtracks takes minutes
