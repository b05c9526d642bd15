"""One real site for all tests of the Python client, and ways to report to it: in process, by a script, by the command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from headway.job import Job
from headway.reporter import Reporter
from headway.settings import read
from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import ROOT, Server, bare_environment

SOURCE = ROOT / "clients" / "python" / "src"


@dataclass
class Site:
    """What a test asks a server about the jobs that were reported to it."""

    server: Server
    reporters: list[Reporter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    def job(self, agent: str, id_: str) -> Any:
        """The job; None where there is none."""
        answer = self.server.get(f"/api/v1/queue/{quote(id_)}?agent={quote(agent)}")
        return answer.json() if answer.status == 200 else None

    def only(self, agent: str) -> Any:
        """The one job of an agent, once it is there."""
        items = wait_until(lambda: self.of(agent), what=f"a job of {agent}")
        assert len(items) == 1, items
        return items[0]

    def of(self, agent: str) -> list[Any]:
        items: list[Any] = self.server.get(f"/api/v1/queue?agent={quote(agent)}&limit=500").json()["items"]
        return items

    def batches(self) -> int:
        """How many batches it answered."""
        lines = self.server.get("/metrics?scope=instance").text.splitlines()
        found = [line for line in lines if line.startswith("headway_http_requests_total") and "queue/batch" in line]
        return sum(int(float(line.split()[-1])) for line in found)

    def reporter(self, url: str | None = None, **settings: Any) -> Reporter:
        self.reporters.append(Reporter(read(url or self.url, TOKEN, **settings)))
        return self.reporters[-1]

    def close(self) -> None:
        for reporter in self.reporters:
            reporter.end()
            forget(reporter)

    def begin(self, agent: str, reporter: Reporter | None = None, **options: Any) -> Job:
        return Job("work", reporter=reporter or self.reporter(), agent=agent, **options)

    def environment(self) -> dict[str, str]:
        ours = {"HEADWAY_URL": self.url, "HEADWAY_INGEST_TOKEN": TOKEN, "PYTHONPATH": str(SOURCE)}
        return bare_environment() | ours | {"PYTHONWARNINGS": "error"}

    def script(self, code: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program that reports here."""
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=self.environment() | (env or {}), capture_output=True, text=True, timeout=60)

    def cli(self, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`headway` with these arguments."""
        command = [sys.executable, "-m", "headway", *args]
        return subprocess.run(command, env=env or self.environment(), capture_output=True, text=True, timeout=60)

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "headway", "run", *args]

    def run(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """`headway run` with these arguments."""
        options = {"capture_output": True, "text": True, "timeout": 60, "env": self.environment()} | options
        return subprocess.run(self.command(*args), **options)


def forget(reporter: Reporter) -> None:
    """Let go of what a reporter could not send, so that the end of the tests does not wait for it."""
    for lane in reporter.lanes:
        lane.begin()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    server = Server(free_port(), TOKEN)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def headway_site(shared_server: Server) -> Iterator[Site]:
    site = Site(shared_server)
    yield site
    site.close()


@pytest.fixture
def agent(request: pytest.FixtureRequest) -> str:
    """An agent of the test's own, so that tests can share a site."""
    return request.node.name[:100]


@pytest.fixture
def own_site(server: Callable[..., Server]) -> Iterator[Callable[..., Site]]:
    """A site of the test's own, to end and start again."""
    sites: list[Site] = []

    def begin(**options: Any) -> Site:
        sites.append(Site(server(**options)))
        return sites[-1]

    yield begin
    for one in sites:
        one.close()
