"""Contracts: the variables, their defaults, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.settings import VARIABLES, SettingError, read

DEFAULTS: dict[str, tuple[str, Any]] = {
    "PORT": ("port", 8000),
    "HEADWAY_HOST": ("host", "127.0.0.1"),
    "REDIS_URL": ("redis_url", None),
    "DATABASE_URL": ("database_url", None),
    "HEADWAY_DATA": ("data", Path("data")),
    "HEADWAY_TOKEN": ("token", None),
    "HEADWAY_READ_TOKEN": ("read_token", None),
    "HEADWAY_INGEST_TOKEN": ("ingest_token", None),
    "HEADWAY_METRICS_TOKEN": ("metrics_token", None),
    "HEADWAY_AUTH": ("auth", True),
    "FRONTEND_URL": ("frontend_origins", ("http://localhost:5173",)),
    "HEADWAY_URL": ("url", None),
    "HEADWAY_TRUSTED_HOPS": ("trusted_hops", 0),
    "HEADWAY_RATE_LIMIT": ("rate_limit", None),
    "HEADWAY_KEEP_JOBS": ("keep_jobs", 1_000_000),
    "HEADWAY_KEEP_DAYS": ("keep_days", 30),
    "WEB_CONCURRENCY": ("web_concurrency", 1),
    "HEADWAY_CONFIG": ("config", None),
    "PROMETHEUS_URL": ("prometheus_url", None),
    "HEADWAY_PARTITIONS": ("partitions", 1),
}


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("environ", ["unset", "empty"])
def test_each_variable_has_its_default(name: str, environ: str) -> None:
    field, value = DEFAULTS[name]
    assert name in {variable.name for variable in VARIABLES}
    assert getattr(read({} if environ == "unset" else {name: ""}), field) == value


def test_a_frontend_is_allowed_by_default_on_loopback_only() -> None:
    assert read({"HEADWAY_HOST": "0.0.0.0"}).frontend_origins == ()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"HEADWAY_AUTH": "off", "HEADWAY_HOST": "0.0.0.0"}, "HEADWAY_AUTH"),
        ({"FRONTEND_URL": "*"}, "FRONTEND_URL"),
        ({"PORT": "eighty"}, "PORT"),
        ({"HEADWAY_TOKEN": "secret"}, "HEADWAY_TOKEN"),
        ({"REDIS_URL": "http://:secret@store"}, "REDIS_URL"),
        ({"DATABASE_URL": "mysql://u:secret@db/x"}, "DATABASE_URL"),
    ],
)
def test_a_bad_value_is_one_line_with_name_and_example_and_without_secrets(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingError) as refused:
        read(environ)
    said = str(refused.value)
    assert said.startswith(named)
    assert "\n" not in said
    assert "secret" not in said
    assert f"{named}=" in said
