"""Processes of one fleet, as far as figures go, and a wire to the store that can lose answers."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from core import series
from core.fleet import Figures, Fleet
from core.store import Store


class Member:
    """What one process counts, and its part in the fleet."""

    def __init__(self, url: str, most_series: int = 5_000) -> None:
        self.store = Store(url)
        registry = CollectorRegistry()
        self.requests = Counter("requests_total", "Requests.", ("route",), registry=registry)
        self.seconds = Histogram("work_seconds", "Work.", ("kind",), registry=registry, buckets=(0.1, 1, 10))
        self.open = Gauge("open", "Open.", registry=registry, multiprocess_mode="livesum")
        self.oldest = Gauge("oldest", "Oldest.", registry=registry, multiprocess_mode="livemax")
        self.first = Gauge("first", "First.", registry=registry, multiprocess_mode="livemin")
        self.latest = Gauge("latest", "Latest.", registry=registry, multiprocess_mode="livemostrecent")
        self.fleet = Fleet(self.store, registry, most_series)

    def total(self, name: str = "requests_total") -> float:
        return self.fleet.figures().totals[name]

    def figures(self) -> Figures:
        return self.fleet.figures()


Begin = Callable[..., Member]


def by_route(figures: Figures) -> dict[str, float]:
    found = ((series.parse(name), value) for name, value in figures.values.items())
    return {each.labels["route"]: value for each, value in found if each.family == "requests"}


class Wire:
    """A unix socket before the store's. While `loses` is set, the store gets every call and no answer comes back."""

    def __init__(self, store: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hw-"))
        self.url = f"unix://{self.folder / 'wire.sock'}"
        self.loses = threading.Event()
        self._store = store
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / "wire.sock"))
        self._listener.listen()
        self._ends: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._store))
                self._ends += (near, far)
                threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if answers and self.loses.is_set():
                    break
                target.sendall(data)
            for end in (source, target):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def assert_valid(plain: str | None = None, openmetrics: str | None = None) -> None:
    """Both parsers of prometheus-client take the texts, and so does promtool, which `make test` installs."""
    if openmetrics is not None:
        assert list(parse_openmetrics(openmetrics))
    if plain is not None:
        assert list(parse_plain(plain))
        check = subprocess.run(["promtool", "check", "metrics"], input=plain.encode(), capture_output=True, check=False)
        assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
