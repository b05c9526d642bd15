"""`scripts/backup.py` beside a real site that is at work, and a fresh site that goes on from its file."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from core import migrations
from core.database import Database
from core.settings import read
from services.archive_schema import JOBS
from tests.conftest import wait_until
from tests.serving import ROOT, Server, bare_environment

CSV = b"id,status,created_at,finished_at\nold-1,completed,2026-11-01T10:00:00Z,2026-11-01T10:00:09Z\n"


def backup(site: Server, *arguments: object, limit_kb: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.backup", *map(str, arguments)]
    if limit_kb is not None:
        command = ["sh", "-c", f'ulimit -f {limit_kb * 2} && exec "$@"', "sh", *command]
    return subprocess.run(command, cwd=ROOT, env=site.environment(), capture_output=True, text=True, timeout=120)


def batch(site: Server, *lines: dict[str, Any]) -> None:
    body = "\n".join(json.dumps(line) for line in lines)
    answer = site.post("/api/v1/queue/batch", body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status == 200 and answer.json()["rejected"] == []


def report(site: Server) -> None:
    """What stays as it is while the feeder goes on."""
    batch(site, *({"agent": "steady", "id": f"s-{n}", "title": f"Grüße {n}"} for n in range(60)))
    batch(site, *({"agent": "steady", "id": f"s-{n}", "status": "completed"} for n in range(30)))
    batch(site, *({"agent": "steady", "id": f"s-{n}", "status": "failed", "error": "no room"} for n in range(30, 45)))
    assert site.put("/api/v1/tiles/users", json={"value": 1204}).status < 300
    assert site.post("/api/v1/notifications", json={"title": "The import is done"}).status < 300
    lines = [{"message": f"line {n}", "source": "shop"} for n in range(40)]
    assert site.post("/api/v1/logs", json=lines).status < 300
    upload = {"Content-Type": "text/csv"}
    assert site.post("/dashboard/uploads?name=old.csv", CSV, headers=upload).status < 300


def told(site: Server) -> dict[str, Any]:
    """What a site says of all that."""

    def total(**asked: str) -> int:
        found: int = site.get("/api/v1/queue?limit=1" + "".join(f"&{k}={v}" for k, v in asked.items())).json()["total"]
        return found

    jobs = {status: total(agent="steady", status=status) for status in ("queued", "processing", "completed", "failed")}
    tiles = {tile["id"]: tile["value"] for tile in site.get("/api/v1/tiles").json()["tiles"]}
    return {
        "jobs": jobs,
        "job": site.get("/api/v1/queue/s-7?agent=steady").json(),
        "old": site.get("/api/v1/queue/old-1").json(),
        "users": tiles["users"],
        "notifications": [one["title"] for one in site.get("/api/v1/notifications").json()["items"]],
        "logs": [line["message"] for line in site.get("/api/v1/logs?source=shop&limit=100").json()["items"]],
        "uploads": site.get("/dashboard/api/recent-uploads").json()["uploads"],
    }


def feed(site: Server, ended: threading.Event, fed: list[int]) -> None:
    """Ever more jobs of another agent, each in one call made and ended."""
    while not ended.is_set():
        some = [f"b-{n}" for n in range(fed[0], fed[0] + 50)]
        made = [{"agent": "busy", "id": one} for one in some]
        batch(site, *made, *({"agent": "busy", "id": one, "status": "completed"} for one in some))
        fed[0] += 50


def archived(site: Server) -> int:
    database = Database(read(site.environment()))
    with database.read() as connection:
        is_there = migrations.current(connection) is not None
        count: int = connection.execute(select(func.count()).select_from(JOBS)).scalar_one() if is_there else 0
    database.close()
    return count


def test_a_fresh_site_goes_on_from_what_was_backed_up_while_another_one_was_at_work(
    server: Callable[..., Server], tmp_path: Path
):
    site, fresh = server(), server(start=False)
    report(site)
    wait_until(lambda: archived(site) >= 46, what="finished jobs in the archive")
    ended, fed = threading.Event(), [0]
    feeder = threading.Thread(target=feed, args=(site, ended, fed))
    feeder.start()
    try:
        wait_until(lambda: fed[0] >= 200, what="a busy site")
        before = fed[0]
        made = backup(site, "create", "--to", tmp_path / "copy.zip")
        assert made.returncode == 0, made.stderr
        after = fed[0] + 50
    finally:
        ended.set()
        feeder.join()
    assert "Backed up to" in made.stdout and "while it was written" not in made.stdout
    assert stat.S_IMODE((tmp_path / "copy.zip").stat().st_mode) == 0o600
    assert after > before + 50, "the feeder stood still"

    running = backup(site, "restore", tmp_path / "copy.zip", "--force")
    assert running.returncode == 1 and "a site runs on HEADWAY_DATA" in running.stderr

    restored = backup(fresh, "restore", tmp_path / "copy.zip")
    assert restored.returncode == 0, restored.stderr
    was = archived(fresh)
    assert was >= 46
    fresh.start()
    assert told(fresh) == told(site)
    busy = {status: fresh.get(f"/api/v1/queue?agent=busy&limit=1&status={status}").json()["total"] for status in
            ("queued", "processing", "completed")}  # fmt: skip
    assert before <= busy["completed"] <= after
    assert (busy["queued"], busy["processing"]) == (0, 0), "a job that was ended in the call that made it"
    # The archive was copied after the store, and may know of jobs that ended in between.
    finished = busy["completed"] + 46
    wait_until(lambda: archived(fresh) >= finished, what="what had ended and was not archived yet")
    batch(fresh, {"agent": "steady", "id": "s-50", "status": "completed"}, {"agent": "new", "id": "n-1"})
    assert (
        fresh.get("/api/v1/queue/n-1?agent=new").json()["queue_id"]
        > fresh.get("/api/v1/queue/s-59?agent=steady").json()["queue_id"]
    )

    fresh.stop()
    again = backup(fresh, "create", "--to", tmp_path)
    assert again.returncode == 0 and len(list(tmp_path.glob("headway-*.zip"))) == 1
    refused = backup(fresh, "restore", tmp_path / "copy.zip")
    assert refused.returncode == 1 and "FORCE=yes" in refused.stderr
    forced = backup(fresh, "restore", tmp_path / "copy.zip", "--force")
    assert forced.returncode == 0 and archived(fresh) == was


def test_without_room_for_the_file_it_says_so_and_leaves_nothing(server: Callable[..., Server], tmp_path: Path):
    site = server()
    batch(site, *({"id": f"j{n}", "title": f"Job {n}"} for n in range(500)))
    target = tmp_path / "copy.zip"
    full = backup(site, "create", "--to", target, limit_kb=1)
    assert full.returncode == 1
    assert full.stderr.count("\n") == 1 and f"{target} can't be written: File too large" in full.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_can_be_checked_and_make_says_what_it_needs(tmp_path: Path):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    env = bare_environment()
    checked = subprocess.run(
        [sys.executable, "-m", "scripts.backup", "check", tmp_path / "photos.zip"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 1 and "no back-up of Headway" in checked.stderr
    for target, words in (("restore", "restore which file?"), ("backup", "holds no store")):
        ran = subprocess.run(
            ["make", target], cwd=ROOT, env=env | {"HEADWAY_DATA": str(tmp_path)}, capture_output=True, text=True
        )
        assert ran.returncode == 2 and words in ran.stderr
