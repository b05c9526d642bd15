"""How each broker stands, for pages, metrics and alerts of any process: its last snapshot, and why there is no newer one.

What Headway's store raises passes through.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from core import keys
from core.site import Site
from services.brokers.model import Snapshot, Standing

NOT_YET = "Headway has not asked it yet"

_decode = msgspec.json.Decoder(Standing).decode


def note(site: Site, standing: Standing) -> None:
    """Keep how a broker stands. One without a snapshot keeps the one before, which pages show as old; one that does not answer, since
    when that is so. Raises StoreError."""
    if standing.snapshot is None:
        former = _last(site, standing.broker)
        since_ms = former.since_ms if former and former.why is not None else None
        standing = msgspec.structs.replace(
            standing,
            snapshot=former.snapshot if former else None,
            since_ms=since_ms or standing.at_ms,
        )
    site.store.raw.hset(keys.BROKERS.at(), standing.broker, msgspec.json.encode(standing))


def read(site: Site) -> tuple[Standing, ...]:
    """All brokers: the declared in their order, then the discovered. One that was never asked says so. Raises StoreError."""
    noted = _noted(site)
    declared = {
        broker.agent: Standing(broker=broker.agent, engine=broker.kind, discovered=False, at_ms=0, why=NOT_YET)
        for broker in site.config.queues
    }
    found = {name: noted[name] for name in sorted(noted) if name in declared or noted[name].discovered}
    return tuple({**declared, **found}.values())


def of(site: Site, agent: str) -> Standing | None:
    """The broker whose jobs are this agent's; None where that is no broker. Raises StoreError."""
    return next((one for one in read(site) if one.broker == agent), None)


def keep_only(site: Site, agents: Collection[str]) -> None:
    """Forget all others. Raises StoreError."""
    if former := set(site.store.redis.hkeys(keys.BROKERS.at())) - set(agents):
        site.store.redis.hdel(keys.BROKERS.at(), *former)


def last_snapshot(site: Site, agent: str) -> Snapshot | None:
    """What was noted last, however long ago and whatever came since. Raises StoreError."""
    last = _last(site, agent)
    return last.snapshot if last else None


def _last(site: Site, agent: str) -> Standing | None:
    record = site.store.redis.hget(keys.BROKERS.at(), agent)
    try:
        return _decode(record) if record else None
    except msgspec.DecodeError:
        return None


def _noted(site: Site) -> dict[str, Standing]:
    found = dict[str, Standing]()
    for name, record in site.store.redis.hgetall(keys.BROKERS.at()).items():
        try:
            found[str(name)] = _decode(record)
        except msgspec.DecodeError:  # of another version: it is noted anew in a second
            continue
    return found
