"""Errors as RFC 9457 says them. (Being built.)"""

from __future__ import annotations

from typing import Any

from flask import Flask


class Problem(Exception):
    def __init__(self, status: int, title: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.extra = status, title, detail, extra


def install(app: Flask) -> None: ...
