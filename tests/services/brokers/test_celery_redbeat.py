"""RedBeat's schedule in a broker's Redis: by a real beat, and as it may be damaged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from celery.schedules import crontab, schedule
from redbeat import RedBeatSchedulerEntry
from redbeat.schedules import rrule

from core.config import Broker, Masking
from core.site import Site
from services.brokers import celery_redbeat
from services.brokers.celery_redbeat import RedBeat
from services.brokers.celery_redbeat_entries import Damaged, entry_of
from services.brokers.celery_schedules import Runs
from services.brokers.masking import Mask
from services.brokers.model import ScheduleNow
from tests.celery_workers import broker_url
from tests.conftest import Valkey
from tests.schedulers import redbeat
from tests.services.brokers.followed_celery import FollowedCelery
from tests.services.brokers.test_rq_cost import calls


@pytest.fixture
def shop(theirs: Valkey, broker: redis.Redis) -> Iterator[Celery]:
    shop = Celery("sender", broker=broker_url(theirs.url))
    shop.conf.update(redbeat_redis_url=theirs.url, redbeat_key_prefix="redbeat:")
    yield shop
    shop.close()


@pytest.fixture
def mask(site: Site) -> Mask:
    return Mask(Masking(), site.settings, site.config.logs)


def saved(shop: Celery, name: str, every: Any, task: str = "shop.add", **options: Any) -> RedBeatSchedulerEntry:
    return RedBeatSchedulerEntry(name, task, every, app=shop, **options).save()


def schedules(followed: FollowedCelery) -> dict[str, ScheduleNow]:
    return {entry.name: entry for entry in followed.snapshot.schedules}


def test_entries_show_as_beat_runs_them_and_whether_one_holds_the_lock(
    theirs: Valkey, broker: redis.Redis, shop: Celery, follow_celery: Callable[..., FollowedCelery]
) -> None:
    saved(shop, "often", schedule(1), "shop.say", kwargs={"password": "hunter2"})
    saved(shop, "nightly", crontab(minute="0", hour="3"), options={"queue": "night"})
    saved(shop, "off", schedule(1), enabled=False)
    followed = follow_celery(theirs.url)
    nightly = followed.until(lambda: schedules(followed).get("nightly"), "the entry")
    assert nightly is not None
    assert (nightly.spec, nightly.function, nightly.queue, nightly.scheduler) == (
        "0 3 * * *",
        "shop.add",
        "night",
        "redbeat",
    )
    assert (nightly.last_ms, nightly.runs, nightly.alive) == (None, None, False)
    assert nightly.next_ms == broker.zscore("redbeat::schedule", "redbeat:nightly") * 1000  # type: ignore[operator]
    off = schedules(followed)["off"]
    assert (off.spec, off.next_ms, off.alive) == ("every 1 s (disabled)", None, None)
    with redbeat(theirs.url):
        followed.until(lambda: (schedules(followed)["often"].runs or 0) >= 2, "two runs")
        often = schedules(followed)["often"]
        assert (often.spec, often.alive) == ("every 1 s", True)
        assert often.last_ms is not None and often.next_ms is not None
        sent = followed.until(lambda: schedules(followed)["often"].last_job, "the task that it sent")
        assert sent is not None and followed.comes_to(sent, "queued").function == "shop.say"
        assert schedules(followed)["tidy"].scheduler == "redbeat", "of the app's own schedule"
        saved(shop, "added", rrule("WEEKLY", interval=2, byweekday=[0], count=5))
        followed.until(lambda: "added" in schedules(followed), "an entry that a program adds")
        assert schedules(followed)["added"].spec == "FREQ=WEEKLY;INTERVAL=2;COUNT=5;BYDAY=MO"
        RedBeatSchedulerEntry.from_key("redbeat:added", app=shop).delete()
        followed.until(lambda: "added" not in schedules(followed), "its end")
    followed.until(lambda: schedules(followed)["nightly"].alive is False, "the end of beat")
    assert "hunter2" not in str(followed.snapshot)


def test_a_beat_that_left_its_lock_behind_is_missed_once_something_is_late(
    theirs: Valkey, broker: redis.Redis, shop: Celery, follow_celery: Callable[..., FollowedCelery]
) -> None:
    saved(shop, "often", schedule(60))
    broker.set("redbeat::lock", "token", px=1_500_000)
    followed = follow_celery(theirs.url)
    followed.until(lambda: schedules(followed) and schedules(followed)["often"].alive, "its lock")
    broker.zadd("redbeat::schedule", {"redbeat:often": time.time() - 400})
    followed.until(lambda: schedules(followed)["often"].alive is False, "its being late")


def test_of_a_beat_without_a_lock_nobody_knows(
    theirs: Valkey, broker: redis.Redis, shop: Celery, follow_celery: Callable[..., FollowedCelery]
) -> None:
    entry = saved(shop, "often", schedule(60))
    followed = follow_celery(theirs.url)
    followed.until(lambda: schedules(followed) and schedules(followed)["often"].alive is False, "the entry")
    next(entry)  # as beat does when it sends it
    followed.until(lambda: schedules(followed)["often"].alive is None, "its run")
    assert schedules(followed)["often"].runs == 1
    broker.set("redbeat::lock", "token", px=60_000)
    followed.until(lambda: schedules(followed)["often"].alive, "a lock")


def test_damaged_entries_are_named_and_the_rest_is_read(
    theirs: Valkey, broker: redis.Redis, shop: Celery, follow_celery: Callable[..., FollowedCelery]
) -> None:
    shop.conf.redbeat_key_prefix = "shop:"
    saved(shop, "whole", schedule(60))
    broker.set("shop:text", "no hash")
    broker.hset("shop:empty", "meta", "{}")
    broker.hset("shop:cut", "definition", '{"name": "cu')
    broker.hset("shop:long", "definition", "[" * 20_000)
    for number, name in enumerate(("text", "empty", "cut", "long", "gone", "last")):
        broker.zadd("shop::schedule", {f"shop:{name}": number})
    followed = follow_celery(theirs.url, redbeat_key_prefix="shop:")
    followed.until(lambda: schedules(followed), "the entry")
    assert schedules(followed).keys() == {"whole"}
    assert [note for note in followed.snapshot.notes if "RedBeat" in note] == [
        "RedBeat's entry shop:text can't be read: it is no hash",
        "RedBeat's entry shop:empty can't be read: it has no definition",
        "RedBeat's entry shop:cut can't be read: its definition is no JSON",
        "RedBeat's entry shop:long can't be read: it is longer than 16 KiB",
        "RedBeat's entry shop:gone can't be read: it has no definition",
        "1 more entry of RedBeat can't be read",
    ]
    broker.delete("shop::schedule")
    broker.set("shop::schedule", "no sorted set")
    followed.until(
        lambda: any("shop::schedule is no sorted set" in note for note in followed.snapshot.notes), "its note"
    )


def test_many_entries_are_bounded_and_cost_only_what_changed(
    theirs: Valkey, broker: redis.Redis, shop: Celery, follow_celery: Callable[..., FollowedCelery], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(celery_redbeat, "MOST", 20)
    entries = [saved(shop, f"e{number:02}", schedule(3_600 + number)) for number in range(25)]
    followed = follow_celery(theirs.url)
    followed.until(lambda: schedules(followed), "the entries")
    assert list(schedules(followed)) == [f"e{number:02}" for number in range(20)]
    assert "5 more entries of RedBeat not shown: the soonest 20 are" in followed.snapshot.notes
    broker.config_resetstat()
    entries[3].kwargs = {"changed": True}
    entries[3].schedule = schedule(1_800)
    entries[3].save()
    followed.until(lambda: schedules(followed)["e03"].spec == "every 30 min", "the change")
    told = calls(broker)
    assert (told["hstrlen"], told["zcard"]) == (2, 1), "of what changed alone"
    assert not {"keys", "scan", "hgetall"} & told.keys()


def test_without_a_redbeat_it_is_sought_seldom(
    theirs: Valkey, broker: redis.Redis, follow_celery: Callable[..., FollowedCelery]
) -> None:
    followed = follow_celery(theirs.url)
    broker.config_resetstat()
    for _ in range(5):
        followed.tick()
    assert not {"exists", "zcard", "hmget"} & calls(broker).keys()


def test_who_may_read_the_keys_of_celery_alone_has_no_redbeat(
    theirs: Valkey, broker: redis.Redis, shop: Celery, mask: Mask
) -> None:
    saved(shop, "often", schedule(60))
    broker.acl_setuser("narrow", enabled=True, nopass=True, keys=["celery"], categories=["+@all"])
    of = RedBeat(
        Broker(kind="celery", url=theirs.url.replace("unix://", "unix://narrow:any@")), mask, threading.Event()
    )
    of.tick(1)
    assert of.schedules(Runs(), 1) == ()
    of.close()
    broker.acl_deluser("narrow")


@pytest.mark.parametrize(
    ("told", "spec"),
    [
        ({"__type__": "interval", "every": 90.0}, "every 1 min 30 s"),
        ({"__type__": "crontab", "minute": "*/5", "hour": [1, 2], "day_of_week": "mon-fri"}, "*/5 1,2 * * mon-fri"),
        ({"__type__": "rrule", "freq": 3, "interval": 1, "byhour": [9, 17]}, "FREQ=DAILY;BYHOUR=9,17"),
        ({"__type__": "rrule", "freq": "weekly", "byweekday": [{"__type__": "weekday", "wkday": 4}]}, "FREQ=weekly;BYDAY=FR"),
    ],
)  # fmt: skip
def test_a_schedule_is_said_as_it_was_written(told: Any, spec: str, mask: Mask) -> None:
    definition = json.dumps({"name": "n", "task": "shop.add", "schedule": told}).encode()
    assert entry_of("n", definition, None, mask).spec == spec


@pytest.mark.parametrize("schedule", [None, 5, {}, {"__type__": "os.system"}, {"__type__": "interval", "every": "1"}])
def test_a_schedule_of_an_unknown_kind_is_damage(schedule: Any, mask: Mask) -> None:
    with pytest.raises(Damaged):
        entry_of("n", json.dumps({"schedule": schedule}).encode(), None, mask)


@pytest.mark.parametrize(
    ("last", "ms"),
    [
        ({"timezone": "UTC"}, 1_772_442_000_000), ({"timezone": 3600.0}, 1_772_438_400_000),
        ({"timezone": "Europe/Berlin"}, 1_772_438_400_000), ({"timezone": "../../etc/passwd"}, None), ({"month": 13}, None),
        ({"year": 10**400}, None), ({"timezone": None}, None), ({"minute": "1"}, None),
    ],
    ids=lambda one: str(one)[:40],
)  # fmt: skip
def test_a_last_run_is_a_moment_or_not_known(last: dict[str, Any], ms: int | None, mask: Mask) -> None:
    moment = {"__type__": "datetime", "year": 2026, "month": 3, "day": 2, "hour": 9, "minute": 0} | last
    meta = json.dumps({"last_run_at": moment, "total_run_count": 3}).encode()
    definition = b'{"schedule": {"__type__": "interval", "every": 1}}'
    entry = entry_of("n", definition, meta, mask)
    assert (entry.last_ms, entry.runs) == (ms, 3)
