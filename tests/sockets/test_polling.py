"""Long polling with one web process, and what it is not made for."""

from __future__ import annotations

import json
import threading

import pytest

from tests.conftest import wait_until
from tests.serving import Answer, Server, ask

POLL = "/socket.io/?EIO=4&transport=polling"


class Poller:
    """A session of long polling, request by request."""

    def __init__(self, site: Server) -> None:
        self.site = site
        self.path = POLL + f"&sid={json.loads(self.poll(POLL).body[1:])['sid']}"

    def poll(self, path: str = "") -> Answer:
        return ask(self.site.port, "GET", path or self.path)

    def post(self, *packets: str | bytes) -> Answer:
        body = b"\x1e".join(one if isinstance(one, bytes) else one.encode() for one in packets)
        return ask(self.site.port, "POST", self.path, body)


def test_a_session_joins_and_is_answered(open_site: Server) -> None:
    client = Poller(open_site)
    assert client.post("40", '421["subscribe:agent","polled"]').text == "OK"
    joined, answered = client.poll().text.split("\x1e")
    assert joined.startswith('40{"sid"') and answered == '431[{"ok":true,"agentId":"polled"}]'


@pytest.mark.parametrize(
    "packets",
    [["x"], ["40"] * 17, ["4" + "[" * 8000], [b"\xff\xfe"], ["b" * 17_000], ['4599-["x"]'], ["bAAAA"], ["42{}"]],
    ids=lambda packets: repr(packets)[:10],
)
def test_what_is_no_packet_is_refused_and_ends_the_session(open_site: Server, packets: list[str | bytes]) -> None:
    client = Poller(open_site)
    answer = client.post(*packets)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert client.poll().status == 400
    assert "Traceback" not in open_site.log()


def test_a_flood_of_messages_ends_the_session(open_site: Server) -> None:
    client = Poller(open_site)
    client.post("40")

    def is_refused() -> bool:
        return client.post(*['42["nothing"]'] * 16).status == 400

    wait_until(is_refused, every=0, what="the end of patience")


def test_two_polls_at_a_time_end_the_session(open_site: Server) -> None:
    client = Poller(open_site)
    client.post("40")
    assert client.poll().status == 200
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(client.poll().status)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 400 in statuses
    assert client.poll().status == 400
