"""Every key that Headway keeps in the store: its name, type, who writes it, and how long it lives.

All but `ANALYTICS` carry their partition's hash tag, so that one script touches one slot of a Redis Cluster. What
belongs to the whole site lives in partition 0. Scripts name keys as `@NAME@`; `core.scripts` puts in what stands here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    suffix: str
    type: str
    writer: str
    lives: str

    def at(self, partition: int = 0, *parts: object) -> str:
        """The key's name in a partition; `parts` go behind it, as in `JOB.at(0, 17)`."""
        return f"{root(partition)}{self.suffix}{':'.join(str(part) for part in parts)}"


def root(partition: int) -> str:
    return f"headway:{{{partition}}}:"


ANALYTICS = "analytics_snapshot_cache"  # string, JSON; analytics_service; 30 s; the name is fixed on the wire

# One job's life. All of these are written by the scripts `apply` and `retire` alone.
NUMBER = Key("number", "string", "apply", "for ever: the last number given")
JOB = Key("job:", "hash", "apply", "until retired: one job, by its number in the partition")
IDS = Key("ids:", "hash", "apply", "until retired: an agent's job ids, each to its number")
STATUS = Key("status:", "zset", "apply", "until retired: jobs of a status by number")
AGENT_STATUS = Key("agent-status:", "zset", "apply", "until retired: jobs of STATUS:AGENT by number")
FINISHED = Key("finished", "zset", "apply", "until retired: jobs at their end, by finish time in ms")
AGENTS = Key("agents", "zset", "apply", "until an agent's last job is retired: agents by when last seen, in ms")
TOTALS = Key("totals", "hash", "apply", "for ever: finished jobs and their durations by agent, bounded")
MINUTE = Key("minute:", "hash", "apply", "25 h: what happened in a minute since the epoch")
EVENTS = Key("events", "stream", "apply", "the last 100,000 events or so")

PARTITIONS = Key("partitions", "string", "store", "for ever: how many partitions the key space has")


def partition_of(agent: str, partitions: int) -> int:
    """The partition that an agent's jobs live in."""
    return zlib.crc32(agent.encode()) % partitions if partitions > 1 else 0


SCRIPT_KEYS: dict[str, Key] = {name: value for name, value in list(globals().items()) if isinstance(value, Key)}
