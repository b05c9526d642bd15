"""Deployments from a program and from a shell: marked once, at the time at which they were told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

import headway
from headway import reporting
from tests.clients.python.answers import Answers
from tests.clients.python.conftest import Site, forget
from tests.clients.python.test_delivery import warnings
from tests.conftest import TOKEN, wait_until


@pytest.fixture
def reporting_here(headway_site: Site) -> Iterator[None]:
    """The package's own reporter sends to the site."""
    headway.configure(headway_site.url, TOKEN, timeout=20)
    yield
    assert headway.flush()


def told(site: Site, version: str) -> list[Any]:
    items = site.server.get("/api/v1/deployments?limit=500").json()["items"]
    return [one for one in items if one["version"] == version]


@pytest.mark.usefixtures("reporting_here")
def test_a_deployment_is_marked_once_however_many_processes_tell_of_it(headway_site: Site) -> None:
    began = time.time()
    for _ in range(3):
        headway.deployed("v1.4.2", title="Faster\nimports", url="https://example.org/v1.4.2")
    assert headway.flush()
    (one,) = told(headway_site, "v1.4.2")
    assert (one["title"], one["url"]) == ("Faster imports", "https://example.org/v1.4.2")
    assert began - 0.01 <= datetime.fromisoformat(one["timestamp"]).timestamp() <= time.time()


@pytest.mark.usefixtures("reporting_here")
def test_odd_versions_are_brought_in_order_and_what_is_refused_costs_nothing_else(
    headway_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    headway.deployed(" two\nlines\0 ")
    headway.deployed("")
    headway.deployed("refused", url="ftp://example.org")
    headway.deployed("l" * 300)
    assert headway.flush()
    assert told(headway_site, "two lines") and told(headway_site, "l" * 199 + "…")
    assert not told(headway_site, "refused")
    assert len(warnings(caplog)) == 2
    assert "a deployment needs a version" in warnings(caplog)[0]
    assert "refused a deployment: url" in warnings(caplog)[1]


def test_what_waits_for_the_site_keeps_its_time_and_its_id() -> None:
    tries: list[Any] = []

    def answer(lines: list[Any]) -> Any:
        tries.extend(lines)
        return (503, {"Retry-After": "0"}, b"") if len(tries) == 1 else None

    with Answers(answer) as site:
        headway.configure(site.url, TOKEN, timeout=20)
        headway.deployed("v7")
        wait_until(lambda: tries, what="the first try")
        assert headway.flush()
        forget(reporting.reporter)
    assert len(tries) == 2 and tries[0] == tries[1]
    assert tries[0].keys() == {"version", "timestamp", "id"}


def test_the_command_marks_a_deployment_or_says_why_not(headway_site: Site) -> None:
    ran = headway_site.cli("deployed", "from a shell", "--title", "Fewer retries", "--link=https://example.org/2")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    (one,) = told(headway_site, "from a shell")
    assert (one["title"], one["url"]) == ("Fewer retries", "https://example.org/2")
    for arguments, code, says in (
        (("deployed",), 2, "version"),
        (("deployed", ""), 1, "needs a version"),
        (("deployed", "v1", "--link=javascript:x"), 1, "refused a deployment: url"),
    ):
        ran = headway_site.cli(*arguments)
        assert (ran.returncode, ran.stdout) == (code, "")
        assert says in ran.stderr and "Traceback" not in ran.stderr
