"""Logs: lines are stored and read here. Bounded by age and bytes, a stream a source, and a list a job for the lines that are
about it. What the store raises passes through."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core import keys, positions
from core.metrics import LOG_LINES
from core.site import Site
from services import log_room
from services.log_model import (
    LEVELS,
    MOST_CHUNK_BYTES,
    MOST_LINES,
    Level,
    LineId,
    LogLine,
    NewLine,
    Packed,
    as_json,
    line_id,
    pack,
    pack_for_job,
)
from services.log_search import LogPage, LogQuery, of_job, search

MB = 1_000_000
JOBS_PART = 4
"""Jobs' own lists get one part in so many of what logs may take."""
FRAME_S = 3 * 3600
"""How long a drain's frame is remembered; it is repeated within minutes."""
REQUEST_S = 60
"""As long as a call whose answer was lost may come again."""
STEP = 500
"""Chunks and lists that go in one call at most: what is left waits for the duty."""
MOST_STEPS = 200


@dataclass(frozen=True, slots=True)
class LogSource:
    """A source that has lines; `at` is when the last one came, in seconds since the epoch."""

    name: str
    lines: int
    bytes: int
    at: float


def append(site: Site, lines: Sequence[NewLine], frame: str | None = None) -> bool:
    """Store all of them, or none; False where a frame of this name was stored before. Raises redis.RedisError."""
    if not lines:
        return True
    chunks, place, blobs = list[Packed](), dict[int, tuple[int, int]](), _Blobs()
    for source, numbers in _chunks(lines):
        chunks.append(pack(source, [lines[number] for number in numbers]))
        place.update((number, (len(chunks), at)) for at, number in enumerate(numbers))
    call = {
        "chunks": [(c.source, len(c.levels), blobs.add(c.head), c.field, blobs.add(c.data)) for c in chunks],
        "jobs": _by_job(lines, place, blobs),
        # Where an answer is lost the connection asks once more: what was stored is not stored again.
        "frame": frame if frame is not None else f"~{secrets.token_hex(8)}",
        "frame_s": FRAME_S if frame is not None else REQUEST_S,
    }
    outcome, _, *labels = _run(site, call, blobs)
    if outcome == b"repeated":
        return frame is None
    for one, label in zip(chunks, labels, strict=True):
        for level in set(one.levels):
            LOG_LINES.labels(source=label.decode(), level=LEVELS[level]).inc(one.levels.count(level))
    return True


def retain(site: Site) -> int:
    """Let go what `[retention]` no longer keeps; how many chunks and lists went. Raises redis.RedisError."""
    before_ms, gone = int((site.clock() - site.config.retention.logs) * 1000), 0
    call = {"before": max(1, before_ms), "room": log_room.room(site, total_bytes(site))}
    for _ in range(MOST_STEPS):
        step = int(_run(site, dict(call))[1])
        gone += step
        if step < STEP:
            break
    return gone


def sources(site: Site) -> tuple[LogSource, ...]:
    """The sources that have lines, by name. Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hgetall(keys.LOG_BYTES.at())
        pipeline.hgetall(keys.LOG_LINES.at())
        sizes, lines = pipeline.execute()
        names = sorted(sizes)
        for name in names:
            pipeline.xrevrange(keys.LOGS.at(0, name), count=1)
        last = pipeline.execute() if names else []
    return tuple(
        LogSource(name, int(lines.get(name, 0)), int(sizes[name]), positions.id_of(newest[0][0])[0] / 1000)
        for name, newest in zip(names, last, strict=True)
        if newest
    )


def total_bytes(site: Site) -> int:
    """What all lines take in the store, about. Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hvals(keys.LOG_BYTES.at())
        pipeline.hget(keys.LOG_JOB_BYTES.at(), "")
        sizes, of_jobs = pipeline.execute()
    return sum(map(int, sizes)) + int(of_jobs or 0)


class _Blobs(list[bytes]):
    """What goes to the script beside its call."""

    def add(self, blob: bytes) -> int:
        """The blob's number in ARGV."""
        self.append(blob)
        return len(self) + 1


def _run(site: Site, call: dict[str, Any], blobs: Sequence[bytes] = ()) -> list[Any]:
    most = site.config.retention.logs_mb * MB
    for_jobs = most // JOBS_PART
    call |= {"most": most - for_jobs, "most_jobs": for_jobs, "step": STEP}
    answer: list[Any] = site.store.scripts.run("log", 0, call, *blobs)
    return answer


def _chunks(lines: Sequence[NewLine]) -> Iterator[tuple[str, list[int]]]:
    """The lines' numbers by source, cut where a chunk is full."""
    by_source: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        by_source.setdefault(line.source, []).append(number)
    for source, numbers in by_source.items():
        part, size = list[int](), 0
        for number in numbers:
            length = len(lines[number].message)
            if part and (len(part) == MOST_LINES or size + length > MOST_CHUNK_BYTES):
                yield source, part
                part, size = [], 0
            part.append(number)
            size += length
        yield source, part


def _by_job(
    lines: Iterable[NewLine], place: dict[int, tuple[int, int]], blobs: _Blobs
) -> list[tuple[str, list[tuple[int, int, int]]]]:
    """For each job the last of its lines, with the chunk and place where each stands."""
    found: dict[str, list[tuple[int, NewLine]]] = {}
    for number, line in enumerate(lines):
        if line.job is not None:
            found.setdefault(f"{line.job.agent}/{line.job.id}", []).append((number, line))
    return [
        (job, [(*place[number], blobs.add(pack_for_job(line))) for number, line in some[-MOST_LINES:]])
        for job, some in found.items()
    ]


__all__ = [
    "Level", "LineId", "LogLine", "LogPage", "LogQuery", "LogSource", "NewLine", "append", "as_json", "line_id", "of_job",
    "retain", "search", "sources", "total_bytes",
]  # fmt: skip
