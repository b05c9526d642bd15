"""What the documented client hears of jobs and agents, and in which order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.conftest import wait_until
from tests.nginx import nginx
from tests.serving import Server
from tests.sockets.conftest import Agent, create, hears, report
from tests.sockets.raw import Raw

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def last(site: Server, agent_id: str, client: Any) -> list[Any]:
    """All that a client hears up to a job that completes now, whose own events are not among it."""
    report(site, number := create(site, agent_id, id="the-last"), status="completed")
    del number
    said = client.until(lambda heard: heard[0] == "job:completed" and heard[1]["jobId"] == "the-last")
    return said[:-2]


def test_a_job_that_completes_is_told_as_the_contract_says(open_site: Server, agent: Agent) -> None:
    client = agent(open_site, "completes")
    hears(client)
    number = create(open_site, "completes", id="one", title="A")
    report(open_site, number, current_step="downloading", progress=12.5, message="half way")
    report(open_site, number, status="completed")
    said = last(open_site, "completes", client)
    times = [data.pop("timestamp") for name, data in said if name == "job:progress"]
    assert all(map(TIME.fullmatch, times)) and times == sorted(times)
    job = {"jobId": "one", "videoId": None}
    assert said == [
        ["job:progress", job | {"stage": "downloading", "progress": 12.5, "message": "half way"}],
        ["job:progress", job | {"stage": "completed", "progress": 100, "message": None}],
        ["job:completed", {"jobId": "one", "episodeId": None, "published": False}],
    ]


def test_a_job_that_fails_tells_the_error_and_in_which_stage(open_site: Server, agent: Agent) -> None:
    client = agent(open_site, "fails")
    hears(client)
    number = create(open_site, "fails", id="one")
    report(open_site, number, current_step="uploading", progress=90)
    report(open_site, number, status="failed", error="disk full")
    _, progress, failed = last(open_site, "fails", client)
    assert TIME.fullmatch(progress[1].pop("timestamp"))
    told = {"jobId": "one", "videoId": None, "stage": "failed", "progress": 0, "message": "disk full"}
    assert progress == ["job:progress", told]
    assert failed == ["job:failed", {"jobId": "one", "error": "disk full", "stage": "uploading"}]


def test_what_an_agent_writes_by_its_own_routes_is_told(open_site: Server, agent: Agent) -> None:
    def write(method: str, path: str, **fields: Any) -> Any:
        answer = open_site.request(method, f"/agents/writes/{path}", json=fields)
        assert answer.status in (200, 201), answer.text
        return answer.json()

    client = agent(open_site, "writes")
    hears(client)
    write("POST", "videos", videoId="v1", title="Video", publishedAt="2026-11-20T10:00:00Z")
    backfill = write("POST", "backfills", totalVideos=7, since="2026-11-01T00:00:00Z")
    write("PATCH", f"backfills/{backfill['id']}", totalFound=6, totalEnqueued=5)
    job = write("POST", "jobs", videoId="v1", videoTitle="Video")["id"]
    write("PATCH", f"jobs/{job}", stage="speech_detection", message="listening")
    write("PATCH", f"jobs/{job}", stage="completed", episodeId="e1", published=True)
    said = [client.value() for _ in range(6)]
    assert [data.pop("timestamp")[-1] for name, data in said if name == "job:progress"] == ["Z", "Z"]
    told = {"jobId": job, "videoId": "v1"}
    assert said == [
        ["video:discovered", {"videoId": "v1", "title": "Video", "publishedAt": "2026-11-20T10:00:00Z"}],
        ["backfill:started", {"totalVideos": 7, "since": "2026-11-01T00:00:00Z"}],
        ["backfill:completed", {"totalFound": 6, "totalEnqueued": 5}],
        ["job:progress", told | {"stage": "speech_detection", "progress": 30, "message": "listening"}],
        ["job:progress", told | {"stage": "completed", "progress": 100, "message": None}],
        ["job:completed", {"jobId": job, "episodeId": "e1", "published": True}],
    ]


def test_only_those_who_subscribed_to_an_agent_hear_of_it(open_site: Server, agent: Agent) -> None:
    silent, other = agent(open_site, "rooms-a", subscribe=False), agent(open_site, "rooms-b")
    client, stays = agent(open_site, "rooms-a"), agent(open_site, "rooms-a")
    for one in (silent, other, client, stays):
        hears(one)
    report(open_site, number := create(open_site, "rooms-a"), progress=1)
    assert client.value()[1]["progress"] == 1
    client.say(["unsubscribe:agent", "rooms-a"])
    assert client.value() == ["ack", {"ok": True, "agentId": "rooms-a"}]
    report(open_site, number, progress=2)
    stays.until(lambda said: said[1]["progress"] == 2)
    client.say(["subscribe:agent", "rooms-a"])
    assert client.value() == ["ack", {"ok": True, "agentId": "rooms-a"}]
    report(open_site, number, progress=3)
    assert client.value()[1]["progress"] == 3
    report(open_site, create(open_site, "rooms-b"), progress=4)
    assert other.value()[1]["progress"] == 4, "the other agent's job comes first"
    silent.say(["subscribe:agent", "rooms-a"])
    assert silent.value()[0] == "ack", "nothing before it was asked for"


def test_a_site_with_one_process_takes_long_polling_and_goes_over_to_a_websocket(
    open_site: Server, agent: Agent
) -> None:
    polling = agent(open_site, "polls", options={"transports": ["polling"]})
    both = agent(open_site, "polls", options={"transports": ["polling", "websocket"]})
    both.until(lambda said: said == ["upgrade", "websocket"])
    both.say(["unsubscribe:agent", "nobody"])
    both.until(lambda said: said[0] == "ack")
    hears(polling)
    report(open_site, number := create(open_site, "polls"), progress=50)
    report(open_site, number, status="completed")
    for client in (polling, both):
        assert [client.value()[0] for _ in range(3)] == ["job:progress", "job:progress", "job:completed"]
        assert client.finish() == []


def test_it_works_behind_nginx(open_site: Server, agent: Agent) -> None:
    with nginx(open_site) as port:
        client = agent(f"http://127.0.0.1:{port}", "proxied")
        hears(client)
        report(open_site, create(open_site, "proxied"), progress=50)
        assert client.value()[1]["progress"] == 50
        assert client.finish() == []


def test_one_that_keeps_up_gets_every_event_of_a_burst(open_site: Server, raw: Callable[..., Raw]) -> None:
    client = raw(open_site).joined("burst")
    number = create(open_site, "burst")
    lines = [json.dumps({"queue_id": number, "seq": n, "progress": n / 20}) for n in range(1, 1001)]
    headers = {"Content-Type": "application/x-ndjson"}
    assert open_site.post("/api/v1/queue/batch", "\n".join(lines), headers=headers).json()["accepted"] == 1000
    heard = [json.loads(client.text()[2:])[1]["progress"] for _ in lines]
    assert heard == [n / 20 for n in range(1, 1001)]


def test_open_sockets_and_what_they_got_are_counted(open_site: Server, raw: Callable[..., Raw]) -> None:
    def figures() -> tuple[float, float]:
        text = open_site.get("/metrics?scope=instance").text
        found = dict(re.findall(r'^(headway_stream_\w+){transport="socketio"} (\S+)$', text, re.M))
        return float(found["headway_stream_clients"]), float(found["headway_stream_events_sent_total"])

    _, before = figures()
    clients = [raw(open_site).joined("counted") for _ in range(3)]
    assert figures()[0] >= 3
    open_now = figures()[0]
    report(open_site, create(open_site, "counted"), status="completed")
    for client in clients:
        assert '"job:progress"' in client.text() and '"job:completed"' in client.text()
        client.close()
    wait_until(lambda: figures() == (open_now - 3, before + 6), what="the figures")
    text = open_site.get("/metrics?scope=instance").text
    assert 'headway_http_requests_total{method="GET",route="/socket.io",status="101"}' in text
