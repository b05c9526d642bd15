"""How the streams of all web processes fare."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from core import fleet, series
from core.site import Site
from core.store import StoreError

TRANSPORT = {"transport": "sse"}


@dataclass(frozen=True)
class StreamStats:
    """Counts since the site's start, but for what is open now. Other processes' figures are up to two seconds old."""

    connected_clients: int
    total_connections: int
    events_sent: int
    events_dropped: int
    by_stream: dict[str, int]


def read(site: Site) -> StreamStats:
    """With the store away, what this process knows."""
    values = site.fleet.figures().values

    def figure(family: str, suffix: str = "_total") -> int:
        return int(values.get(series.spell(f"headway_{family}", suffix, TRANSPORT), 0))

    return StreamStats(
        connected_clients=figure("stream_clients", ""),
        total_connections=figure("stream_connections"),
        events_sent=figure("stream_events_sent"),
        events_dropped=figure("stream_events_dropped"),
        by_stream=_by_stream(site),
    )


def _by_stream(site: Site) -> dict[str, int]:
    clients = Counter(site.fleet.streams())
    try:
        for name, _, about in fleet.processes(site.store):
            if name != site.fleet.process:
                clients.update(about.streams)
    except StoreError:
        pass  # the others are not known now
    return dict(clients)
