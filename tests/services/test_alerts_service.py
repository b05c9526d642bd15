"""Alerts on a real store: what is told, exactly once, whoever checks, and what stays of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from core import keys
from core.site import Site
from core.store import Store, StoreError
from services import alert_events, alerts_service, tiles_service
from services.alert_life import AWAY_S
from services.alerts_service import NoSuchAlert, alerts, check, firing, history, mute
from tests.conftest import Valkey
from tests.services.alert_rules import Clock, declaring, looked, notes, told
from tests.services.reports import create
from tests.services.reports import told as report

BACKLOG = """
[[alerts]]
id = "backlog"
title = "Too many wait"
when = { kind = "queue_depth", above = 2, clear = 0 }
severity = "error"
keep = "10s"
"""
HOUR_S = 3600.0


@pytest.fixture
def clock(site: Site) -> Clock:
    return Clock(site.clock())


def queued(site: Site, many: int = 3) -> None:
    for _ in range(many):
        create(site, title="waits")


def emptied(site: Site) -> None:
    site.store.redis.delete(keys.STATUS.at(0, "queued"), keys.AGENT_STATUS.at(0, "queued", "default"))


def test_firing_and_recovery_are_one_notification_each_with_value_since_when_and_link(site: Site, clock: Clock) -> None:
    site = declaring(site, BACKLOG, clock)
    looked(site, clock, 10)
    assert told(site) == []
    queued(site)
    (standing,) = looked(site, clock, 60)
    assert standing.shown == "firing"
    emptied(site)
    (standing,) = looked(site, clock, 60)
    assert standing.shown == "ok"
    fired, over = notes(site)
    assert (fired.title, over.title) == ("Firing: Too many wait", "Over: Too many wait")
    assert (fired.level, fired.source, fired.link) == (
        "error",
        "alert:backlog",
        "/dashboard/alerts#alert-backlog",
    )
    assert fired.body.startswith("3 jobs wait, since ")
    assert "Fires when more than 2 jobs wait; over when it is 0 or less for 10 s." in fired.body
    assert over.body.startswith("No jobs wait. It fired at ")
    assert over.level == "error", "who heard of the one hears of the other"
    assert [(line.what, line.value) for line in history(site)] == [("over", "No jobs wait"), ("fired", "3 jobs wait")]


def test_each_change_is_an_event(site: Site, clock: Clock) -> None:
    site = declaring(site, BACKLOG, clock)
    check(site)
    queued(site)
    looked(site, clock, 30)
    entries = [
        alert_events.decode(fields[b"k"]) for _, fields in site.store.raw.xrange(keys.EVENTS.at()) if b"k" in fields
    ]
    assert [(one.id, one.what, one.state) for one in entries] == [
        ("backlog", "first", "ok"),
        ("backlog", "moved", "firing"),
    ]


def together_with(others: threading.Barrier, member: Site) -> None:
    others.wait(30)
    check(member)


def test_two_that_check_at_once_tell_of_a_change_once(site: Site, clock: Clock) -> None:
    """Twenty changes of ten alerts, each checked by four processes' worth of connections at the same time."""
    text = "\n".join(BACKLOG.replace('"backlog"', f'"backlog{n}"').replace('"10s"', '"1ms"') for n in range(10))
    members = [replace(declaring(site, text, clock), store=Store(site.store.url)) for _ in range(4)]
    for turn in range(4):
        if turn % 2:
            emptied(site)
        else:
            queued(site)
        for _ in range(2):
            clock.now += 5
            together = threading.Barrier(len(members))

            threads = [threading.Thread(target=together_with, args=(together, member)) for member in members]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
    assert len(told(site)) == 4 * 10
    assert sum(title.startswith("Firing") for title in told(site)) == 2 * 10
    assert len(history(site, 1000)) == 4 * 10
    for member in members:
        member.store.close()


