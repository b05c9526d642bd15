"""Messages that wait in the lists of a Redis broker: one is found by its task's id, and moved or taken out as the exact bytes found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from services.brokers.action_model import ActionRefused

CHUNK = 200
MOST_LOOKED = 50_000
"""Messages of a queue that are looked through; they can be of any size, and what waits deeper is not found."""
TAKE = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
if ARGV[2] == 'front' then redis.call('RPUSH', KEYS[1], ARGV[1]) end
if ARGV[2] == 'move' then redis.call('LPUSH', KEYS[2], ARGV[3]) end
return 1
"""
"""Only who finds the message there has it: a worker that took it meanwhile wins. A worker takes from the right."""


@dataclass(frozen=True)
class Waiting:
    key: str
    priority: int
    raw: bytes
    message: dict[str, Any]

    @property
    def is_of_group(self) -> bool:
        """Whether other tasks wait for it: a chord has to be told by a worker that it does not come."""
        headers = self.message.get("headers")
        return isinstance(headers, dict) and bool(headers.get("group"))


def find(channel: Any, queue: str, task: str) -> Waiting | None:
    """The message of a task. `channel` is kombu's of a Redis. Walking from the newest on misses none: what comes moves the others along.

    Raises redis.RedisError, and ActionRefused where it may wait deeper than is looked.
    """
    sought = task.encode()
    client = _client(channel)
    for priority in channel.priority_steps:
        key = _key(channel, queue, priority)
        for start in range(0, MOST_LOOKED, CHUNK):
            raws: list[bytes] = client.lrange(key, start, start + CHUNK - 1)  # type: ignore[assignment]
            for raw in raws:
                if sought in raw and (message := _message(raw)) and _task_of(message) == task:
                    return Waiting(key, priority, raw, message)
            if len(raws) < CHUNK:
                break
        else:
            raise ActionRefused(
                f"It is not among the newest {MOST_LOOKED:,} messages of its queue, and Headway looks no deeper."
            )
    return None


def take(channel: Any, found: Waiting) -> bool:
    """Take the message out; false where a worker has it by now."""
    return bool(_client(channel).eval(TAKE, 1, found.key, found.raw, "take"))


def to_front(channel: Any, found: Waiting) -> bool:
    return bool(_client(channel).eval(TAKE, 1, found.key, found.raw, "front"))


def move(channel: Any, found: Waiting, queue: str) -> bool:
    """Put it behind all others of another queue, addressed to that one."""
    message = msgspec.json.decode(found.raw)
    properties = message.get("properties")
    if isinstance(properties, dict) and isinstance(properties.get("delivery_info"), dict):
        properties["delivery_info"] |= {"exchange": "", "routing_key": queue}
    key = _key(channel, queue, found.priority)
    return bool(_client(channel).eval(TAKE, 2, found.key, key, found.raw, "move", msgspec.json.encode(message)))


def is_known(channel: Any, queue: str) -> bool:
    """Whether the broker knows a queue: it was declared once, or something waits in it."""
    return bool(
        _client(channel).exists(*(channel.global_keyprefix + key for key in (f"_kombu.binding.{queue}", queue)))
    )


def _client(channel: Any) -> redis.Redis:
    """Kombu's own puts its prefix before the keys of some commands alone, and not of these."""
    return redis.Redis(connection_pool=channel.pool)


def _key(channel: Any, queue: str, priority: int) -> str:
    return f"{channel.global_keyprefix}{channel._q_for_pri(queue, priority)}"


def _message(raw: bytes) -> dict[str, Any] | None:
    try:
        message = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _task_of(message: dict[str, Any]) -> str | None:
    for part, name in (("headers", "id"), ("properties", "correlation_id")):
        inside = message.get(part)
        if isinstance(inside, dict) and isinstance(inside.get(name), str):
            return str(inside[name])
    return None
