"""OpenTelemetry's way in: OTLP over HTTP as JSON, for logs. `OTEL_EXPORTER_OTLP_ENDPOINT=$HEADWAY/api/v1/otlp`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from core import access, native
from core.problems import Problem
from routes import body, site
from routes.logs_api import MOST_LINES, answer, stored
from services import otlp_logs
from services.log_intake import Intake

bp = Blueprint("otlp", __name__, url_prefix="/api/v1/otlp/v1")

MOST_BYTES = 8 * 1024 * 1024
"""As sent, and unpacked."""


@bp.post("/logs")
@access.scope("ingest")
def logs() -> Response:
    """An ExportLogsServiceResponse. While the store is full it is 503, not 507, which exporters would not try again."""
    if request.mimetype != "application/json":
        raise Problem(
            415,
            "Wrong content type",
            "Logs of OpenTelemetry are taken as JSON here: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json, or in a collector "
            "the exporter otlphttp with encoding: json.",
        )
    data = b"".join(_unpacked(body.chunks(MOST_BYTES)))
    try:
        records = native.run(otlp_logs.records, data)
    except ValueError as fault:
        raise Problem(400, "Malformed request", f"This is no ExportLogsServiceRequest as JSON: {fault}.") from fault
    if len(records) > MOST_LINES:
        raise Problem(413, "Too many records", f"At most {MOST_LINES:,} are taken at once. None was stored.")
    intake = Intake(site())
    for number, maker in enumerate(records, 1):
        intake.add(number, maker)
    report = stored(intake, when_full=503)
    told: dict[str, Any] = {}
    if report.rejected:
        first = report.rejected[0]
        words = f"record {first.line}: {first.detail}"
        told["partialSuccess"] = {"rejectedLogRecords": str(len(report.rejected)), "errorMessage": words}
    return answer(told)


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The body without its Content-Encoding. Raises Problem: 400 damaged, 413 too much, 415 another encoding."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        yield from chunks
        return
    if encoding != "gzip":
        raise Problem(415, "Unknown encoding", "Send the body as it is, or with Content-Encoding: gzip.")
    member, left = zlib.decompressobj(wbits=31), MOST_BYTES + 1
    try:
        for chunk in chunks:
            out = member.decompress(chunk, left)
            left -= len(out)
            if left <= 0:
                raise Problem(
                    413, "Body too large", f"It unpacks to more than {MOST_BYTES:,} bytes: send less at once."
                )
            yield out
    except zlib.error as fault:
        raise Problem(400, "Damaged gzip", "The body can't be unpacked: send it again.") from fault
    if not member.eof or member.unused_data:
        raise Problem(400, "Damaged gzip", "The body does not end where its gzip data does: send it again.")
