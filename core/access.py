"""Who may call. (Being built.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask

from core.site import Site

V = TypeVar("V", bound=Callable[..., Any])


def scope(name: str) -> Callable[[V], V]:
    def mark(view: V) -> V:
        view.headway_scope = name  # type: ignore[attr-defined]
        return view

    return mark


def install(app: Flask, site: Site) -> None: ...
