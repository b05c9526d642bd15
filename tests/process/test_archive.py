"""A real site and its archive: made by itself, away and back, and no hindrance to what lives."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from typing import Any

from tests.conftest import wait_until
from tests.postgres import PASSWORD, Postgres
from tests.proxy import Proxy
from tests.serving import Server


def end(site: Server, *names: str) -> None:
    lines = [json.dumps({"id": name, "status": "completed", "title": f"The job {name}"}) for name in names]
    answer = site.post(
        "/api/v1/queue/batch", "\n".join(lines).encode(), headers={"Content-Type": "application/x-ndjson"}
    )
    assert answer.json()["accepted"] == len(names)


def stands(site: Server) -> dict[str, Any]:
    found: dict[str, Any] = site.get("/dashboard/api/health").json()["archive"]
    return found


def test_a_site_without_settings_archives_into_a_file_beside_its_store(server: Callable[..., Server]) -> None:
    site = server(workers=2)
    assert stands(site)["archived"] is None
    assert not (site.data / "archive.sqlite3").exists()
    end(site, "a", "b")
    wait_until(lambda: stands(site)["archived"] == 2, what="both jobs in the archive")
    with sqlite3.connect(site.data / "archive.sqlite3") as file:
        assert [title for (title,) in file.execute("SELECT title FROM jobs")] == ["The job a", "The job b"]
    assert site.stop() == 0
    shutil.rmtree(site.data / "appendonlydir")
    site.start()
    end(site, "c")  # at once, in a store that is empty now
    assert site.get("/api/v1/queue/c").json()["queue_id"] > 2
    wait_until(lambda: stands(site)["archived"] == 3, what="the third job in the archive")
    assert site.stop() == 0


def test_a_database_that_is_away_hinders_nothing_and_gets_all_once_it_is_back(
    server: Callable[..., Server], postgres: Postgres
) -> None:
    postgres.run("DROP DATABASE IF EXISTS away WITH (FORCE)", "CREATE DATABASE away")
    proxy = Proxy(("127.0.0.1", postgres.port))
    proxy.cut()
    site = server({"DATABASE_URL": f"postgresql://headway:{PASSWORD}@127.0.0.1:{proxy.port}/away"})
    end(site, "a")
    said = wait_until(lambda: stands(site)["unavailable"], what="that the archive is away")
    assert said == "PostgreSQL can't be reached: connection refused"
    page = site.get("/dashboard/api/health-html")
    assert "Archive unavailable" in page.text
    assert "1 behind" in page.text
    assert site.get("/readyz").status == 200
    assert site.get("/api/v1/queue/a?agent=default").json()["status"] == "completed"
    proxy.mend()
    wait_until(lambda: stands(site)["archived"] == 1, what="the job in the archive")
    proxy.silent = True
    end(site, "b")
    assert site.get("/dashboard/observability").status == 200
    wait_until(lambda: stands(site)["unavailable"], what="that the archive fell silent")
    proxy.drop()
    proxy.silent = False
    wait_until(lambda: stands(site)["archived"] == 2, what="the other job in the archive")
    assert PASSWORD not in site.log()
    assert "Traceback" not in site.log()
    assert site.stop() == 0
    proxy.close()


def test_a_folder_that_takes_no_archive_is_told_and_nothing_else_suffers(server: Callable[..., Server]) -> None:
    site = server(start=False)
    (site.data / "archive.sqlite3").mkdir(parents=True)
    site.start()
    end(site, "a")
    said = wait_until(lambda: stands(site)["unavailable"], what="that there can be no archive")
    assert said == "SQLite says: unable to open database file"
    assert site.get("/readyz").status == 200
    assert site.get("/dashboard/jobs").status == 200
