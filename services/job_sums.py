"""What the counters of minutes and hours say of each step of a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf

import msgspec

from core.site import Site
from services.windows import HOUR_S, MINUTE_S, Window

MINUTES_KEPT_S = 25 * HOUR_S
HOURS_KEPT_S = 91 * 24 * HOUR_S
"""The 90 days that charts reach back, and what a window of them is widened by."""
DEEPEST = "depth_max"
MOST_HASHES = 180
"""Minutes or hours that are summed in one call: it holds up others in the store for a few milliseconds at most."""

Sums = dict[str, float]
"""The counters of a step by name. What is only known of a longer time is spread evenly over its steps, so there are fractions."""


def sums(site: Site, window: Window, now: float) -> list[Sums]:
    """The counters of each step, of all partitions together: of minutes as long as they are kept, else of hours.

    Raises redis.RedisError.
    """
    step_s = window.step_s
    if step_s % HOUR_S == 0:
        forgotten = min(max(int(now - HOURS_KEPT_S - window.start) // step_s, 0), window.steps)
        unread: list[Sums] = [{} for _ in range(forgotten)]
        return unread + _read(site, HOUR_S, window.start + forgotten * step_s, step_s, window.steps - forgotten)
    border = min(max(window.start, _minutes_from(now)), window.end)
    found = [*_spread(site, HOUR_S, window, window.start, border, now)]
    if step_s % MINUTE_S == 0:
        return found + _read(site, MINUTE_S, border, step_s, (window.end - border) // step_s)
    return [*found, *_spread(site, MINUTE_S, window, border, window.end, now)]


def fine_from(step_s: int, now: float) -> float:
    """From when on steps so long are counted by themselves: before, they are shares of an hour, or forgotten. Infinite where
    they always are shares."""
    if step_s % HOUR_S == 0:
        return now - HOURS_KEPT_S
    return _minutes_from(now) if step_s % MINUTE_S == 0 else inf


def _minutes_from(now: float) -> int:
    return -int(-(now - MINUTES_KEPT_S) // HOUR_S) * HOUR_S


def total(steps: Iterable[Mapping[str, float]]) -> Sums:
    """The steps' counters together; of `depth_max` it is the largest."""
    whole: Sums = {}
    for step in steps:
        _add(whole, step)
    return whole


def _spread(site: Site, unit_s: int, window: Window, start: int, end: int, now: float) -> Iterator[Sums]:
    """The steps from `start` to `end`, several to a unit: each has its share of what the unit counted up to now."""
    if start >= end:
        return
    first = start // unit_s * unit_s
    units = _read(site, unit_s, first, unit_s, -(-(end - first) // unit_s))
    for began, counted in zip(range(first, end, unit_s), units, strict=True):
        steps = range(began, began + unit_s, window.step_s)
        begun = sum(step <= now for step in steps) or 1
        share = {name: value if name == DEEPEST else value / begun for name, value in counted.items()}
        yield from ({} if step > now else share for step in steps if start <= step < end)


def _read(site: Site, unit_s: int, start: int, step_s: int, steps: int) -> list[Sums]:
    """The counters of so many steps from `start` on, each of one unit (an hour or a minute) or more."""
    each = step_s // unit_s
    at_once = max(MOST_HASHES // each, 1)
    found: list[Sums] = [{} for _ in range(steps)]
    for partition in range(site.store.partitions):
        for begin in range(0, steps, at_once):
            call = {
                "hours": unit_s == HOUR_S,
                "first": start // unit_s + begin * each,
                "each": each,
                "steps": min(at_once, steps - begin),
            }
            answer = site.store.scripts.run("series", partition, call)
            for into, more in zip(found[begin:], _decode(answer), strict=False):
                _add(into, more)
    return found


def _add(into: Sums, more: Mapping[str, float]) -> None:
    for name, value in more.items():
        before = into.get(name, 0)
        into[name] = max(before, value) if name == DEEPEST else before + value


_decode = msgspec.msgpack.Decoder(list[dict[str, int]]).decode
