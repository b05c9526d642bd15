"""A file of archived jobs that breaks off in its middle, on a real site with a real PostgreSQL."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import closing

import pytest
import sqlalchemy as sa

from core.settings import read
from services.archive_schema import JOBS
from tests import archive
from tests.archived import row
from tests.conftest import wait_until
from tests.postgres import Postgres
from tests.serving import Server

OTHERS = (
    "FROM pg_stat_activity WHERE application_name = 'headway' AND state = 'idle in transaction' AND query LIKE 'FETCH%'"
)


def test_a_file_that_breaks_off_does_not_end_as_if_it_were_whole(
    server: Callable[..., Server], postgres: Postgres
) -> None:
    database = archive.database(read({}), postgres)
    told = row(0, metadata=f'"{"x" * 9000}"')
    with database.write() as connection:
        connection.execute(sa.insert(JOBS), {name: getattr(told, name) for name in told.__struct_fields__})
    database.close()
    names = ", ".join(told.__struct_fields__[1:])
    more = f"INSERT INTO jobs (number, {names}) SELECT n, {names} FROM jobs, generate_series(1, 2999) AS n"  # noqa: S608
    postgres.run(more)
    site = server({"DATABASE_URL": postgres.url})

    def begun(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        connection.request(
            "GET", "/api/v1/history/export?format=ndjson", headers={"Authorization": f"Bearer {site.token}"}
        )
        return connection.getresponse()

    def connected() -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=20))

    with connected() as connection, begun(connection) as broken:
        assert len(broken.read(100_000)) == 100_000
        wait_until(lambda: postgres.run(f"SELECT count(pg_terminate_backend(pid)) {OTHERS}") == 1, what="the query")
        with pytest.raises(http.client.IncompleteRead):
            broken.read()

    with connected() as connection, begun(connection) as given_up:
        given_up.read(100_000)
        wait_until(lambda: postgres.run(f"SELECT count(*) {OTHERS}") == 1, what="the query")
    wait_until(lambda: postgres.run(f"SELECT count(*) {OTHERS}") == 0, what="the end of a query that nobody reads")

    with connected() as connection, begun(connection) as whole:
        assert whole.read().count(b"\n") == 3000
