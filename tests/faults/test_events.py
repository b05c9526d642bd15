"""The stream of figures while its store is away."""

from __future__ import annotations

from services import live_metrics_service
from tests.faults.conftest import Plant
from tests.serving import Server
from tests.streams import Stream, opened


def kinds(stream: Stream) -> list[str]:
    return [event.name for event in stream.events]


def test_without_its_store_the_stream_stays_open_says_so_and_tells_no_figures_until_it_is_back(
    plant: Plant, site: Server
) -> None:
    with opened(site.port, "/events", site.token) as stream:
        stream.until(lambda s: s.messages)
        plant.valkey.stop()
        stream.until(lambda s: s.named("degraded"))
        stream.read(live_metrics_service.EVERY_S * 1.5)
        assert kinds(stream)[-1] == "degraded"
        assert not stream.ended
        plant.valkey.start()
        stream.until(lambda s: s.named("recovered"))
        before = len(stream.messages)
        stream.until(lambda s: len(s.messages) > before)
