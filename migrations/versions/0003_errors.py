"""Failures are counted by what they have in common, and by where they happened, along one index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

COLUMNS = ["finished_ms", "fingerprint", "agent", "queue", "function", "error_type"]


def upgrade() -> None:
    where = sa.text("fingerprint IS NOT NULL")
    op.create_index("jobs_errors", "jobs", COLUMNS, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_index("jobs_errors", "jobs")
