"""How each broker stands, for pages: whether it answers, why not, and what is known of it and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.config.brokers import Engine
from core.site import Site
from services.alert_words import span
from services.brokers import standings
from services.brokers.mirror_texts import name_of
from services.brokers.model import QueueNow, Snapshot, Standing

SILENT_S = 20
"""A follower notes how its broker stands every second or two; when the process that follows ends, another takes over after a dozen."""


@dataclass(frozen=True, slots=True)
class BrokerState:
    """A broker. `why` is None where it answers, else it ends the sentence "unavailable, because …"; what is known of it is as old as
    `read_ms` then, None where nothing ever was. `notes` tell what is not known or not as it should be."""

    agent: str
    engine: Engine
    discovered: bool
    why: str | None
    read_ms: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker and what was last read of it. `queues` are by the name that their jobs' records have, which a queue's own name is on
    one line and not too long."""

    state: BrokerState
    snapshot: Snapshot | None
    queues: Mapping[str, QueueNow]


def brokers(site: Site) -> tuple[Broker, ...]:
    """All that are declared, then the discovered. Raises StoreError."""
    return tuple(_broker(one, site.clock() * 1000) for one in standings.read(site))


def _broker(one: Standing, now_ms: float) -> Broker:
    known = one.snapshot
    state = BrokerState(
        agent=one.broker,
        engine=one.engine,
        discovered=one.discovered,
        why=_why(one, now_ms),
        read_ms=known.at_ms if known else None,
        notes=known.notes if known else (),
    )
    return Broker(state, known, {name_of(queue.name) or "": queue for queue in (known.queues if known else ())})


def _why(one: Standing, now_ms: float) -> str | None:
    silent_s = (now_ms - one.at_ms) / 1000
    if one.at_ms and silent_s > SILENT_S:
        return (
            f"nothing was noted of it for {span(silent_s)}: no process of Headway follows it, or its own store is full"
        )
    return one.why
