"""Scrapes the declared targets: the duty `targets` of one process."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from core import native
from core.config import Target
from core.site import Site
from services import polling, targets_service
from services.scraping import scrape
from services.target_pulse import Counters, Figures, Pulse, counters

log = logging.getLogger("headway.targets")


class TargetPoller:
    def __init__(self) -> None:
        self._polled: dict[str, Polled] = {}

    def run(self, site: Site) -> None:
        """Begin what is due, give up what takes too long. Takes no time of its own, and raises nothing of the store's."""
        for target in site.config.targets:
            polled = self._polled.get(target.name) or self._polled.setdefault(target.name, Polled(target))
            polled.tend(site)


@dataclass(frozen=True)
class Heard:
    counters: Counters
    figures: Figures | None


class Polled(polling.Polled):
    backs_off = False  # how soon it is seen to be up again is what it is asked for

    def __init__(self, target: Target) -> None:
        super().__init__(f"target {target.name}", target.every, target.timeout, log)
        self._target = target
        self._pulse = Pulse()

    def ask(self, site: Site) -> Heard:
        found = scrape(site, self._target.url, self._target.headers, float(self._target.timeout))
        now = native.run(counters, found, self._target, time.monotonic())
        return Heard(now, self._pulse.beat(now))

    def note_answer(self, site: Site, answer: Heard, took_s: float) -> None:
        told = answer.counters
        targets_service.note_scrape(site, self._target, answer.figures, told.found, told.missing, took_s)

    def note_failure(self, site: Site, why: str, took_s: float) -> None:
        self._pulse = Pulse()
        targets_service.note_failure(site, self._target, why, took_s)
