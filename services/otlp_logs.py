"""Log records of OpenTelemetry (OTLP as JSON) as log lines. Fields that we don't know are passed over, as the protocol wants it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from services import log_rules
from services.job_rules import DEFAULT_AGENT
from services.log_intake import Maker
from services.log_model import NewLine
from services.log_redaction import Redactor
from services.log_rules import CRITICAL, DEBUG, ERROR, INFO, WARNING

LEVELS = (INFO, *([DEBUG] * 8), *([INFO] * 4), *([WARNING] * 4), *([ERROR] * 4), *([CRITICAL] * 4))
"""By severity number; 0 is none."""
Int64 = int | Annotated[str, Meta(pattern=r"\A-?\d{1,20}\Z", description="a whole number, as a number or as text")]
JOB, AGENT, TRACE, ERROR_TEXT = "headway.job", "headway.agent", "exception.stacktrace", "exception.message"
OF_RECORDS = (JOB, AGENT, TRACE, ERROR_TEXT)
"""Attributes that a resource may say for all of its records."""


class Array(Struct):
    values: list[Value] = field(default_factory=list)


class Pairs(Struct):
    values: list[Pair] = field(default_factory=list)


class Value(Struct, rename="camel"):
    """One of them is there."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Int64 | None = None
    double_value: float | str | None = None
    array_value: Array | None = None
    kvlist_value: Pairs | None = None
    bytes_value: str | None = None

    def plain(self) -> Any:
        """As JSON has it."""
        if self.array_value is not None:
            return [value.plain() for value in self.array_value.values]
        if self.kvlist_value is not None:
            return {pair.key: pair.value.plain() for pair in self.kvlist_value.values}
        if self.int_value is not None:
            return int(self.int_value)
        scalars = (self.string_value, self.bool_value, self.double_value, self.bytes_value)
        return next((scalar for scalar in scalars if scalar is not None), None)

    def text(self) -> str:
        value = self.plain()
        return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


class Pair(Struct):
    key: str = ""
    value: Value = field(default_factory=Value)


class Record(Struct, rename="camel"):
    time_unix_nano: Int64 | None = None
    observed_time_unix_nano: Int64 | None = None
    severity_number: int | str = 0
    severity_text: str = ""
    body: Value | None = None
    attributes: list[Pair] = field(default_factory=list)
    event_name: str = ""


class Scope(Struct, rename="camel"):
    log_records: list[Record] = field(default_factory=list)


class Resource(Struct):
    attributes: list[Pair] = field(default_factory=list)


class ResourceLogs(Struct, rename="camel"):
    resource: Resource | None = None
    scope_logs: list[Scope] = field(default_factory=list)


class Request(Struct, rename="camel"):
    """ExportLogsServiceRequest."""

    resource_logs: list[ResourceLogs] = field(default_factory=list)


_decode = msgspec.json.Decoder(Request).decode


def records(data: bytes) -> list[Maker]:
    """What makes each record a line. Raises ValueError where the body is no such request."""
    try:
        return list(_makers(_decode(data)))
    except RecursionError as fault:
        raise ValueError("nested too deep") from fault


def _makers(request: Request) -> Iterator[Maker]:
    for resource in request.resource_logs:
        told = {pair.key: pair.value for pair in resource.resource.attributes} if resource.resource else {}
        source = log_rules.source(told["service.name"].text() if "service.name" in told else "")
        told = {key: told[key] for key in OF_RECORDS if key in told}  # the others are many, and gone through a record
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield lambda now_ms, redactor, record=record, source=source, told=told: _line(  # type: ignore[misc]
                    record, source, told, now_ms, redactor
                )


def _line(record: Record, source: str, told: dict[str, Value], now_ms: int, redactor: Redactor) -> NewLine:
    attributes = {**told, **{pair.key: pair.value for pair in record.attributes}}
    given = attributes[JOB].plain() if JOB in attributes else None
    agent = attributes[AGENT].text() if AGENT in attributes else DEFAULT_AGENT
    link = None if given in (None, "") else log_rules.job(given, agent)
    at_nano = int(record.time_unix_nano or 0) or int(record.observed_time_unix_nano or 0)
    return log_rules.made(
        _message(record, attributes),
        _level(record),
        source,
        at_nano // 1_000_000 if at_nano > 0 else None,
        now_ms,
        redactor,
        link,
    )


def _message(record: Record, attributes: dict[str, Value]) -> str:
    """The body, and below it the exception that goes with it."""
    message = record.body.text() if record.body is not None else record.event_name
    trace = attributes.get(TRACE) or attributes.get(ERROR_TEXT)
    told = trace.text() if trace is not None else ""
    return f"{message}\n{told}" if told and told not in message else message


def _level(record: Record) -> int:
    try:
        number = int(record.severity_number)
    except ValueError:  # an enum's name, such as SEVERITY_NUMBER_INFO2
        number = 0
        record.severity_text = str(record.severity_number).removeprefix("SEVERITY_NUMBER_").rstrip("234")
    if 0 < number < len(LEVELS):
        return LEVELS[number]
    return log_rules.NAMES.get(record.severity_text.strip().lower(), INFO)
