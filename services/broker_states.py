"""How each broker stands, for pages: whether it answers, why not, and what is known of it and since when."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.config.brokers import Engine
from core.site import Site
from services.alert_words import span
from services.brokers import standings
from services.brokers.following import PAUSES_S
from services.brokers.mirror_texts import name_of
from services.brokers.model import QueueNow, Snapshot, Standing

SILENT_S = 20
"""A follower notes how its broker stands every second or two; when the process that follows ends, another takes over after a dozen."""
RETRY_S = PAUSES_S[-1]
"""Once it has failed a few times."""


@dataclass(frozen=True, slots=True)
class BrokerState:
    """A broker. `why` is None where it answers, else it ends the sentence "unavailable, because …"; what is known of it is as old as
    `read_ms` then, None where nothing ever was. It has not answered since `since_ms`, None where nobody asked it yet, and is tried
    again every `retry_s`, None where nobody does. `notes` tell what is not known or not as it should be."""

    agent: str
    engine: Engine
    discovered: bool
    why: str | None
    since_ms: int | None
    retry_s: float | None
    read_ms: int | None
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str | None:
        """Why nothing can be asked of it; None where it answers."""
        return None if self.why is None else f"{self.agent} is unavailable, because {self.why}."


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


def away(site: Site, agents: Collection[str] = ()) -> dict[str, BrokerState]:
    """Those that are unavailable, by agent: of these agents, or all. Raises StoreError."""
    states = (broker.state for broker in brokers(site))
    return {one.agent: one for one in states if one.why is not None and (not agents or one.agent in agents)}


def _broker(one: Standing, now_ms: float) -> Broker:
    known, silent = one.snapshot, _silent(one, now_ms)
    state = BrokerState(
        agent=one.broker,
        engine=one.engine,
        discovered=one.discovered,
        why=silent or one.why,
        since_ms=one.since_ms or (one.at_ms if silent else None),
        retry_s=RETRY_S if one.why is not None and one.at_ms and not silent else None,
        read_ms=known.at_ms if known else None,
        notes=known.notes if known else (),
    )
    return Broker(state, known, {name_of(queue.name) or "": queue for queue in (known.queues if known else ())})


def _silent(one: Standing, now_ms: float) -> str | None:
    silent_s = (now_ms - one.at_ms) / 1000
    if one.at_ms and silent_s > SILENT_S:
        return (
            f"nothing was noted of it for {span(silent_s)}: no process of Headway follows it, or its own store is full"
        )
    return None
