"""Every variable is read as documented, or the start is refused in one line that helps and gives nothing away."""

from __future__ import annotations

import pathlib

import pytest
from psycopg import pq

from core import database_url
from core.settings import VARIABLES, SettingError, read

TAKEN = [
    ("PORT", "8000", "port", 8000),
    ("PORT", "65535", "port", 65535),
    ("HEADWAY_HOST", "::1", "host", "::1"),
    ("HEADWAY_HOST", "0.0.0.0", "host", "0.0.0.0"),
    ("REDIS_URL", "redis://:pw@store:6379/1", "redis_url", "redis://:pw@store:6379/1"),
    ("REDIS_URL", "rediss://store", "redis_url", "rediss://store"),
    ("REDIS_URL", "unix:///run/valkey.sock", "redis_url", "unix:///run/valkey.sock"),
    ("DATABASE_URL", "postgres://db/headway", "database_url", "postgres://db/headway"),
    ("DATABASE_URL", "postgres://u:p%25@db/x?sslmode=require&options=-c%20a%3Db", "database_url",
     "postgres://u:p%25@db/x?sslmode=require&options=-c%20a%3Db"),
    ("HEADWAY_DATA", "/var/lib/headway", "data", pathlib.Path("/var/lib/headway")),
    ("HEADWAY_TOKEN", "0123456789abcdef", "token", "0123456789abcdef"),
    ("HEADWAY_READ_TOKEN", "0123456789abcdef", "read_token", "0123456789abcdef"),
    ("HEADWAY_INGEST_TOKEN", "0123456789abcdef", "ingest_token", "0123456789abcdef"),
    ("HEADWAY_METRICS_TOKEN", "0123456789abcdef", "metrics_token", "0123456789abcdef"),
    ("HEADWAY_AUTH", "off", "auth", False),
    ("FRONTEND_URL", "https://a.example/, http://localhost:3000", "frontend_origins",
     ("https://a.example", "http://localhost:3000")),
    ("HEADWAY_URL", "https://headway.example/ops/", "url", "https://headway.example/ops"),
    ("HEADWAY_TRUSTED_HOPS", "2", "trusted_hops", 2),
    ("HEADWAY_RATE_LIMIT", "600", "rate_limit", 600),
    ("HEADWAY_KEEP_JOBS", "5000", "keep_jobs", 5000),
    ("HEADWAY_KEEP_DAYS", "7", "keep_days", 7),
    ("WEB_CONCURRENCY", "4", "web_concurrency", 4),
    ("PROMETHEUS_URL", "http://prometheus:9090", "prometheus_url", "http://prometheus:9090"),
    ("HEADWAY_PARTITIONS", "16", "partitions", 16),
    ("HEADWAY_DEV", "on", "dev", True),
]  # fmt: skip

REFUSED = [
    ("PORT", ["0", "65536", "-1", "8000.0", "eight", "٨٠", " 80", "1e3", "9" * 5000, "00000000000009999"]),
    ("HEADWAY_HOST", ["http://localhost", "localhost:8000", "a b", "127.0.0.1:80"]),
    ("REDIS_URL", ["localhost:6379", "http://store", "redis://", "unix://", "redis://h:99999", "redis://[::1"]),
    ("DATABASE_URL", ["mysql://db/x", "postgresql://", "sqlite:///x.db", "postgres://u:hu%zsh@db/x", "postgres://u:hush%00@db/x",
                      "postgres://u:hu sh@db/x", "postgres://u:hu@sh@db/x", "postgres://db/x?foo=hush", "postgres://db/x?hush",
                      "postgres://u:12?hush@db/x", "postgres://db/x?sslmode=hush", "postgres://db/x#hush"]),
    ("HEADWAY_TOKEN", ["short", "with a space in it", "übermäßig-geheim", "changeme", "a-long-random-text", "aaaaaaaaaaaa"]),
    ("HEADWAY_READ_TOKEN", ["short", "ключ-для-чтения", "PASSWORD"]),
    ("HEADWAY_INGEST_TOKEN", ["short", "tab\tin-the-token"]),
    ("HEADWAY_METRICS_TOKEN", ["short", "line\nin-the-token"]),
    ("HEADWAY_AUTH", ["no", "OFF", "false", "0"]),
    ("FRONTEND_URL", ["*", "https://*.example.com", "a.example", "https://a.example/app", "null", "https://u:p@a.example"]),
    ("HEADWAY_URL", ["headway.example", "https://h/?x=1", "https://h/#x", "https://u:pw@h", "ftp://h", "https:///x",
                     "https://h//evil", "https://h/a b", "https://h?"]),
    ("HEADWAY_TRUSTED_HOPS", ["-1", "11", "all", "0000000000009999"]),
    ("HEADWAY_RATE_LIMIT", ["0", "many", "-5"]),
    ("HEADWAY_KEEP_JOBS", ["0", "1e6"]),
    ("HEADWAY_KEEP_DAYS", ["0", "week"]),
    ("WEB_CONCURRENCY", ["0", "65", "auto"]),
    ("HEADWAY_CONFIG", ["/nowhere/headway.toml", "/"]),
    ("PROMETHEUS_URL", ["prometheus:9090", "grpc://p", "http://user:pw@:9090"]),
    ("HEADWAY_PARTITIONS", ["0", "1025", "two"]),
    ("HEADWAY_DEV", ["1", "yes"]),
]  # fmt: skip
BAD = [(name, value) for name, values in REFUSED for value in values]