def test_a_later_leader_goes_on_where_the_former_stopped(site: Site, clock: Clock) -> None:
    text = BACKLOG + 'for = "30s"\n'
    former, later = (declaring(site, text, clock) for _ in range(2))
    queued(site)
    looked(former, clock, 20)
    assert alerts(later)[0].shown == "pending"
    looked(later, clock, 15)
    assert told(site) == ["Firing: Too many wait"]
    looked(former, clock, 60)
    assert told(site) == ["Firing: Too many wait"]


def test_while_the_store_is_away_nothing_changes_and_afterwards_not_everything_fires(
    own_valkey: Callable[..., Valkey], site: Site, clock: Clock
) -> None:
    fragile = own_valkey("--appendonly", "yes")
    text = """
    [[alerts]]
    id = "silent"
    when = { kind = "stalled_jobs", after = "2m" }
    [[alerts]]
    id = "none-done"
    when = { kind = "no_job", within = "2m" }
    [[alerts]]
    id = "nobody"
    when = { kind = "no_worker", within = "1m" }
    """
    here = declaring(replace(site, store=Store(fragile.url)), text, clock)
    report(here, create(here, title="at work"), stage="encode", progress=10)
    report(here, create(here, title="done"), status="completed")
    looked(here, clock, 60)
    fragile.stop()
    with pytest.raises(StoreError):
        check(here)
    clock.now += 600
    fragile.start()
    assert {one.shown for one in looked(here, clock)} == {"ok", "unknown"}
    looked(here, clock, 30)
    assert told(here) == []
    looked(here, clock, 120)
    assert sorted(told(here)) == ["Firing: No job completed", "Firing: Stalled jobs"], (
        "it is silence again, heard by somebody"
    )
    here.store.close()


def test_a_new_store_is_watched_for_a_while_before_its_silence_means_anything(site: Site, clock: Clock) -> None:
    site = declaring(site, '[[alerts]]\nid = "a"\nwhen = { kind = "no_job", within = "5m" }', clock)
    (standing,) = looked(site, clock, 290)
    assert standing.shown == "unknown"
    assert "has not watched for 5 min yet" in standing.record.unknown  # type: ignore[union-attr, operator]
    assert looked(site, clock, 20)[0].shown == "firing"


