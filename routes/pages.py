"""What every page has around its content: its scripts, its navigation, and who looks at it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from flask import Response, request

from core import metrics
from routes import site

CDN = "https://cdn.jsdelivr.net/npm"

PAGES = (
    ("observability", "Observability", "/dashboard/observability"),
    ("charts", "Charts", "/dashboard/charts"),
    ("jobs", "Jobs", "/dashboard/jobs"),
    ("queues", "Queues", "/dashboard/queues"),
    ("errors", "Errors", "/dashboard/errors"),
    ("history", "History", "/dashboard/history"),
    ("agents", "Agents", "/dashboard/agents"),
    ("admin", "Admin", "/dashboard/admin"),
    ("alerts", "Alerts", "/dashboard/alerts"),
    ("logs", "Logs", "/dashboard/logs"),
    ("uploads", "Uploads", "/dashboard/uploads"),
)
"""Key, name and path of each page of the navigation."""


@dataclass(frozen=True)
class Library:
    """A script of others: from the CDN where that answers, else the copy of the same bytes under `static/vendor`."""

    name: str
    package: str
    version: str
    file: str
    integrity: str

    @property
    def cdn(self) -> str:
        return f"{CDN}/{self.package}@{self.version}/dist/{self.file}"

    @property
    def local(self) -> str:
        return f"/static/vendor/{self.package}/{self.file}"


LIBRARIES = {
    library.name: library
    for library in (
        Library("htmx", "htmx.org", "4.0.1", "htmx.min.js",
                "sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn"),
        Library("chart", "chart.js", "4.6.1", "chart.umd.min.js",
                "sha384-Emf5ZVIUiarAdhkgtqK+5/Z5qIvM6QoVrS+qAVtfyZVuD5lIHrac0me485+Antp0"),
    )
}  # fmt: skip

HTMX_CONFIG = json.dumps(
    {
        "allowEval": False,
        "includeIndicatorCSS": False,
        "history": False,
        "defaultTimeout": 10_000,
        # What a reader opened stays open when its panel is refreshed.
        "morphIgnore": ["data-htmx-powered", "open"],
    }
)


def around() -> dict[str, Any]:
    """The names that `base.html` and its components use, besides those of `panels`."""
    return {
        "PAGES": PAGES,
        "LIBRARIES": LIBRARIES,
        "HTMX_CONFIG": HTMX_CONFIG,
        "now": site().clock,
        "store_reason": None,
        "store_refuses": site().fleet.refused,
    }


def tag_of(content: str) -> str:
    """The weak ETag of a part of a page."""
    return f'W/"{blake2b(content.encode(), digest_size=12).hexdigest()}"'


def part(name: str, content: str, *, resting: bool = False) -> Response:
    """A live part of a page as the answer to its poll: whole, or 304. `resting` tells the page to ask no more."""
    metrics.DASHBOARD_REFRESH.labels(panel=name).inc()
    if "HTTP_HX_REQUEST" in request.environ:
        metrics.HTMX_EVENTS.labels(panel=name).inc()
    etag = tag_of(content)
    if request.if_none_match.contains_weak(etag[3:-1]):
        response = Response(status=304)
        del response.headers["Content-Type"]
    else:
        response = Response(content, content_type="text/html; charset=utf-8")
    response.headers["ETag"] = etag
    if resting:
        response.headers["Headway-Resting"] = "yes"
    return response
