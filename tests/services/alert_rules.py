"""What tests of alerts share: rules by their text, sites that declare them, and clocks that stand still."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from core import config
from core.config import Alert
from core.site import Site
from services import notifications_service
from services.alert_model import Standing
from services.alerts_service import alerts, check
from services.notification_model import Notification


class Clock:
    """Stands until it is moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def rules(text: str) -> tuple[Alert, ...]:
    return config.parse(text, {}).alerts


def rule(when: str, **besides: Any) -> Alert:
    """A rule of a `when` as in `kind = "queue_depth", above = 10`."""
    fields = "\n".join(f"{name.rstrip('_')} = {value!r}" for name, value in besides.items())
    return rules(f'[[alerts]]\nid = "rule"\nwhen = {{ {when} }}\n{fields}\n')[0]


def declaring(site: Site, text: str, clock: Clock) -> Site:
    """The site as a process has it whose headway.toml says this."""
    return replace(site, config=config.parse(text, {}), clock=clock)


def looked(site: Site, clock: Clock, by_s: float = 0.0) -> tuple[Standing, ...]:
    """Move on in steps of a duty, looking at each; how the rules stand then."""
    end = clock.now + by_s
    while clock.now < end:
        clock.now = min(clock.now + 5, end)
        check(site)
    if not by_s:
        check(site)
    return alerts(site)


def told(site: Site) -> list[str]:
    """The titles of all notifications, oldest first."""
    return [one.title for one in notes(site)]


def notes(site: Site) -> list[Notification]:
    items: Iterable[object] = reversed(notifications_service.page(site, limit=500).items)
    return [one for one in items if isinstance(one, Notification)]
