"""While developing: what an open page asks to know when to reload itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app
from flask.blueprints import BlueprintSetupState

from core import access

bp = Blueprint("dev", __name__)

_BEGUN = time.time_ns()


@bp.record
def read_templates_anew(state: BlueprintSetupState) -> None:
    state.app.jinja_env.auto_reload = True


@bp.get("/dev/version")
@access.scope("read")
def version() -> Response:
    """A text that changes with the program (each process reads it once), a template or an asset."""
    answer = Response(f"{_BEGUN}-{_newest(current_app)}", mimetype="text/plain")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _newest(app: Flask) -> int:
    root = Path(app.root_path)
    folders = (root / "templates", root / "static")
    return max(
        (
            (Path(folder) / name).stat().st_mtime_ns
            for start in folders
            for folder, _, names in os.walk(start)
            for name in ["", *names]
        ),
        default=0,
    )
