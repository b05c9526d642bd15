"""Metrics. (Being built.)"""

from __future__ import annotations

from flask import Flask

from core.site import Site


def install(app: Flask, site: Site) -> None: ...
