"""What is kept of each upload: its figures, its state, and the rows that were rejected."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from core import keys
from core.site import Site
from core.store import StoreError
from services.upload_limits import Rejected

State = Literal["receiving", "stored", "with errors", "cut off", "refused", "interrupted"]

KEPT = 1000
KEPT_REJECTED = 100
"""How many uploads keep their rejected rows; the figures stay longer."""
MOST_REJECTED = 10_000
"""Rejected rows kept of one upload; the others are counted."""
BEAT_S = 3.0
ALIVE_S = 10
_PAGE = 500
_INTERRUPTED = "the process that received it ended; send the file again: rows that are stored already do not change"


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload. `accepted` rows are stored; `unchanged` of them were so before. Sizes are as transferred."""

    number: int
    name: str
    who: str
    state: State
    reason: str | None
    fault: str | None
    format: str | None
    received_bytes: int
    expected_bytes: int | None
    accepted: int
    unchanged: int
    rejected: int
    ignored: tuple[str, ...]
    sha256: str | None
    same_as: int | None
    started_at: datetime
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.state != "receiving"


class Stored(Struct, omit_defaults=True, kw_only=True):
    """The hash of an upload; what has its default is left out of it."""

    name: str
    who: str
    started: float
    state: State = "receiving"
    reason: str | None = None
    fault: str | None = None
    format: str | None = None
    received: int = 0
    expected: int | None = None
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    ignored: str = ""
    sha256: str | None = None
    same_as: int | None = None
    finished: float | None = None


def begin(site: Site, stored: Stored) -> int:
    """Record a new upload and answer its number; the oldest go. Raises redis.RedisError."""
    redis = site.store.redis
    number = int(redis.incr(keys.UPLOAD_NUMBER.at()))
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.hset(keys.UPLOAD.at(0, number), mapping=msgspec.to_builtins(stored))
        pipeline.set(keys.UPLOAD_ALIVE.at(0, number), 1, ex=ALIVE_S)
        pipeline.zadd(keys.UPLOADS.at(), {str(number): number})
        pipeline.delete(keys.UPLOAD_REJECTED.at(0, number - KEPT_REJECTED))
        pipeline.execute()
    _retire(site)
    return number


def save(site: Site, number: int, stored: Stored, rejected: Sequence[Rejected] = ()) -> None:
    """Write how far an upload is, and append rejected rows. Raises redis.RedisError."""
    key = keys.UPLOAD_REJECTED.at(0, number)
    with site.store.redis.pipeline(transaction=True) as pipeline:
        pipeline.hset(keys.UPLOAD.at(0, number), mapping=msgspec.to_builtins(stored))
        if rejected:
            pipeline.rpush(key, *(msgspec.json.encode((r.line, r.column, r.reason)) for r in rejected))
            pipeline.expire(key, site.settings.keep_days * 86_400)
        if stored.state != "receiving":
            pipeline.delete(keys.UPLOAD_ALIVE.at(0, number))
        pipeline.execute()


def first_of_content(site: Site, sha256: str, number: int) -> int | None:
    """The number of an earlier upload of the same content; None marks this one as the first."""
    redis = site.store.redis
    if redis.hsetnx(keys.UPLOAD_SUMS.at(), sha256, str(number)):
        return None
    first = int(str(redis.hget(keys.UPLOAD_SUMS.at(), sha256) or number))
    return first if first != number else None


def get(site: Site, number: int) -> Upload | None:
    """One upload, None for an unknown one. Raises redis.RedisError."""
    return next(iter(_read(site, [number])), None)


def recent(site: Site, limit: int = 50) -> tuple[Upload, ...]:
    """The last uploads, newest first. Raises redis.RedisError."""
    numbers: Any = site.store.redis.zrange(keys.UPLOADS.at(), 0, limit - 1, desc=True)
    return _read(site, [int(number) for number in numbers])


def rejected(site: Site, number: int, most: int = MOST_REJECTED) -> Iterator[Rejected]:
    """The rejected rows that are kept, in the order of the file, read as they are asked for. Raises redis.RedisError."""
    for start in range(0, most, _PAGE):
        end = min(start + _PAGE, most) - 1
        page: Any = site.store.raw.lrange(keys.UPLOAD_REJECTED.at(0, number), start, end)
        for entry in page:
            yield Rejected(*msgspec.json.decode(entry, type=tuple[int, str, str]))
        if len(page) < _PAGE:
            return


class Heart:
    """While it beats, the upload counts as being received; it stops with the process, however that ends."""

    def __init__(self, site: Site, number: int) -> None:
        self._site, self._key = site, keys.UPLOAD_ALIVE.at(0, number)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"upload-{number}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                self._site.store.redis.set(self._key, 1, ex=ALIVE_S)
            except StoreError:
                continue  # the upload itself meets the same fault and says so


def _read(site: Site, numbers: Sequence[int]) -> tuple[Upload, ...]:
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for number in numbers:
            pipeline.hgetall(keys.UPLOAD.at(0, number))
            pipeline.exists(keys.UPLOAD_ALIVE.at(0, number))
        answers = pipeline.execute() if numbers else []
    read = (_upload(n, f, alive) for n, f, alive in zip(numbers, answers[::2], answers[1::2], strict=True) if f)
    return tuple(upload for upload in read if upload is not None)


def _upload(number: int, fields: dict[str, str], alive: int) -> Upload | None:
    try:
        stored = msgspec.convert(fields, Stored, strict=False)
    except msgspec.ValidationError:
        return None
    lost = stored.state == "receiving" and not alive
    return Upload(
        number=number,
        name=stored.name,
        who=stored.who,
        state="interrupted" if lost else stored.state,
        reason=_INTERRUPTED if lost else stored.reason,
        fault=stored.fault,
        format=stored.format,
        received_bytes=stored.received,
        expected_bytes=stored.expected,
        accepted=stored.accepted,
        unchanged=stored.unchanged,
        rejected=stored.rejected,
        ignored=tuple(msgspec.json.decode(stored.ignored, type=list[str])) if stored.ignored else (),
        sha256=stored.sha256,
        same_as=stored.same_as,
        started_at=datetime.fromtimestamp(stored.started, UTC),
        finished_at=None if stored.finished is None else datetime.fromtimestamp(stored.finished, UTC),
    )


def _retire(site: Site) -> None:
    redis = site.store.redis
    old: Any = redis.zrange(keys.UPLOADS.at(), 0, -KEPT - 1)
    for number in old[:_PAGE]:
        sha256 = redis.hget(keys.UPLOAD.at(0, number), "sha256")
        with redis.pipeline(transaction=True) as pipeline:
            if sha256 and redis.hget(keys.UPLOAD_SUMS.at(), sha256) == number:
                pipeline.hdel(keys.UPLOAD_SUMS.at(), sha256)
            pipeline.delete(keys.UPLOAD.at(0, number), keys.UPLOAD_REJECTED.at(0, number))
            pipeline.zrem(keys.UPLOADS.at(), number)
            pipeline.execute()
