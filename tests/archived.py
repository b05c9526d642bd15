"""Rows for the archive, written as the archiver writes them."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from core.site import Site
from services import archive_writer
from services.archive_records import BUCKET, Row

AT_MS = 1_790_000_000_000
"""When the first of them ended; each further one a second later."""


def row(number: int, **fields: Any) -> Row:
    """A job that took a second, or as `duration_ms` says, and ended `number` seconds after AT_MS."""
    ended = fields.get("finished_ms", AT_MS + number * 1000)
    took = fields.get("duration_ms", 1000)
    given = {
        "number": number,
        "agent": "studio",
        "id": f"job-{number}",
        "status": "failed" if fields.get("error") else "completed",
        "title": None,
        "queue": None,
        "function": None,
        "stage": None,
        "failed_stage": None,
        "message": None,
        "error": None,
        "progress": 100.0,
        "attempt": 1,
        "created_ms": ended - took - 500,
        "started_ms": ended - took,
        "finished_ms": ended,
        "updated_ms": ended,
        "duration_ms": took,
        "bucket": int(math.log(max(took, 1)) / BUCKET),
        "video_id": None,
        "episode_id": None,
        "published": False,
        "skew_s": None,
        "stages": "[]",
        "attempts": "[]",
        "metadata": None,
        "result": None,
        "worker": None,
        "tags": None,
        "error_type": None,
        "fingerprint": None,
        "state": None,
        "engine": None,
        "engine_id": None,
        "wait_ms": None,
    }
    return msgspec.convert({**given, **fields}, Row)


def write(site: Site, *rows: Row) -> None:
    archive_writer.write(site.database, rows, AT_MS)
