"""Monitors of the JavaScript client, followed from Node against a real site."""

from __future__ import annotations

import threading

from tests.clients.js.conftest import Watch, connected, create, is_update, report, updates
from tests.conftest import TOKEN, Valkey
from tests.serving import Server


def test_a_monitor_hears_of_every_update_and_keeps_the_last_of_each_job_newest_first(
    headway: Server, watch: Watch
) -> None:
    watcher = watch(headway.url, token=TOKEN)
    connected(watcher)
    first, second = create(headway, title="a.mp4"), create(headway, title="b.mp4")
    report(headway, second, current_step="upload", progress=30)
    report(headway, first, current_step="encode", progress=55.5, message="half of it")
    said = updates(watcher.until(is_update(queue_id=first, progress=55.5)))
    assert said == [
        {"queue_id": first, "status": "queued", "progress": 0},
        {"queue_id": second, "status": "queued", "progress": 0},
        {"queue_id": second, "status": "processing", "current_step": "upload", "progress": 30},
        {
            "queue_id": first,
            "status": "processing",
            "current_step": "encode",
            "progress": 55.5,
            "message": "half of it",
        },
    ]
    watcher.say("updates")
    assert watcher.value() == ["updates", [said[3], said[2]]]


def test_a_monitor_keeps_no_more_than_it_is_told_to(headway: Server, watch: Watch) -> None:
    watcher = watch(headway.url, token=TOKEN, limit=2)
    connected(watcher)
    numbers = [create(headway) for _ in range(3)]
    watcher.until(is_update(queue_id=numbers[-1]))
    watcher.say("updates")
    assert [update["queue_id"] for update in watcher.value()[1]] == numbers[:0:-1]


def test_a_monitor_of_an_agent_hears_of_its_jobs_alone(headway: Server, watch: Watch) -> None:
    watcher = watch(headway.url, token=TOKEN, agent="studio & co")
    connected(watcher)
    create(headway, agent="mail")
    number = create(headway, agent="studio & co")
    assert updates(watcher.until(is_update(queue_id=number))) == [
        {"queue_id": number, "status": "queued", "progress": 0}
    ]


def test_a_monitor_of_one_job_begins_with_its_present_state_and_hears_of_no_other(
    headway: Server, watch: Watch
) -> None:
    number = create(headway, id="episode-12", agent="studio")
    report(headway, number, current_step="upload", progress=40)
    by_number = watch(headway.url, token=TOKEN, item=number)
    by_id = watch(headway.url, token=TOKEN, item="episode-12", agent="studio")
    present = {"queue_id": number, "status": "processing", "current_step": "upload", "progress": 40}
    for watcher in (by_number, by_id):
        assert updates(watcher.until(is_update(progress=40))) == [present]
    create(headway)
    report(headway, number, status="failed", error="the disk is full")
    failed = {**present, "status": "failed", "message": "the disk is full"}
    for watcher in (by_number, by_id):
        assert updates(watcher.until(is_update(status="failed"))) == [failed]
        watcher.say("updates")
        assert watcher.value() == ["updates", [failed, present]]


def test_a_monitor_of_a_job_that_is_not_there_says_so_and_ends(headway: Server, watch: Watch) -> None:
    watcher = watch(headway.url, token=TOKEN, item=999999)
    name, error = watcher.value()
    assert (name, error["status"], error["final"]) == ("onError", 404, True)
    assert watcher.value() == ["closed", []]


def test_nothing_is_lost_or_doubled_when_the_site_is_killed_and_started_again(
    two_sites: tuple[Server, Server, Valkey], watch: Watch
) -> None:
    watched, other, _ = two_sites
    number = create(other)
    watchers = [
        watch(watched.url, token=TOKEN),
        watch(watched.url, ticketOf=TOKEN),
        watch(watched.url, token=TOKEN, item=number),
    ]
    for watcher in watchers:
        connected(watcher)
    every = list(range(1, 100))

    def work() -> None:
        for progress in every:
            report(other, number, progress=progress)
        report(other, number, status="completed")

    worker = threading.Thread(target=work)
    worker.start()
    watchers[0].until(is_update(progress=every[20]))
    watched.kill()
    worker.join()
    watched.start()
    for watcher, seen in zip(watchers, (every[21:], every, every), strict=True):
        said = watcher.until(is_update(status="completed"))
        heard = [update["progress"] for update in updates(said)]
        assert heard == [*([0] if watcher is watchers[2] else []), *seen, 100]
        assert [value for name, value in said if name == "onConnection"] == [False, True]
        assert not [value for name, value in said if name == "onGap"]


def test_a_monitor_returns_after_an_orderly_restart_and_says_when_the_store_is_away(
    two_sites: tuple[Server, Server, Valkey], watch: Watch
) -> None:
    watched, other, store = two_sites
    watcher = watch(watched.url, token=TOKEN)
    connected(watcher)
    number = create(other)
    watched.stop()
    report(other, number, progress=10)
    watched.start()
    assert [update["progress"] for update in updates(watcher.until(is_update(progress=10)))] == [0, 10]

    store.stop()
    watcher.until(lambda said: said[0] == "onDegraded")
    store.start()
    watcher.until(lambda said: said[0] == "onRecovered")
    report(other, number, progress=20)
    said = watcher.until(lambda said: said[0] in ("onConnection", "onUpdate"))
    assert updates(said) == [{"queue_id": number, "status": "processing", "progress": 20}]


def test_figures_come_back_and_no_notification_is_missed_when_the_site_is_killed_and_started_again(
    two_sites: tuple[Server, Server, Valkey], watch: Watch
) -> None:
    watched, other, _ = two_sites
    watcher = watch(watched.url, token=TOKEN, stats=True)
    first = watcher.until(lambda said: said[0] == "onStats")[-1][1]
    assert first.keys() == {"users", "requests", "episodes_tracked", "notifications", "timestamp"}
    other.post("/api/v1/notifications", json={"title": "One"})
    said = watcher.until(lambda said: said[0] == "onNotification")
    watched.kill()
    other.post("/api/v1/notifications", json={"title": "Two"})
    assert other.put("/api/v1/tiles/users", json={"value": 7}).status == 200
    watched.start()
    said += watcher.until(lambda said: said[0] == "onStats" and said[1]["users"] == 7)
    assert [value["title"] for name, value in said if name == "onNotification"] == ["One", "Two"]
