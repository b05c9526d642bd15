"""What a client should not do ends with that client: the others hear as before, and the process stays calm."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.conftest import wait_until
from tests.serving import Server
from tests.sockets.conftest import create, report
from tests.sockets.raw import BINARY, PING, PONG, Raw

POLICY, TOO_BIG, UNSUPPORTED = 1008, 1009, 1003


@pytest.fixture
def others(open_site: Server, raw: Callable[..., Raw]) -> Callable[[], None]:
    """Fails unless somebody else hears of a job, and soon."""
    client = raw(open_site).joined("witness")

    def hear() -> None:
        report(open_site, create(open_site, "witness"), progress=1)
        assert '"job:progress"' in client.text()

    return hear


def batch(site: Server, *lines: dict[str, Any]) -> int:
    """Reports of jobs, a line each; how many were taken."""
    body = "\n".join(map(json.dumps, lines))
    answer = site.post("/api/v1/queue/batch", body, headers={"Content-Type": "application/x-ndjson"})
    return int(answer.json()["accepted"])


@pytest.mark.parametrize(
    "said",
    [None, 7, {"a": 1}, ["x"], True, "", "x" * 10_000, "a\0b", "a/b", " a", "\ud800"],
    ids=lambda said: f"{said!a}"[:12],
)
def test_an_agent_that_can_be_none_is_answered_with_what_it_should_be(
    open_site: Server, raw: Callable[..., Raw], said: Any
) -> None:
    client = raw(open_site).joined()
    client.send(f'427["subscribe:agent",{json.dumps(said)}]')
    [answer] = json.loads(client.until("437")[3:])
    assert answer["ok"] is False
    assert answer["error"].startswith("agent")
    client.send(f'428["unsubscribe:agent",{json.dumps(said)}]', '429["subscribe:agent"]')
    assert client.until("438") and '"ok":false' in client.until("439")


def test_a_client_listens_to_100_agents_at_most(open_site: Server, raw: Callable[..., Raw]) -> None:
    client = raw(open_site).joined(*(f"room-{n}" for n in range(100)))
    client.send('421["subscribe:agent","one-more"]')
    assert "100 agents is the most" in client.until("431")
    client.send('422["unsubscribe:agent","room-7"]', '423["subscribe:agent","one-more"]')
    assert client.until("432") and '"ok":true' in client.until("433")


def test_what_nobody_knows_is_passed_by(open_site: Server, raw: Callable[..., Raw]) -> None:
    client = raw(open_site).joined("known")
    client.send(
        '42["job:progress",{"jobId":"forged"}]', '42["connect"]', '42["disconnect"]', "431[]", "3", "40/admin,{}"
    )
    assert "There is no such namespace" in client.until("44/admin")
    report(open_site, create(open_site, "known"), progress=1)
    assert '"progress":1' in client.text()


@pytest.mark.parametrize(
    "packet",
    [
        '451-["subscribe:agent",{"_placeholder":true,"num":0}]',
        '4599999999999-["x"]',
        '4510-["x"]',
        '461-1["x"]',
        f"40/{'n' * 200},",
        "42" + "[" * 8000,
        "4" + "[" * 8000,
        "4{}",
        "42",
        "42{}",
        "42[]",
        "42[7]",
        '42[{"a":1}]',
        "42[NaN",
        "4x",
        "49",
        "4",
        "x",
        "",
        "é",
        "40",
        "4" + "2" * 9000,
    ],
    ids=lambda text: text[:8] or "empty",
)
def test_a_packet_that_is_none_for_us_ends_its_client(open_site: Server, raw: Callable[..., Raw], packet: str) -> None:
    client = raw(open_site).joined("any")
    client.send(packet)
    client.ended()
    before_joining = raw(open_site)
    before_joining.send(packet if packet != "40" else '42["subscribe:agent","any"]')
    before_joining.ended()
    assert "Traceback" not in open_site.log()


def test_binary_messages_and_large_ones_are_refused(open_site: Server, raw: Callable[..., Raw]) -> None:
    def sent(build: Callable[[Raw], bytes]) -> int | None:
        client = raw(open_site).joined()
        client.push(build(client))
        return client.ended()

    assert sent(lambda c: c.frame(b"\x04\0", BINARY)) == UNSUPPORTED
    assert sent(lambda c: c.frame(b"4" * 17_000)) == TOO_BIG
    assert sent(lambda c: c.frame(b"4" * 20_000, length=2**62)) == TOO_BIG
    parts = [b"4" * 1000] * 20
    assert (
        sent(lambda c: b"".join(c.frame(part, 1 if n == 0 else 0, final=False) for n, part in enumerate(parts)))
        == TOO_BIG
    )
    assert sent(lambda c: b"\x81\x05hello") == 1002, "not masked"
    assert sent(lambda c: c.frame(b"\xff\xfe")) == 1007, "not UTF-8"


@pytest.mark.parametrize("kind", ["events", "pongs", "pings", "empty parts", "upgrades"])
def test_a_flood_ends_its_client_and_no_other(
    open_site: Server, raw: Callable[..., Raw], others: Callable[[], None], kind: str
) -> None:
    client = raw(open_site).joined("flooded")
    one = {
        "events": client.frame(b'42["subscribe:agent","flooded"]'),
        "pongs": client.frame(b"3") + client.frame(b"", PONG),
        "pings": client.frame(b"x" * 125, PING),
        "empty parts": client.frame(b"", 0, final=False),
        "upgrades": client.frame(b"5"),
    }[kind]
    client.push((client.frame(b"4", final=False) if kind == "empty parts" else b"") + one * 5000)
    assert client.ended() in (POLICY, None)
    others()


def test_memory_is_flat_under_those_who_try(open_site: Server, raw: Callable[..., Raw]) -> None:
    process = psutil.Process(open_site.worker_pids()[0])

    def round_of(number: int) -> int:
        for _ in range(number):
            one = raw(open_site).joined("any")
            one.push(one.frame(b'42["x","' + b"y" * 8000 + b'"]') * 40 + one.frame(b'4599999-["x"]'))
            one.ended()
            one.close()
        return process.memory_info().rss

    before = round_of(60)
    assert round_of(120) - before < 6 << 20


def test_one_that_does_not_read_delays_nobody_and_misses_no_end(
    open_site: Server, raw: Callable[..., Raw], others: Callable[[], None]
) -> None:
    slow = raw(open_site, receive_buffer=4096).joined("slow")
    process = psutil.Process(open_site.worker_pids()[0])
    number = create(open_site, "slow", id="long")

    def rounds(count: int, first: int) -> int:
        for at in range(first, first + count):
            lines = [
                {"queue_id": number, "seq": at * 1000 + n, "progress": n / 10, "message": "x" * 1500}
                for n in range(1000)
            ]
            assert batch(open_site, *lines) == 1000
            others()
        return process.memory_info().rss

    before = rounds(5, 1)  # the bus has as much in memory as it keeps
    assert rounds(4, 6) - before < 8 << 20
    report(open_site, number, status="completed")
    progresses = []
    while "job:completed" not in (text := slow.text()):
        progresses.append(json.loads(text[2:])[1]["progress"])
    assert progresses[-2:] == [99.9, 100], "the newest stands in for those that were dropped"
    assert len(progresses) < 5000
    text = open_site.get("/metrics?scope=instance").text
    assert 'headway_stream_events_dropped_total{transport="socketio"}' in text


def test_one_that_reads_nothing_at_all_is_let_go_when_ends_pile_up(open_site: Server, raw: Callable[..., Raw]) -> None:
    stuck = raw(open_site, receive_buffer=4096).joined("stuck")
    lines = [json.dumps({"agent": "stuck", "status": "failed", "error": f"{n} " + "x" * 12_000}) for n in range(120)]
    headers = {"Content-Type": "application/x-ndjson"}

    def is_gone() -> bool:
        assert open_site.post("/api/v1/queue/batch", "\n".join(lines), headers=headers).json()["rejected"] == []
        return "let go: too far behind" in open_site.log()

    wait_until(is_gone, what="its end")
    stuck.close()
