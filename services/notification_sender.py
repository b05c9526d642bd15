"""The duty that sends notifications. Each channel has a thread of its own, so that one which hangs holds up no other.

What waits for a channel is claimed by the script `sending`, for as long as a lease, and told when it was sent. A process that dies
between the two leaves the lease behind: when that is over it is sent again, and says that it may be repeated. So each
notification is sent at least once.
"""

from __future__ import annotations

import time

from core import keys
from core.config import ConfigError
from core.outlets import AddressRefused, Outlet
from core.site import Site
from services import notifications_service
from services.notification_lane import Lane

EVERY_S = 1.0
ROUTED = 500
STRAND_EVERY_S = 300.0
"""How often it is looked for what waits for a channel that is configured no more."""


class Sender:
    """One a process; works while that leads. Raises ConfigError for an address that Apprise can't send to."""

    def __init__(self, site: Site) -> None:
        self._strand_at = float("-inf")
        try:
            self._lanes = [Lane(site, Outlet.of(channel, site.config.outgoing)) for channel in site.config.channels]
        except AddressRefused as fault:
            raise ConfigError(f"[[channels]] url: {fault}") from None

    def run(self, site: Site) -> None:
        """Find the channels of what is new, and wake those that have something to send. Raises StoreError."""
        now = round(site.clock() * 1000)
        channels = [
            {"name": channel.name, "levels": dict.fromkeys(channel.levels, True)} for channel in site.config.channels
        ]
        call = {"o": "route", "now": now, "channels": channels, "most": ROUTED}
        while site.store.scripts.run("sending", 0, call) == ROUTED:
            pass
        notifications_service.prune(site)
        if time.monotonic() >= self._strand_at:
            names = dict.fromkeys((lane.name for lane in self._lanes), True)
            site.store.scripts.run("sending", 0, {"o": "strand", "now": now, "channels": names})
            self._strand_at = time.monotonic() + STRAND_EVERY_S
        if not self._lanes:
            return
        with site.store.redis.pipeline(transaction=False) as pipeline:
            for lane in self._lanes:
                pipeline.zcount(keys.NOTIFICATION_QUEUE.at(0, lane.name), "-inf", now)
            due = pipeline.execute()
        for lane, many in zip(self._lanes, due, strict=True):
            if many:
                lane.wake()

    def end(self, within_s: float) -> None:
        """Let what is being sent come to its end, so that it need not be sent again."""
        until = time.monotonic() + within_s
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            lane.join(until - time.monotonic())