@pytest.mark.parametrize(("name", "text", "field", "value"), TAKEN)
def test_a_good_value_is_read(name: str, text: str, field: str, value: object) -> None:
    assert getattr(read({name: text}), field) == value


@pytest.mark.parametrize(("name", "text"), BAD, ids=lambda text: text[:30])
def test_a_bad_value_is_refused_in_one_line_with_the_variable_and_an_example(name: str, text: str) -> None:
    with pytest.raises(SettingError) as refused:
        read({name: text})
    line = str(refused.value)
    assert line.startswith(name)
    assert f"for example {name}=" in line
    assert "\n" not in line
    assert len(line) < 400
    assert "hush" not in line


SECRETS = [variable.name for variable in VARIABLES if variable.secret]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("text", ["x\thunter2-canary", "gopher://user:hunter2-canary@host"])
def test_a_secret_is_never_printed(name: str, text: str) -> None:
    with pytest.raises(SettingError) as refused:
        read({name: text + (" " if "TOKEN" in name else "")})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["PROMETHEUS_URL", "HEADWAY_URL", "FRONTEND_URL"])
def test_a_password_in_an_address_is_never_printed(name: str) -> None:
    with pytest.raises(SettingError) as refused:
        read({name: "ftp://user:hunter2-canary@host"})
    assert "hunter2" not in str(refused.value)


def test_every_secret_of_the_contract_is_known_as_one() -> None:
    assert set(SECRETS) == {
        "REDIS_URL", "DATABASE_URL", "HEADWAY_TOKEN", "HEADWAY_READ_TOKEN", "HEADWAY_INGEST_TOKEN", "HEADWAY_METRICS_TOKEN",
    }  # fmt: skip


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = read({})
    assert (settings.port, settings.host, settings.redis_url, settings.database_url) == (8000, "127.0.0.1", None, None)
    assert (settings.keep_jobs, settings.keep_days, settings.web_concurrency) == (1_000_000, 30, 1)
    assert (settings.trusted_hops, settings.rate_limit, settings.partitions) == (0, None, 1)
    assert (settings.auth, settings.url, str(settings.data)) == (True, None, "data")
    assert settings.frontend_origins == ("http://localhost:5173",)


def test_no_frontend_is_allowed_by_default_beyond_loopback() -> None:
    assert read({"HEADWAY_HOST": "0.0.0.0"}).frontend_origins == ()


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_an_empty_value_counts_as_unset(variable: object) -> None:
    assert read({variable.name: ""}) == read({})  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "headway.example", "::"])
def test_auth_off_is_refused_beyond_loopback(host: str) -> None:
    with pytest.raises(SettingError, match=r"^HEADWAY_AUTH .*HEADWAY_HOST=127\.0\.0\.1$"):
        read({"HEADWAY_AUTH": "off", "HEADWAY_HOST": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_auth_off_is_taken_on_loopback(host: str) -> None:
    assert not read({"HEADWAY_AUTH": "off", "HEADWAY_HOST": host}).auth


def test_two_scopes_can_not_share_a_token() -> None:
    with pytest.raises(SettingError, match="must differ") as refused:
        read({"HEADWAY_TOKEN": "one-token-for-all", "HEADWAY_INGEST_TOKEN": "one-token-for-all"})
    assert "one-token-for-all" not in str(refused.value)


def test_each_variable_is_listed_once_with_a_meaning_and_an_example_that_it_takes(tmp_path: pathlib.Path) -> None:
    assert len({variable.name for variable in VARIABLES}) == len(VARIABLES)
    for variable in VARIABLES:
        assert variable.meaning.endswith("."), variable.name
        if variable.name.endswith("_TOKEN"):
            continue  # their example is refused on purpose: else it would be somebody's token
        variable.parse(variable.example)


def test_every_parameter_that_libpq_knows_is_taken() -> None:
    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    assert known <= database_url.PARAMETERS
    assert database_url.check("postgres://u:p%40@[::1]:5432/x?sslmode=require").endswith("require")
