"""What was ended on purpose is no failure, and the indexes of failures leave it out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TIME = ["finished_ms", "key"]
INDEXES = (("jobs_failed", TIME), ("jobs_agent_failed", ["agent", *TIME]))
FAILED = "status = 'failed'"
COUNTED = "coalesce(state, '') != 'canceled' AND coalesce(state, '') != 'deleted'"


def upgrade() -> None:
    for name, columns in INDEXES:
        _replace(name, columns, f"{FAILED} AND {COUNTED}")


def downgrade() -> None:
    for name, columns in INDEXES:
        _replace(name, columns, FAILED)


def _replace(name: str, columns: list[str], kept: str) -> None:
    where = sa.text(kept)
    op.drop_index(name, "jobs")
    op.create_index(name, "jobs", columns, postgresql_where=where, sqlite_where=where)
