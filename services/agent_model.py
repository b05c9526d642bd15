"""What an agent saw and made, as Headway's rooms pass it on, and how it is read out of the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Struct

from services.job_model import from_ms

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Episode:
    """What a completed job made. The job may have been retired since."""

    id: str
    published: bool
    job_id: str
    job_number: int
    video_id: str | None
    title: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Video:
    """A discovered video; `published_at` as it was told."""

    id: str
    title: str | None
    published_at: str | None
    discovered_at: datetime


@dataclass(frozen=True, slots=True)
class Backfill:
    """A search for videos of the past; `completed_at` is None while it goes on, and what it found None until it is told."""

    id: str
    total_videos: int
    since: str | None
    started_at: datetime
    total_found: int | None
    total_enqueued: int | None
    completed_at: datetime | None


class _Episode(Struct):
    number: int
    job: str
    published: bool
    since: int
    video: str | None = None
    title: str | None = None


class _Discovery(Struct, rename="camel"):
    video_id: str
    title: str | None = None
    published_at: str | None = None


class _Backfill(Struct):
    id: str
    total: int
    started: int
    since: str | None = None
    found: int | None = None
    enqueued: int | None = None
    finished: int | None = None


_episode = msgspec.msgpack.Decoder(_Episode).decode
_discovery = msgspec.json.Decoder(_Discovery).decode
_backfill = msgspec.msgpack.Decoder(_Backfill).decode


def episode(id: str, record: object) -> Episode | None:
    """The episode of a record in the store; None where there is none or it can't be read, as of those below."""
    kept = _read(_episode, record)
    if kept is None:
        return None
    return Episode(id, kept.published, kept.job, kept.number, kept.video, kept.title, from_ms(kept.since))


def video(record: object, discovered_ms: int) -> Video | None:
    kept = _read(_discovery, record)
    return None if kept is None else Video(kept.video_id, kept.title, kept.published_at, from_ms(discovered_ms))


def backfill(record: object) -> Backfill | None:
    kept = _read(_backfill, record)
    if kept is None:
        return None
    finished = from_ms(kept.finished) if kept.finished else None
    return Backfill(kept.id, kept.total, kept.since, from_ms(kept.started), kept.found, kept.enqueued, finished)


def _read(decode: Callable[[bytes], T], record: object) -> T | None:
    try:
        return decode(record) if isinstance(record, bytes) else None
    except ValueError:
        return None
