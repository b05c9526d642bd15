"""Records, put into a store: into one that holds none of Headway's keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import redis

from core import keys
from services import backup_keys
from services.backup_records import Entries, Items, Record, Stream, Text

TIMEOUT_S = 60.0
BYTES_AT_ONCE = 1 << 20
COMMANDS_AT_ONCE = 1000
MARK = keys.RESTORING.at().encode()
WRITERS = {"hash": "HSET", "set": "SADD", "list": "RPUSH", "zset": "ZADD"}


def empty(client: redis.Redis) -> None:
    """Remove every key of Headway's but the mark of a restore. Raises redis.RedisError."""
    cursor: Any = 0
    while True:
        cursor, found = client.scan(cursor, match=backup_keys.PATTERN, count=COMMANDS_AT_ONCE)
        if gone := [name for name in found if name != MARK]:
            client.unlink(*gone)
        if not cursor:
            return


class Filling:
    """Sends commands in batches. `records` and `end` raise redis.RedisError."""

    def __init__(self, client: redis.Redis, now_ms: int) -> None:
        self._client, self._now_ms = client, now_ms
        self._pipeline: Any = client.pipeline(transaction=False)
        self._texts: list[bytes] = []
        """Key, value, … of what never expires: one command for all."""
        self._bytes = 0
        info: Any = client.info("server")
        self._knows_more_of_streams = int(str(info.get("redis_version", "0")).split(".", 1)[0]) >= 7

    def records(self, records: Iterable[Record]) -> None:
        """Each, but what has expired since it was read."""
        for record in records:
            match record:
                case Text():
                    self._text(record)
                case Items():
                    self._items(record)
                case Entries():
                    self._entries(record)
                case Stream():
                    self._stream(record)
            if self._bytes >= BYTES_AT_ONCE or len(self._pipeline) >= COMMANDS_AT_ONCE:
                self._send()
        self._send()

    def _text(self, record: Text) -> None:
        self._bytes += len(record.key) + len(record.value)
        if record.expires_ms is None:
            self._texts += (record.key, record.value)
        elif record.expires_ms > self._now_ms:
            self._pipeline.execute_command("SET", record.key, record.value, "PXAT", record.expires_ms)

    def _items(self, record: Items) -> None:
        if record.first:
            self._begin(record.key)
        if record.expires_ms is not None and record.expires_ms <= self._now_ms:
            return
        items: list[Any] = record.items
        if record.kind == "zset":  # a command takes the score before the member
            items = [part for at in range(0, len(items), 2) for part in (items[at + 1], items[at])]
        if items:
            self._pipeline.execute_command(WRITERS[record.kind], record.key, *items)
        self._expire(record.key, record.expires_ms)
        self._bytes += sum(map(len, record.items))

    def _entries(self, record: Entries) -> None:
        if record.first:
            self._begin(record.key)
        for id_, fields in record.entries:
            self._pipeline.execute_command("XADD", record.key, id_, *fields)
            self._bytes += sum(map(len, fields))

    def _stream(self, record: Stream) -> None:
        run, key = self._pipeline.execute_command, record.key
        # A stream that is empty has to be made before it can be told where it stands; it has a group or had an entry.
        run("XGROUP", "CREATE", key, "headway-restore", "0", "MKSTREAM")
        run("XGROUP", "DESTROY", key, "headway-restore")
        told: list[Any] = []
        if self._knows_more_of_streams and record.entries_added is not None and record.max_deleted_id is not None:
            told = ["ENTRIESADDED", record.entries_added, "MAXDELETEDID", record.max_deleted_id]
        run("XSETID", key, record.last_id, *told)
        for group in record.groups:
            read = ["ENTRIESREAD", group.entries_read] if told and group.entries_read is not None else []
            run("XGROUP", "CREATE", key, group.name, group.last_id, *read)
            for one in group.pending:
                claim = ["IDLE", one.idle_ms, "RETRYCOUNT", one.deliveries, "FORCE", "JUSTID"]
                run("XCLAIM", key, group.name, one.consumer, 0, one.id, *claim, parse_justid=True)
        self._expire(key, record.expires_ms)

    def _begin(self, key: bytes) -> None:
        # A key that was met twice, as it may be where others write meanwhile, is what it was the last time.
        self._pipeline.execute_command("DEL", key)

    def _expire(self, key: bytes, expires_ms: int | None) -> None:
        if expires_ms is not None:
            self._pipeline.execute_command("PEXPIREAT", key, expires_ms)

    def _send(self) -> None:
        if self._texts:
            self._pipeline.execute_command("MSET", *self._texts)
            self._texts = []
        self._pipeline.execute()
        self._bytes = 0
