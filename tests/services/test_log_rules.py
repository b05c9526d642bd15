"""What may stand in a log line: levels by any usual name, times, sources, jobs."""

from __future__ import annotations

from typing import Any

import pytest

from core.config import Logs
from core.fields import FieldError
from services import log_rules
from services.log_model import LEVELS, JobLink, NewLine
from services.log_redaction import Redactor

NOW_MS = 1_700_000_000_000
NONE = Redactor(Logs(redact_secrets=False), ())


def line(**fields: Any) -> NewLine:
    return log_rules.line({"message": "hello", **fields}, NOW_MS, NONE)


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("info", "info"), ("WARN", "warning"), (" Warning ", "warning"), ("fatal", "critical"), ("notice", "info"),
        ("trace", "debug"), ("err", "error"), ("emerg", "critical"), ("success", "info"), (None, "info"),
        (0, "critical"), (2, "critical"), (3, "error"), (4, "warning"), (5, "info"), (6, "info"), (7, "debug"),
        (10, "debug"), (15, "debug"), (20, "info"), (25, "info"), (30, "warning"), (40, "error"), (50, "critical"),
        (100, "critical"), ("30", "warning"),
    ],
)  # fmt: skip
def test_a_level_goes_by_any_usual_name_or_number(said: Any, level: str) -> None:
    assert LEVELS[line(level=said).level] == level


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"level": "loud"}, "level"), ({"level": -1}, "level"), ({"level": 10**6}, "level"), ({"level": True}, "level"),
        ({"message": None}, "message"), ({"message": 5}, "message"), ({"source": ""}, "source"),
        ({"source": "a\nb"}, "source"), ({"source": " a"}, "source"), ({"source": "x" * 129}, "source"),
        ({"source": "a\x9b"}, "source"), ({"job": "batch"}, "job"), ({"job": "a b"}, "job"), ({"job": 0}, "job"),
        ({"job": 2.5}, "job"), ({"job": "a", "agent": "x/y"}, "agent"), ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2026-11-21T10:00:00"}, "timestamp"), ({"host": "a"}, "host"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as fault:
        line(**fields)
    assert fault.value.field == field


@pytest.mark.parametrize(
    ("said", "at_ms"),
    [
        ("2023-11-14T22:13:19.250Z", NOW_MS - 750),
        ("2023-11-14T23:13:19+01:00", NOW_MS - 1000),
        ("2099-01-01T00:00:00Z", NOW_MS),
        ("0001-01-01T00:00:00Z", 0),
        (None, NOW_MS),
    ],
)
def test_a_line_keeps_its_own_time_but_never_one_that_is_yet_to_come(said: str | None, at_ms: int) -> None:
    assert line(timestamp=said).at_ms == at_ms


def test_a_job_is_named_by_id_or_number() -> None:
    assert line(job="a-1").job == JobLink("a-1", "default", "a-1")
    assert line(job="a-1", agent="studio").job == JobLink("a-1", "studio", "a-1")
    assert line(job="17").job == line(job=17).job == JobLink(17, "default", "")
    assert line().job is None


def test_a_source_may_hold_a_slash_and_a_foreign_name_is_made_one() -> None:
    assert line(source="app/web.1").source == "app/web.1"
    assert log_rules.source(" a\x00\nb\u202e" + "x" * 200) == "ab" + "x" * 125
    assert log_rules.source("\x07 ") == "default"
