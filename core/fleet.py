"""The figures of all processes of a site, kept together in the store.

Each process adds what its counters and histograms grew by every two seconds, in one call that may be repeated without
being counted twice. Whoever reads does the same call first, so what was shown is stored and survives the process that
showed it. While the store is away, the figures seen last and this process's own growth are served.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from core import keys, series
from core.series import Family
from core.store import Store, StoreError, explain, refuses_writes

log = logging.getLogger("headway.fleet")

EVERY_S = 2.0
HEARTBEAT_S = 15
"""A process that was not heard for so long counts as gone."""
MOST_STREAMS = 100
QUIET_S = 1.0
"""For so long after a failure nobody waits for the store again."""
MOST_SERIES = 5_000
"""Kept in the store; what comes new past it counts under `other`."""


class About(msgspec.Struct, frozen=True):
    """One process, as it tells of itself."""

    pid: int
    host: str
    role: str
    started_at: float
    rss_bytes: int
    streams: dict[str, int] = {}
    """Clients by what they listen to; of many, those with the most."""


Source = Callable[[], Iterable[Metric]]

_encode = msgspec.json.Encoder().encode
_family = msgspec.json.Decoder(Family).decode
_about = msgspec.json.Decoder(About).decode
_gauges = msgspec.json.Decoder(dict[str, float]).decode


class _Answer(msgspec.Struct):
    again: bool
    epoch: str = ""
    growth: list[str] = []
    base: list[str] = []
    families: list[str] = []
    gauges: list[str] = []


_answer = msgspec.msgpack.Decoder(_Answer).decode


@dataclass(frozen=True)
class _Batch:
    """One flush, the same however often it is sent; `reached` is where this process's counters stood."""

    seq: int
    growth: list[str]
    reached: dict[str, float]


@dataclass(frozen=True)
class Figures:
    """Every series of the fleet. `away` says in words why the store did not answer, None where it did."""

    families: dict[str, Family]
    values: dict[str, float]
    away: str | None

    @cached_property
    def totals(self) -> dict[str, float]:
        """By sample, such as `headway_cache_hits_total`: the sum over its labels. Histograms: `_count` and `_sum`."""
        totals = {
            name + suffix: 0.0
            for name, family in self.families.items()
            for suffix in series.SUFFIXES.get(family.type, ())
            if suffix != "_bucket"
        }
        for name, value in self.values.items():
            each = series.parse(name)
            if each.suffix != "_bucket":
                sample = each.family + each.suffix
                totals[sample] = totals.get(sample, 0.0) + value
        return totals


