"""When nobody listened to a Celery's events, as its source tells."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from core.site import Site
from services.brokers import standings
from services.brokers.celery_gaps import KEPT_S, MOST, Gaps
from services.brokers.model import Snapshot, Standing
from tests.conftest import Valkey
from tests.services.brokers.followed_celery import FollowedCelery

NOON_MS = 1_790_000_000_000 // 86_400_000 * 86_400_000 + 12 * 3_600_000


def noted(followed: FollowedCelery) -> tuple[str, ...]:
    """What its source says, once that is noted as the duty does it."""
    site, broker = followed.site, followed.broker
    hears_s = followed.follower.events.since_s or 0.0
    followed.until(lambda: (followed.snapshot.heard_ms or 0) > hears_s * 1000, "a snapshot since it hears")
    snapshot = followed.snapshot
    standings.note(
        site, Standing(broker=broker.agent, engine="celery", discovered=False, at_ms=snapshot.at_ms, snapshot=snapshot)
    )
    return tuple(note for note in snapshot.notes if note.startswith("Not followed"))


def test_who_follows_next_says_when_nobody_did_and_whoever_comes_then_still_does(
    site: Site, theirs: Valkey, follow_celery: Callable[..., FollowedCelery]
) -> None:
    first = follow_celery(theirs.url)
    assert noted(first) == ()
    first.close()
    second = follow_celery(theirs.url)
    (note,) = noted(second)
    assert re.fullmatch(r"Not followed from .* to .* \(UTC\): tasks that began and ended then are not known", note)
    ((begin, end),) = second.snapshot.missed
    assert first.snapshot.heard_ms == begin < end <= time.time() * 1000
    second.close()
    third = follow_celery(theirs.url)
    (note,) = noted(third)
    assert note.count(" to ") == 2
    assert third.snapshot.missed[0] == (begin, end)


def gaps(*missed: tuple[int, int], heard_ms: int = NOON_MS) -> Gaps:
    return Gaps(Snapshot(broker="a", engine="celery", at_ms=heard_ms, heard_ms=heard_ms, missed=missed))


def test_a_gap_is_told_with_its_times() -> None:
    one = gaps()
    one.heard(NOON_MS + 11_000, NOON_MS + 12_000)
    one.heard(NOON_MS + 11_000, NOON_MS + 13_000)
    assert one.notes(NOON_MS + 13_000) == (
        "Not followed from 12:00:00 to 12:00:11 (UTC): tasks that began and ended then are not known",
    )
    (tomorrow,) = one.notes(NOON_MS + 86_400_000)
    assert re.search(r"from \d{4}-\d\d-\d\d 12:00:00 to", tomorrow)


def test_gaps_are_told_for_some_hours_and_a_bounded_number_of_them() -> None:
    many = gaps(*((NOON_MS - 2_000 * back, NOON_MS - 2_000 * back + 500) for back in range(MOST, 0, -1)))
    many.heard(NOON_MS + 1_000, NOON_MS + 2_000)
    assert len(many.missed) == MOST
    (note,) = many.notes(NOON_MS + 2_000)
    assert "12:00:00 to 12:00:01 and 17 times before" in note
    many.heard(NOON_MS + 1_000, NOON_MS + KEPT_S * 1000 + 900)
    assert many.missed == ((NOON_MS, NOON_MS + 1_000),)
    many.heard(NOON_MS + 1_000, NOON_MS + KEPT_S * 1000 + 1_000)
    assert many.notes(NOON_MS + KEPT_S * 1000 + 1_000) == ()
