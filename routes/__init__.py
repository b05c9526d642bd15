"""HTTP in and out: parse, call one service, answer."""

from __future__ import annotations

from typing import cast

from flask import current_app

from core.site import Site


def site() -> Site:
    """The site that the present request belongs to."""
    return cast(Site, current_app.extensions["headway"])
