"""The package's own few words, by the logger `headway`."""

from __future__ import annotations

import logging

NAME = "headway"
_log = logging.getLogger(NAME)


def warn(words: str) -> None:
    _log.warning("Headway: %s", words)


def inform(words: str) -> None:
    _log.info("Headway: %s", words)
