"""The archive of finished jobs, with indexes for its filters and a full-text search over title, message and error."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXTS = "title", "message", "error"
TIME = ["finished_ms", "key"]
# A list is read along one of these, newest first. Failures are few and sought the most, so they have their own.
INDEXES = (
    ("jobs_time", TIME, None),
    ("jobs_failed", TIME, "status = 'failed'"),
    ("jobs_agent", ["agent", *TIME], None),
    ("jobs_agent_failed", ["agent", *TIME], "status = 'failed'"),
    ("jobs_queue", ["queue", *TIME], "queue IS NOT NULL"),
    ("jobs_function", ["function", *TIME], "function IS NOT NULL"),
    ("jobs_failed_stage", ["failed_stage", *TIME], "failed_stage IS NOT NULL"),
    ("jobs_duration", ["duration_ms"], None),
    ("jobs_id", ["id"], None),
)
# What parts words, quoted for SQL; a database of the locale C takes all beyond ASCII for letters.
PUNCTUATION = "!\"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~\u00a0“”„‘’«»‹›–—…·•→"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "jobs",
        sa.Column("key", number, primary_key=True, autoincrement=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("queue", sa.Text),
        sa.Column("function", sa.Text),
        sa.Column("stage", sa.Text),
        sa.Column("failed_stage", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("finished_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("bucket", sa.SmallInteger, nullable=False),
        sa.Column("video_id", sa.Text),
        sa.Column("episode_id", sa.Text),
        sa.Column("published", sa.Boolean, nullable=False),
        sa.Column("skew_s", sa.Integer),
        sa.Column("stages", sa.Text, nullable=False),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text),
        sa.Column("result", sa.Text),
        sa.UniqueConstraint("number", "agent", "id", name="jobs_one"),
    )
    for name, columns, kept in INDEXES:
        where = sa.text(kept) if kept else None
        op.create_index(name, "jobs", columns, postgresql_where=where, sqlite_where=where)
    archive = op.create_table(
        "archive",
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("jobs", sa.BigInteger, nullable=False),
        sa.Column("archived_ms", sa.BigInteger),
    )
    op.bulk_insert(archive, [{"site": str(uuid.uuid4()), "jobs": 0, "archived_ms": None}])
    _search_in_postgresql() if op.get_bind().dialect.name == "postgresql" else _search_in_sqlite()


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("jobs_text")
    op.drop_table("jobs")
    op.drop_table("archive")


def _search_in_postgresql() -> None:
    # Without a language's rules: what is sought in errors is names, of many languages or none. What a parser would take for
    # one word (paths, hosts, identifiers) is taken apart, as SQLite does it. A tsvector holds 1 MiB.
    texts = " || ' ' || ".join(f"coalesce(left({name}, 100000), '')" for name in TEXTS)
    words = f"translate({texts}, '{PUNCTUATION}', '{' ' * (len(PUNCTUATION) - 1)}')"
    lower = f'lower({words} COLLATE "und-x-icu")' if _has_icu() else f"lower({words})"
    op.get_bind().exec_driver_sql(
        f"ALTER TABLE jobs ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple', {lower})) STORED".replace(
            "%", "%%"
        )
    )
    op.execute("CREATE INDEX jobs_search ON jobs USING gin (search)")


def _has_icu() -> bool:
    """A database of the locale C knows capital letters of ASCII only."""
    found = op.get_bind().execute(sa.text("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'"))
    return found.first() is not None


def _search_in_sqlite() -> None:
    names = ", ".join(TEXTS)
    old, new = (", ".join(f"{row}.{name}" for name in TEXTS) for row in ("old", "new"))
    op.execute(
        f"CREATE VIRTUAL TABLE jobs_text USING fts5({names}, content='jobs', content_rowid='key', "
        "tokenize='unicode61 remove_diacritics 0')"
    )
    # Names of our own.
    add = f"INSERT INTO jobs_text(rowid, {names}) VALUES (new.key, {new});"  # noqa: S608
    remove = f"INSERT INTO jobs_text(jobs_text, rowid, {names}) VALUES ('delete', old.key, {old});"  # noqa: S608
    op.execute(f"CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN {add} END")
    op.execute(f"CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN {remove} END")
    op.execute(f"CREATE TRIGGER jobs_changed AFTER UPDATE OF {names} ON jobs BEGIN {remove} {add} END")
