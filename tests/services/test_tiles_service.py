"""Tiles in a real store: what is declared, what is pushed, and what is kept of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from core import keys
from core.fields import FieldError
from core.site import Site
from core.store import Store
from services import tile_model, tiles_service
from services.tile_model import Point
from services.tiles_service import IsDeclared, NotPushed
from tests.services.told_tiles import NOW, at, declaring, only

PULLED = '[[tiles]]\nid = "mails"\nsource = {kind = "redis", command = "LLEN", key = "mails"}\n'


def test_with_nothing_configured_there_are_the_usual_tiles_without_a_value(site: Site) -> None:
    assert tiles_service.values(site) == {
        "users": None, "requests.total": None, "requests.tracking": None, "episodes_tracked": None,
    }  # fmt: skip
    users = only(site, "users")
    assert (users.title, users.kind, users.at, users.state, users.unavailable) == ("Users", "push", None, None, None)


def test_a_configuration_without_tiles_has_the_usual_ones_and_one_with_tiles_has_those(site: Site) -> None:
    assert len(tiles_service.tiles(declaring(site, "[logs]\n"))) == 4
    assert [tile.id for tile in tiles_service.tiles(declaring(site, PULLED))] == ["mails"]


def test_tiles_stand_as_declared_and_pushed_ones_behind_them_as_people_count(site: Site) -> None:
    within = declaring(site, PULLED + '[[tiles]]\nid = "calls"\n')
    for id in ("shop10", "calls", "shop9"):
        tiles_service.set_value(within, id, 1)
    assert [tile.id for tile in tiles_service.tiles(within)] == ["mails", "calls", "shop9", "shop10"]


def test_a_pushed_value_is_there_at_once_with_its_time_and_a_point(site: Site) -> None:
    answered = tiles_service.set_value(at(site, NOW), "users", 42)
    assert (answered.value, answered.good_at, answered.at) == (42, NOW, NOW)
    assert only(site, "users").points == ((1_800_000_000, 42),)
    assert tiles_service.values(site)["users"] == 42


@pytest.mark.parametrize(
    ("value", "kept"),
    [(0, 0), (-3, -3), (2.5, 2.5), (5.0, 5.0), (1e300, 1e300), (2**63 - 1, 2**63 - 1), (2**64, 2.0**64), (5e-324, 5e-324)],
)  # fmt: skip
def test_a_number_stays_what_it_is(site: Site, value: float, kept: float) -> None:
    found = tiles_service.set_value(site, "users", value).value
    assert (found, type(found)) == (kept, type(kept))
    assert tiles_service.values(site)["users"] == kept


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), True, "5", None, 10**400])
def test_what_is_no_finite_number_is_refused_and_changes_nothing(site: Site, value: Any) -> None:
    tiles_service.set_value(site, "users", 1)
    with pytest.raises(FieldError, match=r"value: should be a (finite )?number"):
        tiles_service.set_value(site, "users", value)
    with pytest.raises(FieldError, match=r"by: should be a (finite )?number"):
        tiles_service.increment(site, "users", value)
    assert tiles_service.values(site)["users"] == 1


class TestIncrement:
    def test_it_begins_at_zero_and_whole_numbers_stay_whole(self, site: Site) -> None:
        values = [tiles_service.increment(site, "users", by).value for by in (1, 2, -5, 0.5, 0.5)]
        assert values == [1, 3, -2, -1.5, -1]
        assert isinstance(values[-1], int)

    def test_many_at_once_lose_nothing(self, site: Site) -> None:
        def work() -> None:
            for _ in range(50):
                tiles_service.increment(site, "users", 1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tiles_service.values(site)["users"] == 200

    def test_a_sum_past_all_numbers_is_refused_and_the_value_stays(self, site: Site) -> None:
        tiles_service.set_value(site, "users", 1.7e308)
        with pytest.raises(FieldError, match="by: makes the value larger"):
            tiles_service.increment(site, "users", 1.7e308)
        assert tiles_service.values(site)["users"] == 1.7e308

    def test_a_record_that_somebody_spoilt_is_mended_by_the_next_value(self, site: Site, store: Store) -> None:
        for spoilt in ("\xff\xff", "x", "\x93\x01\x02\x03"):
            store.redis.hset(keys.TILES.at(), "users", spoilt)
            assert tiles_service.values(site)["users"] is None
            assert tiles_service.increment(site, "users", 2).value == 2


class TestHistory:
    def test_a_minute_has_one_point_its_last(self, site: Site) -> None:
        for second, value in ((0, 1), (20, 2), (59, 3), (60, 4)):
            tiles_service.set_value(at(site, 1_800_000_000 + second), "users", value)
        assert tiles_service.history(at(site, NOW), "users") == ((1_800_000_000, 3), (1_800_000_060, 4))

    def test_it_is_bounded_to_a_day_and_goes_by_itself(self, site: Site, store: Store) -> None:
        for minute in range(0, 1500, 3):
            tiles_service.increment(at(site, NOW + minute * 60), "users", 1)
        latest = at(site, NOW + 1500 * 60)
        points = tiles_service.history(latest, "users")
        assert points[-1] == (1_800_000_000 + 1497 * 60, 500)
        assert 478 <= len(points) <= 480
        assert store.redis.zcard(keys.TILE_HISTORY.at(0, "users")) <= 481
        assert 0 < store.redis.ttl(keys.TILE_HISTORY.at(0, "users")) <= 25 * 3600
        assert only(latest, "users").points == points[-60:]
        one = tiles_service.tile(latest, "users")
        assert one is not None and one.points == points

    def test_points_that_nobody_can_read_are_passed_by(self) -> None:
        good: tuple[Point, ...] = ((60, 2.5),)
        assert tile_model.points_of([b"1:2.5", b"x:1", b"2:nan", b"3:", b"\xff:\xff", b""]) == good


class TestSource:
    def test_a_value_from_a_source_has_no_pushed_one_beside_it(self, site: Site) -> None:
        declared = declaring(site, PULLED)
        for push in (tiles_service.set_value, tiles_service.increment):
            with pytest.raises(NotPushed, match='declares mails with a source of kind "redis"'):
                push(declared, "mails", 1)
        assert tiles_service.values(declared) == {"mails": None}

    def test_while_it_fails_the_last_good_value_stays_with_its_age(self, site: Site) -> None:
        declared = declaring(site, PULLED + "warn = 5\n", NOW)
        tiles_service.note_value(declared, "mails", 7, 0.25)
        assert only(declared, "mails").state == "warn"
        for later in (60, 90):
            tiles_service.note_failure(at(declared, NOW + later), "mails", "the server answered 500", 0.5)
        tile = only(declared, "mails")
        assert (tile.value, tile.good_at, tile.at) == (7, NOW, NOW + 90)
        assert (tile.unavailable, tile.since, tile.failures) == ("the server answered 500", NOW + 60, 2)
        assert (tile.state, tile.took_s, len(tile.points)) == (None, 0.5, 1)

        tiles_service.note_value(at(declared, NOW + 120), "mails", 3, 0.1)
        tile = only(declared, "mails")
        assert (tile.value, tile.unavailable, tile.since, tile.failures, tile.state) == (3, None, None, 2, "good")

    def test_one_that_takes_pushed_values_now_is_not_unavailable_for_the_source_that_it_had(self, site: Site) -> None:
        tiles_service.note_failure(declaring(site, PULLED), "mails", "the server answered 500", 0.5)
        pushed = only(declaring(site, '[[tiles]]\nid = "mails"\n'), "mails")
        assert (pushed.unavailable, pushed.since, pushed.value) == (None, None, None)

    def test_one_that_says_there_is_no_value_has_none(self, site: Site) -> None:
        declared = declaring(site, PULLED, NOW)
        tiles_service.note_value(declared, "mails", 7, 0.1)
        tiles_service.note_value(declared, "mails", None, 0.1)
        tile = only(declared, "mails")
        assert (tile.value, tile.unavailable, tile.good_at, len(tile.points)) == (None, None, NOW, 1)


class TestUndeclared:
    def test_an_id_that_nobody_declared_becomes_a_tile_behind_the_others(self, site: Site) -> None:
        tiles_service.set_value(site, "mails.in_queue", 3)
        tiles_service.increment(site, "a", 1)
        *declared, first, second = tiles_service.tiles(site)
        assert [tile.declared for tile in declared] == [True] * 4
        assert [(tile.id, tile.title, tile.declared, tile.value) for tile in (first, second)] == [
            ("a", "A", False, 1), ("mails.in_queue", "Mails in queue", False, 3),
        ]  # fmt: skip

    @pytest.mark.parametrize("id", ["", "ä", "1", "a..b", "a.b.", "a b", "a\n", "a/b", "x" * 65, "a.b.c.d.e.f", "<b>"])
    def test_what_is_no_id_is_refused(self, site: Site, id: str) -> None:
        with pytest.raises(FieldError, match="id: should be names of letters"):
            tiles_service.set_value(site, id, 1)

    @pytest.mark.parametrize(
        ("id", "fault"),
        [("requests", "what holds others can't be a value"), ("users.x", "that is a value and can't hold others"),
         ("notifications", "says itself"), ("notifications.sent", "says itself"), ("timestamp", "says itself"),
         ("pushed", "what holds others"), ("pushed.a.b", "that is a value")],
    )  # fmt: skip
    def test_a_path_that_is_taken_is_refused_and_nothing_is_kept(
        self, site: Site, store: Store, id: str, fault: str
    ) -> None:
        tiles_service.set_value(site, "pushed.a", 1)
        for push in (tiles_service.set_value, tiles_service.increment):
            with pytest.raises(FieldError, match=f"id: {id} .*{fault}"):
                push(site, id, 1)
        assert store.redis.hkeys(keys.TILES.at()) == ["pushed.a"]

    def test_of_two_writers_that_race_for_a_path_one_is_refused(self, site: Site) -> None:
        for number in range(20):
            told: list[str] = []
            barrier = threading.Barrier(2)

            def push(id: str, told: list[str] = told, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                try:
                    tiles_service.set_value(site, id, 1)
                except FieldError:
                    told.append(id)

            threads = [threading.Thread(target=push, args=(id,)) for id in (f"r{number}", f"r{number}.x")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(told) == 1

    def test_past_their_number_a_new_one_is_refused_and_the_known_ones_go_on(self, site: Site) -> None:
        for number in range(tiles_service.MOST_UNDECLARED):
            tiles_service.set_value(site, f"t{number}", number)
        with pytest.raises(FieldError, match=r"one too many: 200 is the most.*Declare it.*or remove another"):
            tiles_service.set_value(site, "another", 1)
        assert tiles_service.set_value(site, "t7", 1).value == 1
        assert tiles_service.set_value(site, "users", 1).value == 1
        tiles_service.remove(site, "t7")
        assert tiles_service.set_value(site, "another", 1).value == 1

    def test_one_is_removed_with_its_history_and_a_declared_one_is_not(self, site: Site, store: Store) -> None:
        tiles_service.set_value(site, "typo", 1)
        assert tiles_service.remove(site, "typo")
        assert not tiles_service.remove(site, "typo")
        assert not store.redis.exists(keys.TILES.at(), keys.UNDECLARED_TILES.at(), keys.TILE_HISTORY.at(0, "typo"))
        assert tiles_service.tile(site, "typo") is None
        with pytest.raises(IsDeclared):
            tiles_service.remove(site, "users")

    def test_a_declaration_that_comes_later_takes_the_place_of_what_was_pushed(self, site: Site) -> None:
        tiles_service.set_value(site, "mails", 1)
        later = declaring(site, '[[tiles]]\nid = "mails.waiting"\n')
        assert list(tiles_service.values(later)) == ["mails.waiting"]
        with pytest.raises(FieldError, match="what holds others"):
            tiles_service.set_value(later, "mails", 2)


class TestFormer:
    def test_a_tile_whose_declaration_vanished_is_gone_and_kept_until_its_history_went(
        self, site: Site, store: Store
    ) -> None:
        tiles_service.note_value(declaring(site, PULLED), "mails", 7, 0.1)
        tiles_service.set_value(site, "pushed", 1)
        assert "mails" not in tiles_service.values(site)
        tiles_service.forget_former(site)
        assert store.redis.hexists(keys.TILES.at(), "mails")
        store.redis.delete(keys.TILE_HISTORY.at(0, "mails"), keys.TILE_HISTORY.at(0, "pushed"))  # as time does
        tiles_service.forget_former(site)
        assert store.redis.hkeys(keys.TILES.at()) == ["pushed"]

    def test_one_that_was_pushed_and_then_declared_vanishes_with_its_declaration(self, site: Site) -> None:
        tiles_service.set_value(site, "mails", 1)
        tiles_service.forget_former(declaring(site, PULLED))
        assert "mails" not in tiles_service.values(site)


@pytest.mark.parametrize(
    ("bounds", "states"),
    [
        ("", {0: None, 5: None}),
        ("warn = 10\nbad = 20", {9.9: "good", 10: "warn", 19: "warn", 20: "bad", 99: "bad", -1: "good"}),
        ("good = 5\nwarn = 10\nbad = 20", {5: "good", 6: None, 10: "warn", 20: "bad"}),
        ("good = 5", {5: "good", 5.1: None}),
        ("bad = 0", {-1: "good", 0: "bad"}),
        ("better = 'higher'\nwarn = 95\nbad = 90", {99: "good", 95: "warn", 91: "warn", 90: "bad", 0: "bad"}),
        ("better = 'higher'\ngood = 99\nwarn = 95", {99: "good", 98: None, 95: "warn"}),
    ],
)
def test_a_value_has_the_colour_of_the_worst_bound_that_it_reached(
    site: Site, bounds: str, states: dict[float, str | None]
) -> None:
    declared = declaring(site, f'[[tiles]]\nid = "a"\n{bounds}\n')
    assert {value: tiles_service.set_value(declared, "a", value).state for value in states} == states


def test_bounds_are_told_in_words(site: Site) -> None:
    text = '[[tiles]]\nid = "{}"\ngood = {}\nwarn = {}\nbad = {}\nbetter = "{}"\n'
    declared = declaring(site, text.format("a", 5, 10.5, 2000000, "lower") + text.format("b", 99, 95, 90, "higher"))
    assert [tile.bounds for tile in tiles_service.tiles(declared)] == [
        "good up to 5, warn from 10.5, bad from 2000000",
        "good from 99, warn down to 95, bad down to 90",
    ]


def test_tiles_of_a_store_with_partitions_are_the_same(parted_site: Site) -> None:
    tiles_service.set_value(parted_site, "users", 1)
    assert tiles_service.increment(parted_site, "users", 1).value == 2
    assert only(parted_site, "users").points[-1][1] == 2
