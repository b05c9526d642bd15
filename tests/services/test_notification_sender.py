"""How notifications get out of the house: to real webhooks, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from core.config import parse
from core.site import Site
from services import notifications_service
from services.notification_lane import LEASE_S, MOST_TRIES, REST_S
from services.notification_model import NewNotification, Notification
from services.notification_sender import Sender
from tests.conftest import wait_until
from tests.services.channels import Receiver, receiver


class Post:
    """A site with channels, its sender, and its clock."""

    def __init__(self, site: Site, declared: str) -> None:
        self.now = 1_795_000_000.0
        config = parse(declared, {})
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
    return lambda *channels, allow="127.0.0.1": Post(site, declared(*channels, allow=allow))


def declared(*channels: str, allow: str = "127.0.0.1") -> str:
    return "\n".join([*(f"[[channels]]\n{one}" for one in channels), f'[outgoing]\nallow = ["{allow}"]'])


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
