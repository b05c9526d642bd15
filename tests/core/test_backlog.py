from __future__ import annotations

import pytest

from core import backlog
from core.backlog import Backlog, Frame, Overflow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client counts as one that does not keep up."""
    monkeypatch.setattr(backlog, "GRACE_S", 0.0)


def frames(*names: str) -> list[Frame]:
    """`a1` is the first frame about a; a capital one may not be dropped."""
    return [Frame(name.encode(), key=name[0].lower(), keep=name[0].isupper()) for name in names]


def left(one: Backlog) -> list[str]:
    return [frame.data.decode() for frame in one.take(10**9)]


def held(limit: int, *names: str) -> tuple[list[str], int]:
    one = Backlog(limit)
    dropped = sum(one.add([frame]) for frame in frames(*names))
    return left(one), dropped


def test_what_fits_is_kept_in_order() -> None:
    assert held(3, "a1", "b1", "a2") == (["a1", "b1", "a2"], 0)


def test_the_oldest_of_the_same_item_goes_first() -> None:
    assert held(3, "b1", "a1", "a2", "a3") == (["b1", "a2", "a3"], 1)


def test_where_nothing_newer_stands_in_the_oldest_goes() -> None:
    assert held(3, "a1", "b1", "c1", "d1") == (["b1", "c1", "d1"], 1)


def test_what_must_be_kept_is_kept_past_the_limit() -> None:
    assert held(2, "A1", "B1", "C1", "d1") == (["A1", "B1", "C1"], 1)


def test_a_burst_is_cut_as_single_frames_are() -> None:
    one = Backlog(2)
    assert one.add(frames("a1", "b1", "a2", "C1", "a3")) == 3
    assert left(one) == ["C1", "a3"]


def test_who_keeps_up_loses_nothing_of_a_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "GRACE_S", 60.0)
    one = Backlog(2)
    assert one.add(frames("a1", "a2", "a3", "a4")) == 0
    assert len(one) == 4


def test_too_many_bytes_end_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "GRACE_S", 60.0)
    monkeypatch.setattr(backlog, "MOST_BYTES", 7)
    one = Backlog(2)
    assert one.add(frames("a1", "a2", "a3", "a4")) == 2


def test_more_kept_than_may_be_lets_the_client_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_KEPT_BYTES", 7)
    with pytest.raises(Overflow):
        Backlog(1).add(frames("A1", "B1", "C1", "D1"))


def test_parts_are_taken_by_size_and_one_at_least() -> None:
    one = Backlog(9)
    one.add(frames("a1", "b1", "c1"))
    assert [frame.data for frame in one.take(1)] == [b"a1"]
    assert [frame.data for frame in one.take(4)] == [b"b1", b"c1"]
    assert not one
