"""How notifications get out of the house: to real webhooks, with a clock that stands still."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from core.config import Config
from core.site import Site
from services import notification_lane, notifications_service
from services.notification_lane import LEASE_S, MOST_STUCK, MOST_TRIES, REST_S
from services.notification_model import NewNotification, Notification
from services.notification_sender import Sender
from tests.conftest import wait_until
from tests.services.channels import Receiver, configured, receiver


class Post:
    """A site with channels, its sender, and its clock."""

    def __init__(self, site: Site, config: Config) -> None:
        self.now = 1_795_000_000.0
        self.site = replace(site, config=config, clock=lambda: self.now)
        self.sender = Sender(self.site)

    def note(self, title: str = "hello", **said: str) -> str:
        return notifications_service.create(self.site, NewNotification(title, **said)).notification.id  # type: ignore[arg-type]

    def run(self) -> None:
        """What the duty does, and what its threads do, to their end."""
        self.sender.run(self.site)
        for lane in self.sender._lanes:
            lane.join(30)

    def later(self, seconds: float) -> None:
        self.now += seconds

    def get(self, id: str) -> Notification:
        found = notifications_service.get(self.site, id)
        assert isinstance(found, Notification)
        return found


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def post(site: Site) -> Callable[..., Post]:
    return lambda *channels, allow="127.0.0.1": Post(site, configured(*channels, outgoing=f'allow = ["{allow}"]'))


def ops(hook: Receiver, more: str = "", name: str = "ops") -> str:
    return f'name = "{name}"\nurl = "{hook.url}"\n{more}'


def test_one_goes_out_under_its_own_title_with_its_id(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    id = site.note("Disk full", body="91 %", level="error")
    site.run()
    (came,) = hook.came
    assert (came.title, came.type, came.ids) == ("Disk full", "failure", [id])
    assert came.body == f"91 %\n\nNotification {id}"
    sent = site.get(id)
    assert (sent.state, sent.channel, sent.deliveries[0].tries) == ("sent", "ops", 1)
    site.run()
    assert len(hook.came) == 1


def test_what_waits_goes_out_as_one_message_of_twenty_at_most(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    ids = [site.note(f"number {n}", level="warning" if n == 3 else "info") for n in range(25)]
    site.run()
    first, second = hook.came
    assert first.ids + second.ids == ids
    assert len(first.ids) == 20
    assert first.title == "20 notifications from 127.0.0.1:8000: 1 warning, 19 info"
    assert first.type == "warning"
    assert f"[warning] number 3\nNotification {ids[3]}" in first.body
    assert notifications_service.counts(site.site).sent == 25


def test_each_channel_gets_its_levels_and_a_named_one_gets_it_in_any_case(
    hook: Receiver, other: Receiver, post: Callable[..., Post]
) -> None:
    site = post(ops(hook, 'levels = ["error"]'), ops(other, name="all"))
    loud, quiet, named = site.note(level="error"), site.note(), site.note(channel="ops")
    site.run()
    assert [id for came in hook.came for id in came.ids] == [loud, named]
    assert [id for came in other.came for id in came.ids] == [loud, quiet]
    assert (site.get(loud).channel, site.get(quiet).channel) == (None, "all")


def test_the_log_tells_once_that_a_channel_takes_nothing_and_once_that_it_does_again(
    hook: Receiver, post: Callable[..., Post], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "headway")
    site = post(ops(hook))
    hook.statuses = [500] * 3
    site.note()
    for _ in range(4):
        site.run()
        site.later(3600)
    said = [record.getMessage() for record in caplog.records if "channel ops" in record.getMessage()]
    assert [line.split(":")[0] for line in said] == [
        "The channel ops took nothing of 1",
        "The channel ops takes notifications again",
    ]


@pytest.mark.parametrize("channel", [None, "page"])
def test_without_a_channel_that_takes_it_a_notification_counts_as_sent_on_the_page(
    channel: str | None, hook: Receiver, post: Callable[..., Post]
) -> None:
    site = post(ops(hook, 'levels = ["error"]'))
    id = site.note(**({"channel": channel} if channel else {}))
    site.run()
    assert (site.get(id).state, site.get(id).channel, hook.came) == ("sent", "page", [])


def test_a_service_that_fails_is_tried_again_ever_later_and_then_given_up(
    hook: Receiver, post: Callable[..., Post]
) -> None:
    site = post(ops(hook))
    hook.statuses = [500] * MOST_TRIES
    id = site.note()
    pauses = []
    for tries in range(1, MOST_TRIES):
        site.run()
        (delivery,) = site.get(id).deliveries
        assert (delivery.state, delivery.tries, delivery.error) == (
            "waiting", tries, "the service answered 500 Internal Server Error",
        )  # fmt: skip
        assert delivery.due_at is not None
        pauses.append(delivery.due_at.timestamp() - site.now)
        site.now = delivery.due_at.timestamp() - 0.001
        site.run()
        assert len(hook.came) == tries
        site.later(0.002)
    for pause, usual in zip(pauses, [30, 90, 270, 810, 2430, 3600, 3600], strict=True):
        assert usual * 0.79 < pause < usual * 1.21
    site.run()
    dead = site.get(id)
    assert (dead.state, dead.deliveries[0].state, len(hook.came)) == ("failed", "failed", MOST_TRIES)
    assert notifications_service.counts(site.site).failed == 1
    site.later(86_400)
    site.run()
    assert len(hook.came) == MOST_TRIES


def test_a_failed_one_can_be_sent_again_to_the_channels_that_did_not_take_it(
    hook: Receiver, other: Receiver, post: Callable[..., Post]
) -> None:
    site = post(ops(hook), ops(other, name="mail"))
    id = site.note()
    hook.statuses = [500] * MOST_TRIES
    for _ in range(MOST_TRIES):
        site.run()
        site.later(5000)
    assert site.get(id).state == "failed"
    resent = notifications_service.resend(site.site, id)
    assert resent is not None and resent.kind == "pending"
    site.run()
    assert site.get(id).state == "sent"
    assert (len(hook.came), len(other.came)) == (MOST_TRIES + 1, 1)
    again = notifications_service.resend(site.site, id)
    assert again is not None and again.kind == "kept"


def test_a_flapping_service_gets_each_one_once_it_takes_it(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    hook.statuses = [503, 200, 500, 200, 429, 200]
    ids = []
    for n in range(3):
        ids.append(site.note(f"number {n}"))
        site.run()
        site.later(4000)
        site.run()
    assert [site.get(id).state for id in ids] == ["sent"] * 3
    assert [came.ids for came in hook.came] == [[id] for id in ids for _ in range(2)]


def test_a_channel_that_just_failed_rests_whatever_comes_for_it(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    hook.statuses = [500]
    site.note()
    site.run()
    site.note("later")
    site.run()
    assert len(hook.came) == 1
    site.later(REST_S * 2)
    site.run()
    assert len(hook.came) == 2


def test_a_clock_that_is_set_back_makes_no_channel_rest_for_longer(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    hook.statuses = [500]
    site.note()
    site.run()
    site.later(-3600)
    site.note("later")
    site.run()
    assert [came.title for came in hook.came] == ["hello", "later"]


def test_one_that_keeps_failing_does_not_keep_the_others_back(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    ids = [site.note("one"), site.note("two")]
    hook.statuses = [500] * 3
    for _ in range(3):
        site.run()
        site.later(5000)
    site.run()
    assert [came.ids for came in hook.came] == [ids, ids, ids, [ids[0]], [ids[1]]]


def test_a_hanging_service_holds_up_no_other_and_not_the_duty(
    hook: Receiver, other: Receiver, post: Callable[..., Post]
) -> None:
    site = post(ops(hook), ops(other, name="mail"))
    hook.hold = True
    site.note()
    site.sender.run(site.site)
    hook.wait_for(1)
    other.wait_for(1)
    site.note("second")
    site.sender.run(site.site)
    wait_until(lambda: site.sender.run(site.site) or len(other.came) == 2)
    assert len(hook.came) == 1
    hook.release()
    site.sender.end(10)


def test_what_lies_in_a_private_network_is_reached_only_where_it_is_allowed(
    hook: Receiver, post: Callable[..., Post]
) -> None:
    site = post(ops(hook), allow="10.0.0.0/8")
    id = site.note()
    site.run()
    assert hook.came == []
    assert site.get(id).error == (
        "ops: its address is not in the public network: name it in allow of [outgoing] in headway.toml"
    )


def test_who_does_not_answer_in_time_is_given_up_for_now(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    (lane,) = site.sender._lanes
    lane._outlet._service.socket_read_timeout = 0.2
    hook.hold = True
    id = site.note()
    site.run()
    assert site.get(id).error == "ops: the service did not answer within 0.2 s"


def test_nothing_of_an_address_stands_in_the_log_or_the_record(
    hook: Receiver, post: Callable[..., Post], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    site = post(ops(hook), 'name = "gone"\nurl = "json://user:geheimnis@127.0.0.1:1/xyzzytoken"')
    hook.statuses = [404]
    id = site.note()
    site.run()
    assert sorted(one.error for one in site.get(id).deliveries if one.error) == [
        "the service answered 404 Not Found",
        "the service can't be reached",
    ]
    assert not logging.getLogger("apprise").propagate
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("headway"))
    assert "The channel ops took nothing" in said
    for told in (said, *capfd.readouterr(), str(site.get(id))):
        assert "geheimnis" not in told and "xyzzytoken" not in told


def test_what_a_dead_sender_held_is_sent_when_its_lease_is_over_and_says_so(
    hook: Receiver, post: Callable[..., Post]
) -> None:
    site = post(ops(hook))
    id = site.note()
    hook.hold = True
    site.sender.run(site.site)
    hook.wait_for(1)  # it never notes how that went
    assert (site.get(id).state, site.get(id).deliveries[0].due_at) == ("pending", None)
    (stuck,) = site.sender._lanes
    heir = post(ops(hook))
    heir.run()
    assert len(hook.came) == 1
    heir.later(LEASE_S)
    hook.hold, hook.statuses = False, [200]
    heir.run()
    first, second = hook.came
    assert first.ids == second.ids == [id]
    assert "headway-may-be-repeated" not in first.headers
    assert second.headers["headway-may-be-repeated"] == "yes"
    assert second.body == f"Notification {id}, may be repeated"
    hook.release()
    stuck.join(30)  # what it has to tell comes too late to count
    assert heir.get(id).deliveries[0].may_be_repeated
    assert (heir.get(id).state, notifications_service.counts(heir.site).sent) == ("sent", 1)


def test_two_senders_never_send_the_same_one(hook: Receiver, post: Callable[..., Post]) -> None:
    site, rival = post(ops(hook)), post(ops(hook))
    ids = [site.note(f"number {n}") for n in range(100)]
    for _ in range(3):
        site.sender.run(site.site)
        rival.sender.run(rival.site)
        for lane in (*site.sender._lanes, *rival.sender._lanes):
            lane.join(30)
    sent = [id for came in hook.came for id in came.ids]
    assert sorted(sent) == sorted(ids)


def test_quiet_hours_keep_all_but_some_levels_until_they_are_over(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook, 'quiet = { since = "22:00", until = "07:00", zone = "Europe/Berlin" }'))
    site.now = 1_795_303_800.0  # 2026-11-22 00:30 in Berlin
    waits, passes = site.note("waits"), site.note("passes", level="error")
    notifications_service.send_test(site.site)
    site.run()
    assert [came.title for came in hook.came] == ["2 notifications from 127.0.0.1:8000: 1 error, 1 info"]
    assert passes in hook.came[0].ids
    (delivery,) = site.get(waits).deliveries
    assert delivery.due_at is not None
    assert delivery.due_at.isoformat() == "2026-11-22T06:00:00+00:00"
    assert delivery.tries == 0
    site.now = delivery.due_at.timestamp()
    site.run()
    assert hook.came[1].ids == [waits]


def test_what_waits_for_a_channel_that_is_gone_is_given_up(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    hook.statuses = [500]
    id = site.note()
    site.run()
    named = site.note(channel="ops")
    gone = post()
    gone.run()
    for one in (id, named):
        assert (gone.get(one).state, gone.get(one).error) == ("failed", "ops: no such channel is configured any more")


def test_what_is_under_way_is_finished_as_the_process_ends(hook: Receiver, post: Callable[..., Post]) -> None:
    site = post(ops(hook))
    hook.hold = True
    ids = [site.note(f"number {n}") for n in range(30)]
    site.sender.run(site.site)
    hook.wait_for(1)
    hook.release()
    site.sender.end(30)
    assert [site.get(id).state for id in ids] == ["sent"] * 20 + ["pending"] * 10


def test_a_thread_that_hangs_for_longer_than_a_lease_is_replaced_but_not_for_ever(
    hook: Receiver, post: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_lane, "LEASE_S", 0.0)
    site = post(ops(hook))
    hook.hold = True
    site.note()
    for many in range(1, MOST_STUCK + 2):
        site.later(1)
        site.sender.run(site.site)
        assert len(hook.wait_for(many)) == many
    site.later(1)
    site.sender.run(site.site)
    assert len(hook.came) == MOST_STUCK + 1
    hook.release()
    site.sender.end(30)
