from __future__ import annotations

from flask import Blueprint

bp = Blueprint("metrics_text", __name__)
