"""The audit: an entry stands before anything is tried, and is settled by what came of it."""

from __future__ import annotations

import logging

import pytest

from core.site import Site
from core.store import StoreError
from services import audit_service
from services.audit_service import Who
from services.brokers.action_model import ActionRefused, Changed
from services.brokers.model import BrokerError

WHO = Who("token", "the admin token", "192.0.2.1")


def raises(fault: BaseException) -> object:
    raise fault


def test_each_end_is_settled_in_its_words(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headway.audit")
    for result, end, said in (
        ("done", lambda: "It was retried.", "It was retried."),
        (
            "changed",
            lambda: raises(Changed("finished")),
            "It has changed meanwhile: it is finished now. Nothing was done.",
        ),
        ("refused", lambda: raises(ActionRefused("It ended\nwell.")), "It ended\nwell."),
        ("failed", lambda: raises(BrokerError("it is away")), "Nobody knows whether it was done, because it is away."),
    ):
        entry = audit_service.noted(site, WHO, "retry", "job 7", end)  # type: ignore[arg-type]
        assert (entry.result, entry.said) == (result, said)
        assert audit_service.get(site, entry.number) == entry
    assert "the admin token from 192.0.2.1: retry on job 7: done. It was retried." in caplog.messages
    assert "It ended\\nwell." in caplog.text


def test_an_entry_stands_before_it_is_tried_and_stays_where_the_process_dies(site: Site) -> None:
    def dies() -> str:
        (entry,) = audit_service.page(site).items
        assert (entry.what, entry.on, entry.result, entry.settled_at) == ("stop", "job 7", "begun", None)
        raise KeyError("unforeseen")

    with pytest.raises(KeyError):
        audit_service.noted(site, WHO, "stop", "job 7", dies)
    (entry,) = audit_service.page(site).items
    assert (entry.result, entry.said) == ("failed", "KeyError")


def test_where_no_entry_can_be_begun_nothing_is_tried(site: Site) -> None:
    site.store.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreError):
            audit_service.noted(site, WHO, "stop", "job 7", lambda: pytest.fail("it was tried"))
    finally:
        site.store.redis.config_set("maxmemory", 0)


def test_the_last_are_kept_and_paged_through(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_service, "KEPT", 5)
    for number in range(1, 9):
        audit_service.begin(site, WHO, "retry", f"job {number}")
    newest = audit_service.page(site, limit=3)
    assert [entry.number for entry in newest.items] == [8, 7, 6]
    older = audit_service.page(site, limit=3, before=newest.next_cursor)
    assert [entry.number for entry in older.items] == [5, 4]
    assert older.next_cursor is None
    assert audit_service.get(site, 3) is None
    assert audit_service.page(site, before=1).items == ()
