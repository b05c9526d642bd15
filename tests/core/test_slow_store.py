"""A store that answers late or never: whoever reads figures waits for it once, and many wait together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Counter

from core import metrics
from core.fleet import Fleet
from core.site import Site
from core.store import Store, StoreError
from services import job_metrics_service, system_service
from tests.conftest import Valkey
from tests.proxy import Proxy


@pytest.fixture
def network(valkey: Valkey) -> Iterator[Proxy]:
    network = Proxy(valkey.socket)
    yield network
    network.close()


@pytest.fixture
def far(site: Site, network: Proxy) -> Iterator[Site]:
    """A site that reaches its store through a network only, and has reached it once."""
    store = Store(network.url)
    far = replace(site, store=store, fleet=Fleet(store, CollectorRegistry()))
    far.fleet.sources.append(lambda: job_metrics_service.families(far))
    system_service.health(far)
    yield far
    store.close()


def seconds(call: Callable[[], object]) -> float:
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def one_wait_s(site: Site) -> float:
    def ask() -> None:
        with pytest.raises(StoreError):
            site.store.latency_ms()

    return seconds(ask)


READERS: dict[str, Callable[[Site], object]] = {
    "scrape": metrics.to_prometheus_format,
    "health": system_service.health,
    "figures": metrics.to_dict,
    "panel of metrics": lambda site: (metrics.to_prometheus_format(site), metrics.to_dict(site)),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_whoever_reads_waits_once_for_a_store_that_does_not_answer(
    far: Site, network: Proxy, read: Callable[[Site], object]
) -> None:
    network.silent = True
    assert seconds(lambda: read(far)) < 1.7 * one_wait_s(far)


def test_a_scrape_without_an_answer_shows_what_was_seen_last(far: Site, network: Proxy) -> None:
    assert "# TYPE headway_jobs_finished" in metrics.to_prometheus_format(far)
    network.silent = True
    assert "# TYPE headway_jobs_finished" in metrics.to_prometheus_format(far, openmetrics=True)


def test_many_who_read_at_once_share_one_flush(far: Site, network: Proxy) -> None:
    counter = Counter("seen", "Seen.", registry=far.fleet.registry)
    network.delay_s = 0.3
    far.fleet.figures()  # the delay holds for this connection too
    calls = Calls(far.store)
    seen: list[float] = []

    def read() -> None:
        counter.inc()
        seen.append(far.fleet.figures().totals["seen_total"])

    threads = [threading.Thread(target=read) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls.since() <= 4, "the flush under way, and one for all who came meanwhile"
    assert max(seen) == 10
    network.mend()
    assert far.fleet.figures().totals["seen_total"] == 10


class Calls:
    """How many scripts the store ran since this was made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before = self._now()

    def since(self) -> int:
        return self._now() - self._before

    def _now(self) -> int:
        return int(self._store.redis.info("commandstats")["cmdstat_evalsha"]["calls"])
