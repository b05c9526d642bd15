"""A connection to PostgreSQL that gives up a server which is not heard any more, whatever the network says of it."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import PQGen

QUIET_S = 3.0
"""How long one answer may take outside of a transaction, such as to the question whether the connection is still good."""


class Connection(psycopg.Connection[Any]):
    until: float | None = None
    """When the transaction has to be over, by the monotonic clock."""
    made = False
    """Whether it was given up."""

    def wait(self, gen: PQGen[Any], *_: Any, **__: Any) -> Any:
        left_s = QUIET_S if self.until is None else self.until - time.monotonic()
        try:
            return super().wait(gen, timeout=max(0.0, left_s))
        except errors._WaitTimeout:  # psycopg has no public name for it
            self.made = True
            self.pgconn.finish()
            raise psycopg.OperationalError("no answer in time") from None


def connect(url: str, timeout_s: int) -> Connection:
    """Raises psycopg.Error."""
    return Connection.connect(
        url,
        connect_timeout=timeout_s,
        application_name="headway",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        prepare_threshold=None,  # a pooler between us and the server may know no prepared statements
    )
