"""What one statement answers in PostgreSQL, which itself sees to it that it only reads."""

from __future__ import annotations

import math
import time
from contextlib import closing
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from core.outgoing.cutting import cut_after
from services.tile_sources.reading import SourceError, too_long
from services.web import quoted


def first_row(url: str, query: str, timeout_s: float) -> Any:
    """None where there is none. Raises SourceError."""
    until = time.monotonic() + timeout_s
    try:
        host = conninfo_to_dict(url).get("host") or "this machine"
        connection = psycopg.connect(url, connect_timeout=math.ceil(timeout_s), application_name="headway")
    except psycopg.ProgrammingError as fault:
        raise SourceError(
            "the database's address can't be read: a password's special letters are written %40"
        ) from fault
    except psycopg.Error as fault:
        said = quoted(str(fault).partition("FATAL:")[2])
        raise SourceError(
            f"PostgreSQL at {host} says: {said}" if said else f"PostgreSQL at {host} can't be reached"
        ) from fault
    with closing(connection), cut_after(connection.fileno(), until - time.monotonic()) as cut:
        try:
            connection.read_only = True
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{timeout_s * 1000:.0f}ms"])
            # DECLARE takes a statement that reads, and one alone; its first row is all that is fetched.
            with connection.cursor(name="tile") as cursor:
                cursor.execute(query.encode())
                return cursor.fetchone()
        except psycopg.Error as fault:
            late = cut.made or isinstance(fault, errors.QueryCanceled)
            raise SourceError(too_long(timeout_s) if late else _words(fault)) from fault


def _words(fault: psycopg.Error) -> str:
    said = quoted(fault.diag.message_primary or "")
    if isinstance(fault, errors.SyntaxError):
        return f"PostgreSQL says: {said}; it takes one SELECT here"
    return f"PostgreSQL says: {said}" if said else "the connection to PostgreSQL broke off"