class Fleet:
    """This process's part in the figures of all. One a process and store; safe to use from many threads."""

    def __init__(self, store: Store, registry: CollectorRegistry, most_series: int = MOST_SERIES) -> None:
        self.store = store
        self.registry = registry
        self.role = "web"
        self.sources: list[Source] = []
        self.streams: Callable[[], dict[str, int]] = dict
        """Clients of this process by what they listen to."""
        self._most_series = most_series
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.refused: str | None = None
        """Why the store takes nothing new although it can be read, in words; None where it does, or can't be read either."""
        self._away: str | None = None
        self._quiet_until = 0.0
        self._read_at = float("-inf")
        self._begin()

    def _begin(self) -> None:
        self.process = uuid.uuid4().hex[:12]
        self._pid = os.getpid()
        self._started_at = time.time()
        self._acked = 0
        self._epoch = ""
        self._counted: dict[str, float] = {}
        self._batch: _Batch | None = None
        self._merged: dict[str, float] = {}
        self._families: dict[str, Family] = {}
        self._others: list[dict[str, float]] = []
        self._now = series.Reading({}, {}, {})

    def start(self, role: str = "web") -> None:
        """Flush every two seconds from now on."""
        self.role = role
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name="headway-fleet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Flush a last time and leave the fleet. The store need not answer."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
        with self._lock:
            self._flush_or_explain(leaving=True)

    def _run(self) -> None:
        while True:
            try:
                self.figures()
            except Exception:
                # The border of a background thread: a figure that can't be read must not end all of them.
                log.exception("The figures of this process can't be read")
            if self._ending.wait(EVERY_S):
                return

    def figures(self) -> Figures:
        """What all processes counted, this one up to now. Raises nothing of the store's."""
        asked_at = time.monotonic()
        with self._lock:
            # Those who wait for a slow store share one flush that began after they asked.
            if self._read_at < asked_at:
                began = time.monotonic()
                self._now = self._flush_or_explain()
                self._read_at = began
            now = self._now
            families = self._families | now.families
            grown = {
                # The difference first: where nothing grew, what is told is to the last bit what the store holds.
                name: self._merged.get(name, 0.0) + (value - self._counted.get(name, 0.0))
                for name, value in now.growing.items()
                if name in self._merged or name not in self._counted
            }
            gauges = series.merge_gauges(families, [*self._others, now.gauges])
            return Figures(families, self._merged | grown | gauges, self._away)

    def rest(self, error: StoreError) -> None:
        """Leave the store alone for a moment: somebody asked it in vain, and nobody need wait for it again."""
        if self._away is None:
            log.warning("Figures are kept in this process for now: %s", explain(error))
        self._away = explain(error)
        self.refused = self._away if refuses_writes(error) else None
        self._quiet_until = time.monotonic() + QUIET_S

    def _flush_or_explain(self, *, leaving: bool = False) -> series.Reading:
        if os.getpid() != self._pid:
            self._begin()
        now = series.read(self.registry)
        if time.monotonic() < self._quiet_until and not leaving:
            return now
        try:
            if self._batch is not None:
                self._send(self._batch, now, leaving=False)
            self._send(self._new_batch(now), now, leaving=leaving)
        except StoreError as error:
            self.rest(error)
        else:
            self._away = self.refused = None
        return now

    def _new_batch(self, now: series.Reading) -> _Batch:
        growth: list[str] = []
        for name, value in now.growing.items():
            by = value - self._counted.get(name, 0.0)
            known = name in self._merged
            if 0 < by < math.inf or name not in self._counted:
                growth += (name, repr(max(by, 0.0)), "" if known else series.spill(name))
        return _Batch(self._acked + 1, growth, now.growing)

    def _send(self, batch: _Batch, now: series.Reading, *, leaving: bool) -> None:
        """One flush. Only an answer moves what counts as counted. Raises StoreError."""
        self._batch = batch
        call: dict[str, Any] = {
            "process": self.process,
            "seq": batch.seq,
            "acked": self._acked,
            "epoch": self._epoch,
            "fresh": uuid.uuid4().hex,
            "limit": self._most_series,
            "ttl": HEARTBEAT_S,
            "growth": batch.growth,
            "families": self._unknown_families(now.families),
            "gauges": _encode(now.gauges).decode(),
            "about": _encode(self._about()).decode(),
            "leaving": leaving,
        }
        answer = _answer(self.store.scripts.run("flush", 0, call))
        if answer.again:
            call["base"] = [text for name, value in self._merged.items() for text in (name, repr(value))]
            call["families"] = _flat(now.families)
            answer = _answer(self.store.scripts.run("flush", 0, call))
        self._acked, self._counted, self._batch = batch.seq, batch.reached, None
        self._take(answer)

    def _unknown_families(self, families: dict[str, Family]) -> list[str]:
        return _flat({name: family for name, family in families.items() if self._families.get(name) != family})

    def _take(self, answer: _Answer) -> None:
        self._epoch = answer.epoch
        merged = {name: float(value) for name, value in _pairs(answer.base)}
        for name, value in _pairs(answer.growth):
            if name != "epoch":
                merged[name] = merged.get(name, 0.0) + float(value)
        self._merged = merged
        self._families = {name: _family(text) for name, text in _pairs(answer.families)}
        self._others = [_gauges(text) for process, text in _pairs(answer.gauges) if process != self.process]

    def _about(self) -> About:
        rss = psutil.Process().memory_info().rss
        streams = self.streams()
        most = sorted(streams, key=streams.__getitem__, reverse=True)[:MOST_STREAMS]
        told = {name: streams[name] for name in most}
        return About(self._pid, socket.gethostname(), self.role, self._started_at, rss, told)


def processes(store: Store) -> list[tuple[str, float, About]]:
    """The processes that live: their name, when each was last heard in seconds since the epoch. Raises StoreError."""
    heard: Any = store.redis.zrange(keys.PROCESSES.at(), 0, -1, withscores=True)
    with store.redis.pipeline(transaction=False) as pipeline:
        for name, _ in heard:
            pipeline.hget(keys.PROCESS.at(0, name), "about")
        told = pipeline.execute()
    lives = zip(heard, told, strict=True)
    return [(str(name), at / 1000, _about(text)) for (name, at), text in lives if text is not None]


def _pairs(flat: list[str]) -> Iterable[tuple[str, str]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _flat(families: dict[str, Family]) -> list[str]:
    return [text for name, family in families.items() for text in (name, _encode(family).decode())]