def test_a_broken_rule_takes_down_only_itself(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    text = BACKLOG + """
    [[alerts]]
    id = "wrong"
    when = { kind = "failed_jobs", above = 0 }
    [[alerts]]
    id = "lost"
    when = { kind = "stalled_jobs" }
    """  # fmt: skip
    site = declaring(site, text, clock)
    queued(site)
    for counted in (keys.MINUTE.at(0, int(clock.now // 60)), keys.HOUR.at(0, int(clock.now // 3600))):
        site.store.redis.set(counted, "no hash")
    broken = alerts_service.alert_readings.READERS | {type(site.config.alerts[2].when): lambda when, sources: 1 / 0}  # type: ignore[operator]
    monkeypatch.setattr(alerts_service.alert_readings, "READERS", broken)
    backlog, wrong, lost = looked(site, clock)
    assert (backlog.shown, wrong.shown, lost.shown) == ("firing", "unknown", "unknown")
    assert wrong.record.unknown == "the store answered WRONGTYPE"  # type: ignore[union-attr]
    assert lost.record.unknown == "it can't be checked (ZeroDivisionError): see the log"  # type: ignore[union-attr]


def test_a_damaged_record_begins_anew(site: Site, clock: Clock) -> None:
    site = declaring(site, BACKLOG, clock)
    site.store.redis.hset(keys.ALERTS.at(), "backlog", '{"state": 7')
    site.store.redis.set(keys.ALERT_WATCH.at(), "[]")
    queued(site)
    assert looked(site, clock)[0].shown == "firing"
    assert told(site) == ["Firing: Too many wait"]


def test_a_muted_alert_tells_nothing_until_its_mute_runs_out(site: Site, clock: Clock) -> None:
    site = declaring(site, BACKLOG, clock)
    queued(site)
    mute(site, "backlog", clock.now + 60)
    (standing,) = looked(site, clock, 55)
    assert standing.shown == "firing"
    assert standing.muted_until(clock.now)
    assert firing(site) == ()
    assert told(site) == []
    (standing,) = looked(site, clock, 10)
    assert standing.muted_until(clock.now) is None
    assert [one.rule.id for one in firing(site)] == ["backlog"]
    assert told(site) == ["Firing: Too many wait"]


def test_unmuting_tells_at_once_and_what_nobody_declares_can_not_be_muted(site: Site, clock: Clock) -> None:
    site = declaring(site, BACKLOG, clock)
    queued(site)
    mute(site, "backlog", clock.now + HOUR_S)
    looked(site, clock)
    mute(site, "backlog", None)
    looked(site, clock, 5)
    assert told(site) == ["Firing: Too many wait"]
    with pytest.raises(NoSuchAlert):
        mute(site, "another", clock.now + HOUR_S)


def test_muting_and_checking_at_once_lose_neither(site: Site, clock: Clock) -> None:
    site = declaring(site, BACKLOG, clock)
    looked(site, clock)
    ending = threading.Event()

    def keep_checking() -> None:
        while not ending.is_set():
            check(site)

    thread = threading.Thread(target=keep_checking)
    thread.start()
    try:
        for turn in range(50):
            until = clock.now + HOUR_S + turn
            mute(site, "backlog", until)
            assert alerts(site)[0].record.muted_until == until  # type: ignore[union-attr]
    finally:
        ending.set()
        thread.join(30)


def test_of_a_rule_that_is_declared_no_more_nothing_stays_but_its_history(site: Site, clock: Clock) -> None:
    queued(site)
    looked(declaring(site, BACKLOG, clock), clock)
    without = declaring(site, "", clock)
    check(without)
    assert site.store.redis.hgetall(keys.ALERTS.at()) == {}
    assert told(site) == ["Firing: Too many wait"]
    assert [line.what for line in history(site)] == ["removed", "fired"]


def test_history_older_than_it_is_kept_goes(site: Site, clock: Clock) -> None:
    text = BACKLOG + '[retention]\nalerts = "1h"\n'
    site = declaring(site, text, clock)
    queued(site)
    looked(site, clock)
    clock.now += HOUR_S - 60
    emptied(site)
    looked(site, clock, 30)
    assert [line.what for line in history(site)] == ["over", "fired"]
    clock.now += 120
    looked(site, clock)
    assert [line.what for line in history(site)] == ["over"]


def test_what_does_not_change_is_seldom_written(site: Site, clock: Clock) -> None:
    site = declaring(site, BACKLOG, clock)
    check(site)
    before = site.store.redis.hget(keys.ALERTS.at(), "backlog")
    clock.now += 5
    check(site)
    assert site.store.redis.hget(keys.ALERTS.at(), "backlog") == before
    clock.now += 10
    check(site)
    assert site.store.redis.hget(keys.ALERTS.at(), "backlog") != before
    assert AWAY_S > 2 * alerts_service.WRITE_S


def test_a_tile_that_can_not_be_read_keeps_what_fires(site: Site, clock: Clock) -> None:
    text = """
    [[tiles]]
    id = "users"
    source = { kind = "sql", query = "select 1", url = "sqlite:///x" }
    [[alerts]]
    id = "many"
    when = { kind = "tile", tile = "users", above = 5 }
    [[alerts]]
    id = "dead"
    when = { kind = "tile_unavailable", tile = "users" }
    """
    site = declaring(site, text, clock)
    tiles_service.note_value(site, "users", 7, 0.1)
    many, dead = looked(site, clock)
    assert (many.shown, dead.shown) == ("firing", "ok")
    tiles_service.note_failure(site, "users", "the server is gone", 0.1)
    many, dead = looked(site, clock, 10)
    assert (many.shown, dead.shown) == ("firing", "firing")
    assert many.record.unknown == "the tile is unavailable: the server is gone"  # type: ignore[union-attr]
    assert told(site) == ["Firing: Users above 5", "Firing: Users unavailable"]


def test_where_no_rule_is_declared_nobody_is_asked(site: Site) -> None:
    asked = replace(site, store=Store("unix:///tmp/no-such-socket"))
    assert firing(asked) == ()
    assert alerts(asked) == ()
