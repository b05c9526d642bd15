"""Asking the sources of tiles: each in its own time, whatever becomes of the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.config.sources import Redis
from core.site import Site
from core.store import Store
from services import polling, tile_sources, tiles_service
from services.tile_model import Tile
from services.tile_poller import Polled, TilePoller
from services.tile_sources import Context, NotYet, SourceError
from tests.conftest import Valkey, free_port, wait_until
from tests.services.told_tiles import declaring, only

TILE = """
[[tiles]]
id = "{id}"
every = {every}
timeout = {timeout}
source = {{kind = "redis", command = "LLEN", key = "{id}"}}
"""


def tile_text(id: str, every: float = 0.02, timeout: float = 5.0) -> str:
    return TILE.format(id=id, every=every, timeout=timeout)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "headway-tile"]


@pytest.fixture(autouse=True)
def ended(site: Site) -> Iterator[None]:
    """No reading outlives its test, nor the store that it asks."""
    yield
    wait_until(lambda: not readers(), what="the end of all readings")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What sources of some tiles do instead, by their key: an exception is raised, a function called."""
    instead: dict[str, Any] = {}

    def read(source: Redis, context: Context) -> Any:
        what = instead.get(source.key, tile_sources.redis.read)
        if isinstance(what, Exception):
            raise what
        return what(source, context) if callable(what) else what

    monkeypatch.setattr(tile_sources, "READERS", {**tile_sources.READERS, Redis: read})
    yield instead


def polled(poller: TilePoller, site: Site, holds: Callable[[], object], what: str) -> None:
    """The duty runs, as in its thread, until something holds."""

    def step() -> object:
        poller.run(site)
        return holds()

    wait_until(step, what=what)


def until(poller: TilePoller, site: Site, id: str, holds: Callable[[Tile], object]) -> Tile:
    polled(poller, site, lambda: holds(only(site, id)), f"what is waited for of {id}")
    return only(site, id)


def test_a_declared_tile_has_what_its_source_says_and_then_what_it_says_next(site: Site, store: Store) -> None:
    site = declaring(site, tile_text("a") + '[[tiles]]\nid = "pushed"\n')
    poller = TilePoller()
    assert until(poller, site, "a", lambda tile: tile.at).value == 0
    store.redis.rpush("a", 1, 2, 3)
    tile = until(poller, site, "a", lambda tile: tile.value == 3)
    assert tile.took_s is not None and tile.took_s >= 0
    assert only(site, "pushed").at is None


def test_one_is_asked_no_more_often_than_its_interval_says(site: Site, answer: dict[str, Any]) -> None:
    site = declaring(site, tile_text("often") + tile_text("seldom", every=3600))
    asked: list[str] = []
    for id in ("often", "seldom"):
        answer[id] = lambda source, _: asked.append(source.key) or 1
    poller = TilePoller()
    for one in ("often", "seldom"):
        poller._polled[one] = Polled(next(tile for tile in site.config.tiles or () if tile.id == one))
        poller._polled[one]._due = 0.0
    polled(poller, site, lambda: asked.count("often") >= 5, "five readings")
    assert asked.count("seldom") == 1


