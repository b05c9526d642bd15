"""What an agent's stages usually take, by the last durations that the store keeps of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from core import keys
from core.site import Site

ORDER = b""
"""The field that holds the stages of the agent's newest completed job."""
LOW, MIDDLE, HIGH = 0.15, 0.5, 0.85
"""The shares of past durations that lie under what is called short, usual and long."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """How long something takes, in seconds: seldom less than `low`, usually `usual`, seldom more than `high`; of `seen` times."""

    low: float
    usual: float
    high: float
    seen: int


@dataclass(frozen=True, slots=True)
class Usual:
    """An agent's stages: in the order of its newest completed job, each once, and the durations of each in seconds,
    shortest first."""

    order: tuple[str, ...]
    lasted: Mapping[str, tuple[float, ...]]

    def stretch(self, stage: str) -> Stretch | None:
        """How long a stage takes; None where it was never passed."""
        return _stretch(self.lasted.get(stage, ()))

    def of_those_over(self, stage: str, seconds: float) -> Stretch | None:
        """How long a stage takes in all once it has gone on for so long; None where it never took longer."""
        return _stretch(tuple(one for one in self.lasted.get(stage, ()) if one > seconds))

    def after(self, passed: Sequence[str]) -> tuple[str, ...] | None:
        """The stages that usually follow after these, of which the last one goes on; None where that one is not known."""
        if passed[-1] not in self.order:
            return None
        coming = self.order[self.order.index(passed[-1]) + 1 :]
        return tuple(stage for stage in coming if stage not in passed)


NOTHING = Usual((), {})


def of(site: Site, agents: Iterable[str]) -> dict[str, Usual]:
    """What is known of each agent, in one round trip. Raises redis.RedisError."""
    names = list(dict.fromkeys(agents))
    if not names:
        return {}
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hgetall(keys.STAGE_TIMES.at(site.store.partition_of(name), name))
        found = pipeline.execute(raise_on_error=False)
    return {name: _usual(fields) for name, fields in zip(names, found, strict=True)}


_order = msgspec.msgpack.Decoder(list[str]).decode
_durations = msgspec.msgpack.Decoder(list[float]).decode


def _usual(fields: object) -> Usual:
    """What stands in the store may be another's: what can't be read is as if it were not there."""
    if not isinstance(fields, dict):
        return NOTHING
    order: tuple[str, ...] = ()
    lasted: dict[str, tuple[float, ...]] = {}
    for field, packed in fields.items():
        try:
            if field == ORDER:
                order = tuple(_order(packed))
            else:
                lasted[field.decode()] = tuple(sorted(max(ms, 0.0) / 1000 for ms in _durations(packed)))
        except ValueError:
            continue
    return Usual(order, lasted)


def _stretch(lasted: tuple[float, ...]) -> Stretch | None:
    if not lasted:
        return None
    return Stretch(quantile(lasted, LOW), quantile(lasted, MIDDLE), quantile(lasted, HIGH), len(lasted))


def quantile(lasted: tuple[float, ...], share: float) -> float:
    """The value under which so large a share of these, shortest first, lies; between two of them where it must."""
    place = share * (len(lasted) - 1)
    below = math.floor(place)
    above = min(below + 1, len(lasted) - 1)
    return lasted[below] + (lasted[above] - lasted[below]) * (place - below)
