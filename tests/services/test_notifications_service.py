"""Notifications in a real store: what their entries tell, what is kept, and what somebody else spoiled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from core import keys
from core.event_log import placed
from core.site import Site
from services import notifications_service
from services.notification_events import NotificationEvent
from services.notification_model import DamagedNotification, NewNotification
from services.notification_sender import Sender
from services.notifications_service import Counts, counts, page, prune


def note(site: Site, title: str = "hello", **said: Any) -> str:
    return notifications_service.create(site, NewNotification(title, **said)).notification.id


def send(site: Site) -> None:
    Sender(site).run(site)


def test_each_new_one_and_each_change_of_a_state_has_its_entry(site: Site) -> None:
    id = note(site, "hello", body="text", level="warning")
    send(site)
    send(site)
    entries, _, _ = site.bus.log.tail(0, 10)
    told = [entry.value for entry in entries]
    assert [entry.kind for entry in entries] == ["n", "n"]
    assert all(isinstance(one, NotificationEvent) for one in told)
    assert [(one.kind, one.id, one.state, one.channel) for one in told] == [
        ("created", id, "pending", ""),
        ("changed", id, "sent", "page"),
    ]
    assert (told[0].title, told[0].body, told[0].level, told[0].number) == ("hello", "text", "warning", 1)
    assert abs(told[0].created_ms / 1000 - site.clock()) < 60


def test_everybody_who_hears_the_bus_can_take_them(app: Flask, site: Site) -> None:
    note(site)
    entries, before, _ = site.bus.log.tail(0, 10)
    assert len(site.bus._listeners) >= 5
    for listener in site.bus._listeners:
        listener.entries(placed(entries, [before]))


def test_counts_come_from_a_counter_and_from_indexes(site: Site) -> None:
    assert counts(site) == Counts(sent=0, pending=0, failed=0)
    note(site)
    assert counts(site) == Counts(sent=0, pending=1, failed=0)
    send(site)
    note(site, level="error")
    assert counts(site) == Counts(sent=1, pending=1, failed=0)


def test_old_ones_go_and_what_waits_stays(site: Site) -> None:
    ids = [note(site, f"number {n}") for n in range(3)]
    send(site)
    waiting = note(site)
    later = replace(site, clock=lambda: site.clock() + site.config.retention.notifications + 60)
    assert prune(site) == 0
    assert prune(later) == 3
    assert [one.id for one in page(site).items] == [waiting]
    assert all(notifications_service.get(site, id) is None for id in ids)
    assert counts(site) == Counts(sent=3, pending=1, failed=0)


def test_the_oldest_go_beyond_a_number(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications_service, "KEPT", 4)
    ids = [note(site, f"number {n}") for n in range(7)]
    send(site)
    assert [one.id for one in page(site).items] == ids[:2:-1]
    assert site.store.redis.hlen(keys.NOTIFICATION.at()) == page(site).total == 4


def test_a_spoilt_record_shows_as_damaged_and_holds_up_no_other(site: Site) -> None:
    spoilt, lost, good = note(site), note(site), note(site)
    site.store.redis.hset(keys.NOTIFICATION.at(), spoilt, "garbage")
    site.store.redis.hdel(keys.NOTIFICATION.at(), lost)
    assert page(site).items[1:] == (DamagedNotification(lost), DamagedNotification(spoilt))
    send(site)
    assert [(one.id, getattr(one, "state", None)) for one in page(site).items] == [(good, "sent")]
    assert counts(site).pending == 0
