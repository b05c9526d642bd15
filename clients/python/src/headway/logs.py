"""A handler that makes a program's own log the message of the job that it works on."""

from __future__ import annotations

import logging

from headway import notices
from headway.job import current_job


class LoggingHandler(logging.Handler):
    """Each record from `level` on becomes the current job's message; where there is no job it goes nowhere."""

    def __init__(self, level: int | str = logging.INFO) -> None:
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        job = current_job()
        if job is None or record.name.partition(".")[0] == notices.NAME:
            return
        try:
            job.message(self.format(record))
        except Exception:  # noqa: BLE001 (logging's own way: a record that can't be formatted is the handler's to tell)
            self.handleError(record)
