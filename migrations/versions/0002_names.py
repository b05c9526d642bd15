"""What jobs of queues have besides, and what failures have in common."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

from services import error_types, fingerprints
from services.archive_schema import name_of_lacking

revision = "0002"
down_revision = "0001"

COLUMNS = (
    ("worker", sa.Text),
    ("tags", sa.Text),
    ("error_type", sa.Text),
    ("fingerprint", sa.Text),
    ("state", sa.Text),
    ("engine", sa.Text),
    ("engine_id", sa.Text),
    ("wait_ms", sa.BigInteger),
)
TIME = ["finished_ms", "key"]
INDEXES = (
    ("jobs_worker", ["worker", *TIME], "worker"),
    ("jobs_error_type", ["error_type", *TIME], "error_type"),
    ("jobs_fingerprint", ["fingerprint", *TIME], "fingerprint"),
    ("jobs_state", ["state", *TIME], "state"),
    ("jobs_tags", [*TIME, "tags"], "tags"),  # the tags are read on the way
)
AT_ONCE = 1000


def upgrade() -> None:
    for name, type_ in COLUMNS:
        op.add_column("jobs", sa.Column(name, type_))
    _name_failures()
    _ask_for_the_rest()
    for name, columns, known in INDEXES:
        where = sa.text(f"{known} IS NOT NULL")
        op.create_index(name, "jobs", columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    for name, *_ in INDEXES:
        op.drop_index(name, "jobs")
    for name, _ in COLUMNS:
        op.drop_column("jobs", name)


def _name_failures() -> None:
    """Tells of the failures that are there already what is told of later ones."""
    some = sa.text(
        "SELECT key, error FROM jobs WHERE status = 'failed' AND error IS NOT NULL AND key > :last ORDER BY key LIMIT :most"
    )
    named = sa.text("UPDATE jobs SET error_type = :type, fingerprint = :fingerprint WHERE key = :key")
    last = 0
    while rows := op.get_bind().execute(some, {"last": last, "most": AT_ONCE}).all():
        types = [error_types.of(error) for _, error in rows]
        op.get_bind().execute(
            named,
            [
                {"key": key, "type": type_, "fingerprint": fingerprints.of(type_, error)}
                for (key, error), type_ in zip(rows, types, strict=True)
            ],
        )
        last = rows[-1][0]


def _ask_for_the_rest() -> None:
    """What is there already may have lost these columns in a downgrade, and the store may know them still."""
    last = op.get_bind().execute(sa.text("SELECT max(key) FROM jobs")).scalar()
    if last:
        name = name_of_lacking(last, str(uuid.uuid4()))
        op.get_bind().execute(sa.text("UPDATE archive SET site = :name"), {"name": name})
