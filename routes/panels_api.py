from __future__ import annotations

from flask import Blueprint

bp = Blueprint("panels_api", __name__)
