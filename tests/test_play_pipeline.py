"""The pipeline that is played for an agent's page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import TOKEN, free_port
from tests.serving import ROOT, Server, bare_environment

SCRIPT = ROOT / "scripts" / "play_pipeline.py"


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    one = Server(free_port(), TOKEN)
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


def play(site: Server, token: str, *asked: str) -> subprocess.CompletedProcess[str]:
    env = bare_environment() | {"HEADWAY_URL": site.url, "HEADWAY_TOKEN": token}
    command = [sys.executable, str(SCRIPT), *asked]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def test_an_agent_has_videos_episodes_a_backfill_and_jobs_that_ended(site: Server) -> None:
    ran = play(site, TOKEN, "--videos", "8", "--speed", "200", "--seed", "3", "--agent", "pod cast")
    assert (ran.returncode, ran.stderr) == (0, "")
    stats = site.get("/agents/pod%20cast/stats").json()
    assert stats["totalVideos"] == 8 and stats["activeJobs"] == 0
    assert stats["totalEpisodes"] == stats["publishedEpisodes"] + stats["unpublishedEpisodes"] > 0
    page = site.get("/dashboard/agents/pod%20cast").text
    assert "Episodes" in page and "Backfill" in page


def test_a_token_that_may_not_write_is_told_so(site: Server) -> None:
    ran = play(site, "wrong")
    assert ran.returncode == 2 and "answers 401" in ran.stderr
