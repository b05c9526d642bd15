"""Deployments as JSON: a pipeline notes them, readers look when what went out."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from core import access
from core.problems import Problem
from core.times import rfc3339
from routes import body, query, site
from routes.logs_api import frame_of
from services import deployments_service
from services.deployments_service import Deployment, NewDeployment

bp = Blueprint("deployments", __name__, url_prefix="/api/v1/deployments")

MOST_ITEMS = 500


@bp.post("")
@access.scope("ingest")
def create() -> Response:
    """201 and the deployment; 200 and the one that is there, `applied` false, where it came before: by its `id`, its
    `Idempotency-Key`, or the same version within a minute."""
    new, once = body.of(NewDeployment), frame_of("Idempotency-Key")
    one, applied = deployments_service.note(site(), new, once)
    return _answer({**_item(one), "applied": applied}, 201 if applied else 200)


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{items, next_before, total}`, newest first."""
    limit = query.whole("limit", 50, MOST_ITEMS)
    page = deployments_service.page(site(), limit, request.args.get("before") or None)
    items = [_item(one) for one in page.items]
    return _answer({"items": items, "next_before": page.next_before, "total": page.total})


@bp.delete("/<id>")
@access.scope("admin")
def remove(id: str) -> Response:
    """204 when it is gone from the charts."""
    if not deployments_service.remove(site(), id):
        raise Problem(404, "No such deployment", f"There is no deployment {id[:128]!r}. Old ones are forgotten.")
    return Response(status=204)


def _item(one: Deployment) -> dict[str, Any]:
    return {
        "id": one.id,
        "version": one.version,
        "title": one.title,
        "url": one.url,
        "timestamp": rfc3339(one.at),
        "created_at": rfc3339(one.noted_at),
        "clock_skew_seconds": one.skew_s,
    }


def _answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")
