"""The present figures of dialect M: what they say, and that they are read once and for somebody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from core import keys
from core.backlog import Frame
from core.fields import check
from core.queued import QueuedClient
from core.site import Site
from core.store import Store
from core.ticks import Ticks
from services import job_rules, jobs_service, live_metrics_service
from services.job_changes import JobRef
from services.job_rules import NewJob
from services.live_metrics_service import CHANNEL, Jobs, LiveMetrics, Rates
from tests.conftest import wait_until

NOW = 1_800_000_030.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_metrics_service, "EVERY_S", 0.1)


@pytest.fixture
def listen(site: Site) -> Iterator[Callable[[LiveMetrics], QueuedClient]]:
    """Brings in a client as a stream does: it joins, and then gets what comes first."""
    clients: list[QueuedClient] = []

    def join(live: LiveMetrics) -> QueuedClient:
        client = QueuedClient(site.hub, "sse", (CHANNEL,), 64)
        clients.append(client)
        site.hub.join(client)
        first = live.stream().first
        assert first is not None
        frames = first()
        client.deliver(b"".join(frame.data for frame in frames), frames)
        return client

    yield join
    for client in clients:
        client.close()
    wait_until(lambda: not ticking(), what="the end of the ticks")


def ticking() -> bool:
    return any(thread.name == "headway-ticks-metrics" for thread in threading.enumerate())


def report(site: Site, status: str) -> None:
    job = jobs_service.create(site, NewJob()).job
    assert job is not None
    jobs_service.update(site, JobRef(number=job.number), check(job_rules.Update, {"status": status}))


def test_a_tick_tells_the_jobs_that_are_kept_and_the_rates_of_late(site: Site, store: Store) -> None:
    for status in ("queued", "queued", "processing", "completed", "completed", "failed"):
        report(site, status)
    minute = keys.MINUTE.at(0, int(NOW // 60) - 3)
    store.redis.hset(minute, mapping={"completed": 9, "failed": 1, "duration_ms": 20_000, "d79": 10})
    tick = LiveMetrics(replace(site, clock=lambda: NOW)).tick()
    assert tick.jobs == Jobs(total=6, queued=2, processing=1, completed=2, failed=1)
    assert tick.rates == Rates(jobs_per_minute=2.0, success_rate=66.67)
    assert (tick.processing_time.p50, tick.processing_time.p95, tick.processing_time.mean) == (1.953, 1.953, 2.0)
    assert (tick.queue_depth, tick.timestamp) == (2, "2027-01-15T08:00:30.000Z")


def test_what_no_job_told_yet_is_none(site: Site) -> None:
    tick = LiveMetrics(site).tick()
    assert (tick.rates.success_rate, tick.processing_time.p50, tick.processing_time.mean) == (None, None, None)


def test_who_comes_gets_the_figures_at_once_and_all_get_the_next_ones(
    site: Site, listen: Callable[[LiveMetrics], QueuedClient]
) -> None:
    live = LiveMetrics(site)
    one, other = listen(live), listen(live)
    assert one.waiting == 1 and other.waiting == 1
    wait_until(lambda: one.waiting >= 3 and other.waiting >= 3, what="two ticks")


def test_many_who_come_at_once_share_one_reading(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_metrics_service, "EVERY_S", 3600)
    live = LiveMetrics(site)
    monkeypatch.setattr(Ticks, "_run", lambda _: None)
    first = live.stream().first
    assert first is not None
    got: list[Frame] = []
    threads = [threading.Thread(target=lambda: got.extend(first())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20 and len(set(got)) == 1


def test_while_nobody_listens_nothing_is_read_and_who_comes_then_gets_fresh_figures(
    site: Site, listen: Callable[[LiveMetrics], QueuedClient]
) -> None:
    live = LiveMetrics(site)
    listen(live).close()
    wait_until(lambda: not ticking(), what="the end of the ticks")
    report(site, "queued")
    client = listen(live)
    (data,) = client._backlog.frames
    assert json.loads(data.data.partition(b"data: ")[2])["jobs"]["queued"] == 1


def test_without_the_store_there_are_no_figures_and_no_invented_ones(
    site: Site, listen: Callable[[LiveMetrics], QueuedClient]
) -> None:
    away = Store("unix:///tmp/no-such-socket")
    live = LiveMetrics(replace(site, store=away))
    client = listen(live)
    assert client.waiting == 0
    wait_until(lambda: live._ticks._read_at > 0)
    live._site = site  # it is back
    wait_until(lambda: client.waiting, what="figures")
    away.close()