class Stuck:
    """A source that hangs until it is let go, and then says 99."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.asked = 0

    def __call__(self, source: Redis, context: Context) -> int:
        self.asked += 1
        self.free.wait(30)
        return 99


class TestHanging:
    @pytest.fixture
    def stuck(self, answer: dict[str, Any]) -> Iterator[Stuck]:
        """The source of the tile `stuck`."""
        answer["stuck"] = stuck = Stuck()
        yield stuck
        stuck.free.set()

    def test_it_delays_no_other_and_is_not_begun_again(self, site: Site, store: Store, stuck: Stuck) -> None:
        site = declaring(site, tile_text("stuck", timeout=0.05) + tile_text("a"))
        poller = TilePoller()
        tile = until(poller, site, "stuck", lambda tile: tile.unavailable)
        assert (tile.unavailable, tile.value) == ("its source did not answer within 50ms", None)
        for length in (1, 2, 3, 4, 5):
            store.redis.rpush("a", length)
            until(poller, site, "a", lambda tile, length=length: tile.value == length)
        assert (stuck.asked, only(site, "stuck").failures) == (1, 1)

    def test_what_comes_too_late_does_not_count_and_the_next_in_time_does(
        self, site: Site, stuck: Stuck, answer: dict[str, Any]
    ) -> None:
        site = declaring(site, tile_text("stuck", timeout=0.05))
        poller = TilePoller()
        until(poller, site, "stuck", lambda tile: tile.unavailable)
        stuck.free.set()
        wait_until(lambda: not readers(), what="the end of the reading")
        assert only(site, "stuck").value is None
        answer["stuck"] = 7
        tile = until(poller, site, "stuck", lambda tile: tile.value is not None)
        assert (tile.value, tile.unavailable) == (7, None)

    def test_as_many_as_there_are_hold_a_thread_each_and_no_more(self, site: Site, answer: dict[str, Any]) -> None:
        stuck = Stuck()
        ids = [f"s{number}" for number in range(60)]
        answer.update(dict.fromkeys(ids, stuck))
        site = declaring(site, "".join(tile_text(id, timeout=0.05) for id in ids) + tile_text("a"))
        poller = TilePoller()
        polled(
            poller, site, lambda: sum(bool(tile.unavailable) for tile in tiles_service.tiles(site)) == 60, "60 words"
        )
        assert until(poller, site, "a", lambda tile: tile.at).value == 0
        assert stuck.asked == 60
        assert len(readers()) <= 61
        stuck.free.set()


class TestFailing:
    def test_the_last_good_value_stays_and_the_words_say_why(self, site: Site, answer: dict[str, Any]) -> None:
        site = declaring(site, tile_text("a"))
        poller = TilePoller()
        for value, why in ((1, "the server answered 500"), (2, "it is\nelsewhere \x1b[31m"), (3, "no")):
            answer["a"] = value
            until(poller, site, "a", lambda tile, value=value: tile.value == value and not tile.unavailable)
            answer["a"] = SourceError(why)
            tile = until(poller, site, "a", lambda tile: tile.unavailable)
            assert (tile.value, tile.unavailable) == (value, ascii(why)[1:-1])
            assert tile.since is not None and tile.good_at is not None and tile.since >= tile.good_at

    def test_one_line_tells_of_it_and_one_of_its_end(
        self, site: Site, answer: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "headway.tiles")
        site = declaring(site, tile_text("a"))
        poller = TilePoller()
        answer["a"] = SourceError("the server answered 500")
        until(poller, site, "a", lambda tile: tile.failures >= 3)
        answer["a"] = 1
        until(poller, site, "a", lambda tile: tile.value == 1)
        assert [record.getMessage() for record in caplog.records] == [
            "The tile a is unavailable, because the server answered 500", "The tile a is available again",
        ]  # fmt: skip

    def test_one_that_goes_on_failing_is_asked_less_often_within_bounds(
        self, site: Site, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(polling, "JITTER", 0.0)
        for every, pauses in ((10.0, [10, 20, 40, 40]), (100.0, [100, 120, 120, 120]), (3600.0, [3600, 3600])):
            (tile,) = declaring(site, tile_text("a", every)).config.tiles or ()
            one = Polled(tile)
            answer["a"] = SourceError("no")
            for pause in pauses:
                one._due = 0.0
                one.tend(site)
                assert one._reading is not None
                one._reading.join(10)
                assert one._due - one._reading.began == pytest.approx(pause)

    def test_what_nobody_foresaw_is_told_without_what_it_says(
        self, site: Site, answer: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        site = declaring(site, tile_text("a") + tile_text("b"))
        answer["a"] = ZeroDivisionError("redis://:a-secret@host")
        poller = TilePoller()
        tile = until(poller, site, "a", lambda tile: tile.unavailable)
        assert tile.unavailable == "reading it failed (ZeroDivisionError), of which Headway's log says more"
        assert until(poller, site, "b", lambda tile: tile.at).value == 0
        assert "a-secret" not in caplog.text
        assert "line" in caplog.text and "ZeroDivisionError" in caplog.text

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "x", True])
    def test_a_value_that_is_no_number_is_a_failure(self, site: Site, answer: dict[str, Any], value: object) -> None:
        site = declaring(site, tile_text("a"))
        answer["a"] = value
        tile = until(TilePoller(), site, "a", lambda tile: tile.unavailable)
        assert (tile.unavailable or "").startswith("the value is no ")

    def test_what_can_not_be_told_yet_leaves_the_tile_as_it_is(self, site: Site, answer: dict[str, Any]) -> None:
        site = declaring(site, tile_text("a"))
        tiles_service.note_value(site, "a", 5, 0.0)
        before = only(site, "a")
        asked: list[int] = []

        def not_yet(*_: object) -> None:
            asked.append(1)
            raise NotYet

        answer["a"] = not_yet
        polled(TilePoller(), site, lambda: len(asked) >= 3, "three readings")
        wait_until(lambda: not readers())
        assert only(site, "a") == before


def test_what_a_source_keeps_is_there_at_its_next_reading(site: Site, answer: dict[str, Any]) -> None:
    def count(_: Redis, context: Context) -> int:
        context.before["n"] = context.before.get("n", 0) + 1
        return int(context.before["n"])

    answer["a"] = count
    site = declaring(site, tile_text("a") + tile_text("b"))
    until(TilePoller(), site, "a", lambda tile: (tile.value or 0) >= 3)


def test_after_the_store_was_away_it_goes_on(own_valkey: Callable[..., Valkey], site: Site) -> None:
    valkey = own_valkey()
    store = Store(valkey.url)
    declared = declaring(replace(site, store=store), tile_text("a"))
    poller = TilePoller()
    until(poller, declared, "a", lambda tile: tile.at)
    valkey.stop()
    one = poller._polled["a"]
    polled(poller, declared, lambda: one._failures >= 2, "failures")
    valkey.start()
    store.redis.rpush("a", 1)
    assert until(poller, declared, "a", lambda tile: tile.value == 1).unavailable is None
    store.close()


def test_two_processes_that_both_think_they_lead_do_no_harm(site: Site, store: Store) -> None:
    site = declaring(site, tile_text("a"))
    pollers = [TilePoller(), TilePoller()]
    for length in (1, 2, 3):
        store.redis.rpush("a", length)
        for poller in pollers:
            until(poller, site, "a", lambda tile, length=length: tile.value == length)


def test_a_secret_of_an_address_is_in_no_word(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    url = f"redis://:a-secret@127.0.0.1:{free_port()}"
    text = tile_text("a").replace('key = "a"', f'key = "a", url = "{url}"')
    tile = until(TilePoller(), declaring(site, text), "a", lambda tile: tile.unavailable)
    assert tile.unavailable == "the Redis server can't be reached"
    assert "a-secret" not in caplog.text
