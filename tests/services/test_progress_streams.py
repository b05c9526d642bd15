"""The streams of jobs' progress when what they should tell can't be read."""

from __future__ import annotations

import pytest
import redis

from core.queued import QueuedClient
from core.site import Site
from services import job_states_service
from services.progress_streams import ALL, LIMIT, ProgressStreams


def test_a_gap_whose_states_cant_be_read_sends_its_clients_away_to_come_back_for_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Site) -> None:
        raise redis.ConnectionError

    client = QueuedClient(site.hub, "sse", (ALL,), LIMIT)
    site.hub.join(client)
    monkeypatch.setattr(job_states_service, "present", fail)
    ProgressStreams(site).gap("1-1", "2-2")
    [told] = client.stream()
    # Without the gap's id: it comes back with what it had last.
    assert told.startswith(b"event: reconnect\nretry: ")
    assert not site.hub.listeners(ALL)
