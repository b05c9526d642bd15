from __future__ import annotations

from flask import Blueprint

bp = Blueprint("queue_api", __name__)
