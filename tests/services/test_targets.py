"""Targets as the page gets them, and the asking that it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from core import keys
from core.config import Target
from core.fields import FieldError
from core.site import Site
from core.store import Store
from services import target_metrics_service, targets_service
from services.target_poller import Polled, TargetPoller
from services.target_pulse import Figures
from services.targets_service import TargetView, note_failure, note_scrape
from tests.conftest import wait_until
from tests.outside import Outside, answer
from tests.services.told_tiles import NOW, at, declaring

TEXT = """
[[targets]]
name = "shop"
url = "{url}/metrics"
link = "/shop"
every = 0.05
timeout = 0.3

[[targets]]
name = "other_app"
url = "https://other.example/metrics"
every = 3600

[outgoing]
allow = ["127.0.0.1"]
"""
FOUND = Figures(requests_per_s=2.5, error_rate=1.5, p50_s=0.1, p95_s=0.4, memory_bytes=1e8, cpu_percent=12)


@pytest.fixture
def declared(site: Site) -> Site:
    return declaring(site, TEXT.format(url="https://shop.example"), NOW)


def shop(site: Site) -> TargetView:
    view, other = targets_service.targets(site)
    assert (view.name, other.name, other.title) == ("shop", "other_app", "Other app")
    return view


def noted(site: Site, figures: Figures | None = FOUND) -> None:
    note_scrape(site, site.config.targets[0], figures, ("a_total",), ("there is no b",), 0.25)


def failed(site: Site, why: str = "it is away") -> None:
    note_failure(site, site.config.targets[0], why, 0.5)


class TestViews:
    def test_one_that_was_not_asked_yet_says_so(self, declared: Site) -> None:
        assert shop(declared) == TargetView(
            "shop", "Shop", "/shop", None, None, None, None, None, None, None, None, None, None, None, (), (), ()
        )

    def test_one_that_is_up_has_its_figures(self, declared: Site) -> None:
        noted(declared)
        noted(at(declared, NOW + 15))
        assert shop(at(declared, NOW + 16)) == TargetView(
            "shop", "Shop", "/shop", True, None, NOW, 2.5, 1.5, 0.1, 0.4, 1e8, 12, NOW + 15, 0.25,
            ("a_total",), ("there is no b",), ((int(NOW) // 60 * 60, 2.5),),
        )  # fmt: skip

    def test_one_that_is_down_says_why_and_since_when_and_shows_no_old_figures(self, declared: Site) -> None:
        noted(declared)
        for later, why in ((10, "nothing listens"), (25, "it is slow")):
            failed(at(declared, NOW + later), why)
        view = shop(at(declared, NOW + 26))
        assert (view.up, view.unavailable, view.since, view.at) == (False, "it is slow", NOW + 10, NOW + 25)
        assert (view.requests_per_s, view.memory_bytes, len(view.points)) == (None, None, 1)
        noted(at(declared, NOW + 40))
        view = shop(at(declared, NOW + 41))
        assert (view.up, view.unavailable, view.since) == (True, None, NOW + 40)

    def test_a_first_scrape_takes_nothing_off_the_page(self, declared: Site) -> None:
        noted(declared)
        noted(at(declared, NOW + 15), None)
        assert shop(at(declared, NOW + 15)).requests_per_s == 2.5
        noted(at(declared, NOW + 500), None)
        assert shop(at(declared, NOW + 500)).requests_per_s is None
        failed(at(declared, NOW + 501))
        noted(at(declared, NOW + 502), None)
        assert shop(at(declared, NOW + 502)).requests_per_s is None

    def test_one_that_nobody_asks_any_more_is_neither_up_nor_down(self, declared: Site) -> None:
        for note in (noted, failed):
            note(declared)
            assert shop(at(declared, NOW + 20)).up is not None
            view = shop(at(declared, NOW + 60))
            assert (view.up, view.unavailable, view.requests_per_s, view.at) == (None, None, None, NOW)

    def test_an_hour_of_history_is_kept_a_point_a_minute(self, declared: Site, store: Store) -> None:
        for minute in range(100):
            for second in (0, 15):
                noted(at(declared, NOW + 60 * minute + second), replace(FOUND, requests_per_s=minute + second / 100))
        points = shop(at(declared, NOW + 60 * 99 + 20)).points
        assert len(points) == 60
        assert points[0] == ((int(NOW) // 60 + 40) * 60, 40.15)
        assert points[-1] == ((int(NOW) // 60 + 99) * 60, 99.15)
        history = keys.TARGET_HISTORY.at(0, "shop")
        assert int(store.redis.zcard(history)) == 60
        assert 0 < int(store.redis.ttl(history)) <= 7200

    def test_a_damaged_record_is_one_that_was_not_asked(self, declared: Site, store: Store) -> None:
        store.redis.hset(keys.TARGETS.at(), "shop", "\x93damaged")
        assert shop(declared).up is None
        noted(declared)
        assert shop(declared).up is True

    def test_what_is_no_longer_declared_is_forgotten(self, declared: Site, store: Store) -> None:
        noted(declared)
        targets_service.forget_former(declared)
        assert shop(declared).up is True
        targets_service.forget_former(declaring(declared, "", NOW))
        assert not store.redis.exists(keys.TARGETS.at(), keys.TARGET_HISTORY.at(0, "shop"))
        targets_service.forget_former(declaring(declared, "", NOW))

    def test_prometheus_is_told(self, declared: Site) -> None:
        def samples(site: Site) -> list[tuple[str, str, float]]:
            return [
                (sample.name, sample.labels["target"], sample.value)
                for family in target_metrics_service.families(site)
                for sample in family.samples
            ]

        assert samples(declared) == []
        noted(declared)
        assert samples(declared) == [("headway_target_up", "shop", 1), ("headway_target_scrape_seconds", "shop", 0.25)]
        failed(declared)
        assert samples(declared) == [("headway_target_up", "shop", 0), ("headway_target_scrape_seconds", "shop", 0.5)]


class TestAsking:
    @pytest.fixture
    def asked(self, site: Site, outside: Outside) -> Site:
        return declaring(site, TEXT.format(url=outside.url))

    @pytest.fixture
    def polled(self, asked: Site) -> Callable[[Callable[[TargetView], object]], TargetView]:
        """The duty runs until something holds of the shop."""
        poller = TargetPoller()
        poller._polled["other_app"] = Polled(asked.config.targets[1])
        poller._polled["other_app"]._due = float("inf")  # it is out of reach

        def until(holds: Callable[[TargetView], object]) -> TargetView:
            def step() -> object:
                poller.run(asked)
                return holds(shop(asked))

            wait_until(step, what="what is waited for")
            return shop(asked)

        return until

    def test_an_app_goes_up_counts_goes_down_and_comes_back(
        self, polled: Callable[[Callable[[TargetView], object]], TargetView], outside: Outside
    ) -> None:
        registry = CollectorRegistry()
        requests = Counter("http_requests", "Requests", ("status",), registry=registry)

        def text() -> bytes:
            requests.labels("200").inc(9)
            requests.labels("500").inc()
            return answer(generate_latest(registry))

        outside.answers["/metrics"] = lambda connection: connection.sendall(text())
        view = polled(lambda view: view.requests_per_s)
        assert (view.up, view.error_rate, view.found) == (True, 10, ("http_requests_total",))
        assert view.took_s is not None and view.took_s < 30
        outside.answers["/metrics"] = answer("busy", status="503 Busy")
        view = polled(lambda view: view.up is False)
        assert view.unavailable == f"{outside.url}/metrics answered 503"
        outside.answers["/metrics"] = outside.silent
        view = polled(lambda view: view.unavailable and "answered 503" not in view.unavailable)
        # Whoever says it first: the request, or who waits for it.
        assert view.unavailable in (
            f"127.0.0.1:{outside.port} did not answer in full within 0.3 s", "its source did not answer within 300ms",
        )  # fmt: skip
        outside.answers["/metrics"] = lambda connection: connection.sendall(text())
        assert polled(lambda view: view.up and view.requests_per_s).unavailable is None

    def test_one_that_stays_down_is_asked_as_often_as_before(
        self, polled: Callable[[Callable[[TargetView], object]], TargetView], outside: Outside
    ) -> None:
        polled(lambda _: len(outside.asked) >= 12)

    def test_one_that_lies_inside_is_down_until_it_is_allowed(self, site: Site, outside: Outside) -> None:
        refusing = declaring(site, TEXT.format(url=outside.url).replace('127.0.0.1"]', '10.0.0.1"]'))
        (target, _) = refusing.config.targets
        one = Polled(target)
        one._due = 0.0
        one.tend(refusing)
        wait_until(lambda: shop(refusing).up is False, what="its refusal")
        assert "into allow of [outgoing]" in str(shop(refusing).unavailable)
        assert outside.connections == 0


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('url = "ftp://app.example"', "should begin with http:// or https://"),
        ('url = "https://me:hush@app.example"', "holds a user or a password"),
        ('url = "https://app.example"\ntimeout = "2m"', "should be 60s at most"),
    ],
)
def test_a_target_that_can_not_be_asked_stops_the_start(site: Site, said: str, fault: str) -> None:
    with pytest.raises(FieldError, match=fault) as told:
        declaring(site, f'[[targets]]\nname = "a"\n{said}\n')
    assert "hush" not in str(told.value)


def test_a_target_is_asked_every_quarter_of_a_minute_unless_it_says_otherwise() -> None:
    assert Target("app", "https://app.example").every == 15
