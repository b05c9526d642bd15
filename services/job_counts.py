"""How many jobs there are of each status, from the sizes of indexes. What was ended on purpose is told by itself: it is no failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from core import keys
from core.store import Store
from services.job_rules import STATUSES, UNCOUNTED, Status

Counted = Status | Literal["canceled"]
COUNTED: tuple[Counted, ...] = (*STATUSES, "canceled")
"""What each job counts as, one of them. `canceled` are those of `UNCOUNTED`; their record's status is `failed`."""


def ask(pipeline: Any, store: Store, agent: str | None = None) -> None:
    """Ask for the sizes that `told` reads, of all jobs or of an agent's."""
    partitions = range(store.partitions) if agent is None else (store.partition_of(agent),)
    for status in STATUSES:
        for partition in partitions:
            index = keys.STATUS.at(partition, status)
            pipeline.zcard(index if agent is None else keys.AGENT_STATUS.at(partition, status, agent))
    for partition in partitions:
        for index in on_purpose(() if agent is None else (agent,)):
            pipeline.zcard(keys.root(partition) + index)


def on_purpose(agents: Sequence[str]) -> list[str]:
    """The indexes, without the root, of jobs that were ended on purpose, no job in two of them: of some agents, or of all."""
    if agents:
        return [f"{keys.UNCOUNTED.suffix}{agent}" for agent in agents]
    return [f"{keys.BY.suffix}state:{state}" for state in UNCOUNTED]


def told(sizes: Sequence[int], partitions: int = 1) -> dict[Counted, int]:
    """`sizes` as `ask` asked for them, over so many partitions."""
    upto = partitions * len(STATUSES)
    counts: dict[Counted, int] = {
        status: sum(sizes[at : at + partitions])
        for status, at in zip(STATUSES, range(0, upto, partitions), strict=True)
    }
    # A job may have ended between the two.
    counts["canceled"] = min(sum(sizes[upto:]), counts["failed"])
    counts["failed"] -= counts["canceled"]
    return counts
