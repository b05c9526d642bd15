"""Panels. (Being built.)"""

from __future__ import annotations

from jinja2 import Environment

from core.site import Site


class Board:
    def __init__(self, site: Site, jinja: Environment) -> None: ...
