"""Handlers that take a program's own log: its lines to the site's logs, or the last one to the job that it works on."""

from __future__ import annotations

import logging

from headway import notices
from headway.job import current_job
from headway.reporter import Reporter
from headway.reporting import reporter

LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class LogHandler(logging.Handler):
    """Sends each record from `level` on to the site's logs, linked to the current job where there is one.

    `source` says which program it is: HEADWAY_SOURCE, or the program's name, unless said. Tracebacks come with their
    records; a formatter says what else stands in a line. The package's own words stay in the program.
    """

    def __init__(
        self, level: int | str = logging.NOTSET, source: str | None = None, *, reporter: Reporter = reporter
    ) -> None:
        super().__init__(level)
        self._source = source
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        if _is_ours(record):
            _tell(record)
        elif not self._reporter.is_own_thread():
            self._send(record)

    def _send(self, record: logging.LogRecord) -> None:
        job = current_job()
        try:
            words = self.format(record)
        except Exception:  # noqa: BLE001 (logging's own way: a record that can't be formatted is the handler's to tell)
            self.handleError(record)
            return
        key = job.key if job is not None else None
        self._reporter.log(words, level_of(record.levelno), self._source, record.created, key)


class LoggingHandler(logging.Handler):
    """Each record from `level` on becomes the current job's message; where there is no job it goes nowhere."""

    def __init__(self, level: int | str = logging.INFO) -> None:
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        job = current_job()
        if job is None or _is_ours(record):
            return
        try:
            job.message(self.format(record))
        except Exception:  # noqa: BLE001 (logging's own way: a record that can't be formatted is the handler's to tell)
            self.handleError(record)


def level_of(number: int) -> str:
    """A level's name on the site, where there are five."""
    return next((name for least, name in LEVELS if number >= least), "debug")


def _tell(record: logging.LogRecord) -> None:
    """Our own words, as where nothing is configured, unless somebody but the site hears them."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        if any(not isinstance(handler, (LogHandler, LoggingHandler)) for handler in logger.handlers):
            return
        logger = logger.parent if logger.propagate else None
    if logging.lastResort and record.levelno >= logging.lastResort.level:
        logging.lastResort.handle(record)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == notices.NAME
