"""What a store holds, read as records and put into another one."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import redis

from core import keys
from services import backup_fill, backup_keys, backup_records, backup_snapshot, backup_walk
from services.backup_records import Record
from tests.conftest import Valkey, wait_until

ANY_BYTE = bytes(range(256))
SOON_MS = 4_000_000_000_123
"""In 2096."""


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[redis.Redis, redis.Redis]]:
    """Two stores."""
    servers = [Valkey("--repl-diskless-sync-delay", "0").start() for _ in range(2)]
    yield redis.Redis.from_url(servers[0].url), redis.Redis.from_url(servers[1].url)
    for one in servers:
        one.close()


@pytest.fixture
def stores(two: tuple[redis.Redis, redis.Redis]) -> tuple[redis.Redis, redis.Redis]:
    for one in two:
        one.flushall()
    return two


def url_of(client: redis.Redis) -> str:
    return f"unix://{client.connection_pool.connection_kwargs['path']}"


def through_a_file(records: Iterator[Record]) -> Iterator[Record]:
    file = BytesIO()
    backup_records.write(file, records)
    file.seek(0)
    return backup_records.read(file, Record)  # type: ignore[arg-type]


def put(client: redis.Redis, records: Iterator[Record], now_ms: int = 0) -> None:
    backup_fill.Filling(client, now_ms).records(through_a_file(records))


def whole(client: Any) -> dict[bytes, Any]:
    """Everything that a server says of each of its keys."""
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": lambda key: (client.xrange(key), placed(client, key), groups(client, key)),
    }
    return {key: (client.pexpiretime(key), readers[client.type(key)](key)) for key in client.scan_iter()}


def placed(client: Any, key: bytes) -> list[Any]:
    info = client.xinfo_stream(key)
    return [info[name] for name in ("last-generated-id", "entries-added", "max-deleted-entry-id", "length")]


def groups(client: Any, key: bytes) -> list[Any]:
    return [
        (group["name"], group["last-delivered-id"], group["entries-read"],
         [(one["message_id"], one["consumer"], one["times_delivered"])
          for one in client.xpending_range(key, group["name"], "-", "+", 100)])
        for group in client.xinfo_groups(key)
    ]  # fmt: skip


def fill_with_every_type(client: Any) -> None:
    many = range(backup_walk.MOST_WHOLE * 3 + 7)
    client.set(keys.JOB.at(0, 1), ANY_BYTE)
    client.set(keys.JOB.at(3, 2), b"")
    client.set(keys.REVOKED.at(0, "x"), ANY_BYTE, pxat=SOON_MS)
    client.hset(keys.TILES.at(), mapping={ANY_BYTE: ANY_BYTE, b"": b"empty", "å": "ü"})
    client.hset(keys.IDS.at(0, "mail"), mapping={f"id-{n}": n for n in many})
    client.hset(keys.HOUR.at(0, 5), mapping={"a": 1})
    client.pexpireat(keys.HOUR.at(0, 5), SOON_MS + 1)
    client.sadd(keys.UNDECLARED_TILES.at(), ANY_BYTE, b"", "7")
    client.sadd(keys.LOG_LABELS.at(), *many)
    scores = {b"small": 5e-324, ANY_BYTE: 0.1, b"": -1.5, b"more": float("inf"), b"less": float("-inf"), b"int": 2**53}
    client.zadd(keys.FINISHED.at(), scores)
    client.zadd(keys.STATUS.at(0, "queued"), {str(n): n / 3 for n in many})
    client.rpush(keys.SAMPLES.at(), ANY_BYTE, b"", b"twice", b"twice")
    client.rpush(keys.LOG_JOB.at(0, "mail/1"), *many)
    client.pexpireat(keys.LOG_JOB.at(0, "mail/1"), SOON_MS)
    fill_streams(client)


def fill_streams(client: Any) -> None:
    events = keys.EVENTS.at()
    for n in range(1, backup_walk.ENTRIES_AT_ONCE + 10):
        client.xadd(events, {ANY_BYTE: ANY_BYTE, "n": n}, id=f"1700000000000-{n}")
    client.xdel(events, "1700000000000-5", f"1700000000000-{backup_walk.ENTRIES_AT_ONCE + 9}")
    client.xgroup_create(events, "archive", id="0")
    client.xreadgroup("archive", "one", {events: ">"}, count=4)
    client.xack(events, "archive", "1700000000000-1", "1700000000000-2")
    client.xgroup_create(events, "behind", id="0")
    client.xgroup_create(events, "level", id="$")
    client.xadd(keys.LOGS.at(0, "emptied"), {"l": 1}, id="1700000000000-9")
    client.xdel(keys.LOGS.at(0, "emptied"), "1700000000000-9")
    client.xgroup_create(keys.LOGS.at(0, "only-a-group"), "g", mkstream=True)


def test_every_type_and_expiry_comes_back_as_it_was(stores: tuple[redis.Redis, redis.Redis]):
    one, other = stores
    fill_with_every_type(one)
    before = whole(one)
    assert len(before) == 15
    put(other, backup_walk.records(one))
    assert whole(other) == before == whole(one)


def test_what_lives_for_seconds_and_what_is_not_headways_stays_where_it_is(stores: tuple[redis.Redis, redis.Redis]):
    one, other = stores
    one.set("rq:job:1", "another app's")
    one.set(keys.ANALYTICS, "{}")
    one.zadd(keys.PROCESSES.at(), {"p": 1})
    one.hset(keys.PROCESS.at(0, "p"), "about", "{}")
    one.set(keys.LEADER.at(), "p", ex=10)
    one.set(keys.LIMIT.at() + ":LIMITER/1.2.3.4/1", 3, ex=60)
    one.set(keys.JOB.at(0, 1), "a job")
    one.set("headway:{0}:of-a-newer-version", "kept")
    put(other, backup_walk.records(one))
    assert set(other.keys()) == {keys.JOB.at(0, 1).encode(), b"headway:{0}:of-a-newer-version"}


def test_no_key_that_lives_for_seconds_is_in_a_copy():
    # What they say of their lives: "30 s", "1 to 5 min", "10 s or until …".
    brief = {
        name for name, key in keys.SCRIPT_KEYS.items() if re.match(r"(\d+ to )?\d+ s\b|1 (to \d+ )?min\b", key.lives)
    }
    left_out = {name for name, key in keys.SCRIPT_KEYS.items() if key in backup_keys.LEFT_OUT}
    assert brief <= left_out
    assert {"LEADER", "TICKET", "PROCESS"} <= brief


def test_what_has_expired_since_is_not_put_back(stores: tuple[redis.Redis, redis.Redis]):
    one, other = stores
    one.set(keys.REVOKED.at(0, "gone"), 1, pxat=SOON_MS)
    one.hset(keys.HOUR.at(0, 1), "a", 1)  # type: ignore[arg-type]
    one.pexpireat(keys.HOUR.at(0, 1), SOON_MS)
    one.rpush(keys.LOG_JOB.at(0, "mail/1"), "line")
    one.pexpireat(keys.LOG_JOB.at(0, "mail/1"), SOON_MS + 1)
    put(other, backup_walk.records(one), now_ms=SOON_MS)
    assert list(other.keys()) == [keys.LOG_JOB.at(0, "mail/1").encode()]  # type: ignore[arg-type]


def test_a_key_that_was_met_twice_is_what_it_was_the_last_time(stores: tuple[redis.Redis, redis.Redis]):
    one, other = stores
    fill_with_every_type(one)
    earlier = list(backup_walk.records(one))
    one.rpush(keys.SAMPLES.at(), "later")
    one.hdel(keys.TILES.at(), "å")
    one.xadd(keys.EVENTS.at(), {"n": 0})
    put(other, iter(earlier + list(backup_walk.records(one))))
    assert whole(other) == whole(one)


def test_emptying_takes_headways_keys_alone(stores: tuple[redis.Redis, redis.Redis]):
    one, _ = stores
    fill_with_every_type(one)
    one.set("rq:job:1", "another app's")
    one.set(keys.RESTORING.at(), 1)
    backup_fill.empty(one)
    assert set(one.keys()) == {b"rq:job:1", keys.RESTORING.at().encode()}


def write_on(url: str, ended: threading.Event, written: list[int]) -> None:
    """Three keys that say the same at any one moment, and ever more besides."""
    client = redis.Redis.from_url(url)
    while not ended.is_set():
        number = written[0] + 1
        with client.pipeline(transaction=True) as pipeline:
            pipeline.set(keys.NUMBER.at(), number)
            pipeline.set(keys.JOB.at(0, number), f"job {number}")
            pipeline.zadd(keys.STATUS.at(0, "queued"), {str(number): number})
            pipeline.rpush(keys.SAMPLES.at(), number)
            pipeline.execute()
        written[0] = number
    client.close()


def test_a_snapshot_is_of_one_moment_while_others_write(two: tuple[redis.Redis, redis.Redis], tmp_path: Path):
    one, other = two
    one.flushall()
    other.flushall()
    ended, written = threading.Event(), [0]
    writer = threading.Thread(target=write_on, args=(url_of(one), ended, written))
    writer.start()
    try:
        wait_until(lambda: written[0] > 500, what="something to copy")
        before = written[0]
        with backup_snapshot.moment(url_of(one), tmp_path) as moment:
            began = written[0]
            wait_until(lambda: written[0] > began + 100, what="more being written")
            put(other, backup_walk.records(moment.client))
    finally:
        ended.set()
        writer.join()
    assert moment.torn is None
    number = int(other.get(keys.NUMBER.at()))  # type: ignore[arg-type]
    assert before <= number <= written[0] - 100
    assert other.exists(keys.JOB.at(0, number)) and other.dbsize() == number + 3
    assert other.zcard(keys.STATUS.at(0, "queued")) == other.llen(keys.SAMPLES.at()) == number
    assert not list(tmp_path.glob("*.rdb"))


def test_a_store_that_gives_no_snapshot_is_walked_and_says_so(own_valkey: Callable[..., Valkey], tmp_path: Path):
    server = own_valkey()
    client = redis.Redis.from_url(server.url)
    fill_with_every_type(client)
    client.execute_command("ACL", "SETUSER", "default", "-sync")
    with backup_snapshot.moment(server.url, tmp_path) as moment:
        found = {record.key for record in backup_walk.records(moment.client)}
    assert moment.torn is not None and "SYNC" in moment.torn.upper()
    assert found == set(client.keys())
    client.close()


def test_a_server_that_snapshots_by_way_of_its_disk_is_copied_in_the_database_that_the_url_names(
    own_valkey: Callable[..., Valkey], tmp_path: Path
):
    server = own_valkey("--repl-diskless-sync", "no")
    with redis.Redis.from_url(server.url) as first, redis.Redis.from_url(f"{server.url}?db=7") as seventh:
        first.set(keys.JOB.at(0, 2), "in the first")
        seventh.set(keys.JOB.at(0, 1), "in the seventh")
    with backup_snapshot.moment(f"{server.url}?db=7", tmp_path) as moment:
        assert [record.key for record in backup_walk.records(moment.client)] == [keys.JOB.at(0, 1).encode()]
    assert moment.torn is None


def test_a_snapshot_that_cannot_be_read_here_is_no_reason_to_fail(own_valkey: Callable[..., Valkey], tmp_path: Path):
    url = f"{own_valkey('--databases', '3000', '--repl-diskless-sync-delay', '0').url}?db=2500"
    with redis.Redis.from_url(url) as client:
        client.set(keys.JOB.at(0, 1), "a job")
    with backup_snapshot.moment(url, tmp_path) as moment:
        assert [record.key for record in backup_walk.records(moment.client)] == [keys.JOB.at(0, 1).encode()]
    assert moment.torn is not None and "can't be read here" in moment.torn
    assert moment.server.startswith("valkey ")
