"""One action on many jobs: what it would do, what it does, how it is stopped, and what a killed process leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.job import Job as RqJob

from core import keys
from core.config import Broker
from services import operation_records, operations_service
from services.audit_service import Who
from services.brokers import actions
from services.brokers.rq_actions import RqActions
from services.job_model import Job
from services.operation_records import Chosen, Operation, Progress
from services.operations_service import NOBODY_KNOWS, Work
from tests.acted import Followed, followed
from tests.conftest import Valkey, wait_until
from tests.rq_workers import TASKS, queue


@pytest.fixture(scope="module")
def rq_url() -> Iterator[str]:
    valkey = Valkey().start()
    yield f"{valkey.url}?db=1"
    valkey.close()


@pytest.fixture(scope="module")
def rq(rq_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    with followed(rq_url.partition("?")[0], Broker("rq", rq_url), tmp_path_factory.mktemp("site")) as one:
        yield one


@pytest.fixture
def full(rq_url: str, request: pytest.FixtureRequest) -> Queue:
    """A queue of the test's own."""
    return queue(rq_url, re.sub(r"\W", "-", request.node.name)[:60])


def add(rq: Followed, full: Queue, count: int) -> list[Job]:
    """Waiting jobs, as Headway has them."""
    ids = [full.enqueue(f"{TASKS}.add", 1, n).id for n in range(count)]
    return [rq.job(id, "queued") for id in ids]


def work(rq: Followed, number: int, by: Work | None = None) -> Operation:
    (by or Work()).run(rq.site)
    found = operation_records.get(rq.site, number)
    assert found is not None
    return found


def told(rq: Followed, number: int) -> dict[str, Any]:
    answer: dict[str, Any] = rq.client.get(f"/api/v1/operations/{number}").get_json()
    return answer


def test_chosen_jobs_are_looked_at_and_then_acted_on(rq: Followed, full: Queue) -> None:
    first, second, third = add(rq, full, 3)
    scheduled = rq.job(full.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 2).id, "scheduled")
    reported = int(rq.client.post("/api/v1/queue", json={"title": "own"}).get_json()["queue_id"])
    numbers = [first.number, second.number, third.number, scheduled.number, reported]
    preview = rq.post("/api/v1/jobs/actions", {"action": "front", "jobs": numbers, "preview": True})
    assert (preview["total"], preview["can"], preview["exact"]) == (5, 3, True)
    assert {one["why"]: one["jobs"] for one in preview["others"]} == {
        "It does not wait in a queue: it is scheduled.": 1,
        "It was reported by its app; Headway can't act on it.": 1,
    }
    assert full.job_ids[0] == first.id
    begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "jobs": numbers}, 202)
    assert (begun["state"], begun["expected"]) == ("running", 5)
    RqJob.fetch(second.id, connection=full.connection).cancel()  # meanwhile
    work(rq, begun["id"])
    ended = told(rq, begun["id"])
    assert (ended["state"], ended["done"], ended["changed"], ended["refused"]) == ("done", 3, 1, 1)
    assert {fault["job"] for fault in ended["faults"]} == {second.number, reported}
    assert full.job_ids == []
    entry = next(e for e in rq.client.get("/api/v1/audit").get_json()["items"] if e["on"].startswith("operation"))
    assert (entry["result"], entry["said"]) == ("done", "3 done, 1 had changed, 1 refused.")


def test_all_that_match_are_acted_on_and_nothing_that_comes_later(rq: Followed, full: Queue) -> None:
    jobs = add(rq, full, 7)
    q = f"queue:{full.name} status:queued"
    preview = rq.post("/api/v1/jobs/actions", {"action": "cancel", "q": q, "preview": True})
    assert (preview["total"], preview["can"], preview["others"]) == (7, 7, [])
    begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "q": q}, 202)
    (later,) = add(rq, full, 1)
    assert begun["expected"] == 7
    assert work(rq, begun["id"]).progress.done == 7
    assert full.job_ids == [later.id]
    for job in jobs:
        rq.job(job.id, "canceled")
    preview = rq.post("/api/v1/jobs/actions", {"action": "retry", "q": f"queue:{full.name}", "preview": True})
    assert (preview["total"], preview["can"]) == (8, 7)
    assert preview["others"] == [{"why": "It has not ended: it is queued.", "jobs": 1}]
    begun = rq.post("/api/v1/jobs/actions", {"action": "retry", "q": f"queue:{full.name}"}, 202)
    assert work(rq, begun["id"]).progress.done == 7
    assert sorted(full.job_ids) == sorted([later.id, *(job.id for job in jobs)])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"action": "burn", "jobs": [1]}, "action"),
        ({"action": "retry"}, "jobs"),
        ({"action": "retry", "jobs": [1], "q": "queue:mail"}, "jobs"),
        ({"action": "retry", "jobs": []}, "jobs"),
        ({"action": "retry", "jobs": [0]}, "jobs"),
        ({"action": "retry", "jobs": [1] * 501}, "jobs"),
        ({"action": "move", "jobs": [1]}, "to"),
        ({"action": "retry", "jobs": [1], "to": "mail"}, "to"),
        ({"action": "retry", "q": "colour:red"}, "q"),
        ({"action": "retry", "q": "status:failed timeout"}, "q"),
        ({"action": "retry", "q": "after:2h"}, "q"),
        ({"action": "retry", "q": " "}, "q"),
        ({"action": "retry", "q": "\u3000"}, "q"),
        ({"action": "retry", "q": " ", "preview": True}, "q"),
    ],
)
def test_what_is_asked_for_wrongly_is_told_by_its_field(rq: Followed, asked: dict[str, Any], field: str) -> None:
    assert rq.post("/api/v1/jobs/actions", asked, 422)["field"].partition("[")[0] == field


@pytest.mark.parametrize("confirmed", ["", "1"])
def test_a_form_with_a_blank_query_does_not_mean_all_jobs(rq: Followed, full: Queue, confirmed: str) -> None:
    (job,) = add(rq, full, 1)
    fields = {"action": "delete", "all": "1", "q": "\u3000", "confirmed": confirmed}
    assert rq.client.post("/dashboard/jobs/actions", data=fields).status_code == 422
    assert full.job_ids == [job.id]


def test_what_matched_no_longer_when_its_turn_came_is_counted(rq: Followed, full: Queue) -> None:
    jobs = add(rq, full, 5)
    q = f"queue:{full.name} status:queued"
    begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "q": q}, 202)
    for job in jobs[:3]:
        RqJob.fetch(job.id, connection=full.connection).cancel()  # meanwhile, and Headway saw two of them
    for job in jobs[:2]:
        rq.job(job.id, "canceled")
    work(rq, begun["id"])
    ended = told(rq, begun["id"])
    parts = {name: ended[name] for name in ("done", "changed", "refused", "failed", "gone")}
    assert sum(parts.values()) == ended["expected"] == 5
    assert parts["gone"] >= 2
    page = rq.client.get(f"/dashboard/operations/{begun['id']}").text
    assert f"<dt>Matched no longer</dt><dd>{parts['gone']}</dd>" in page
    assert f'max="{5 - parts["gone"]}"' in page
    assert f"{parts['gone']} matched no longer." in rq.client.get("/api/v1/audit").get_json()["items"][0]["said"]


def test_an_operation_is_stopped_and_goes_no_further(
    rq: Followed, full: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = add(rq, full, 6)
    begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "jobs": [job.number for job in jobs]}, 202)
    tried = list[str]()

    def act(site: object, engines: object, action: str, number: int, *_: object) -> str:
        tried.append(action)
        if len(tried) == 2:
            rq.post(f"/api/v1/operations/{begun['id']}/stop", {})
        return "done"

    monkeypatch.setattr(actions, "act", act)
    work(rq, begun["id"])
    ended = told(rq, begun["id"])
    assert (ended["state"], ended["done"], len(tried)) == ("stopped", 2, 2)
    assert "It has ended." in rq.post(f"/api/v1/operations/{begun['id']}/stop", {}, 409)["detail"]
    rq.post("/api/v1/operations/999/stop", {}, 404)


def test_an_operation_that_fails_is_told_of_and_the_others_go_on(
    rq: Followed, full: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = add(rq, full, 3)
    first, second = (
        rq.post("/api/v1/jobs/actions", {"action": "cancel", "jobs": [job.number for job in part]}, 202)["id"]
        for part in (jobs[:2], jobs[2:])
    )
    whole: Callable[..., str] = RqActions.on_job

    def fails(self: RqActions, action: str, job: Any, to: str | None) -> str:
        if job.id == jobs[0].id:
            raise KeyError("unforeseen")
        return whole(self, action, job, to)

    monkeypatch.setattr(RqActions, "on_job", fails)
    by = Work()
    work(rq, first, by)
    assert f"Operation {first} failed" in caplog.text and "unforeseen" in caplog.text
    assert told(rq, second)["done"] == 1
    progress = work(rq, first, by).progress
    assert (progress.state, progress.done, progress.failed) == ("done", 1, 1)
    assert [(fault.job, fault.why) for fault in progress.faults] == [(jobs[0].number, NOBODY_KNOWS)]


def test_an_operation_that_goes_on_outlives_many_later_ones(rq: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_records, "KEPT", 2)

    def start() -> int:
        return operations_service.start_chosen(rq.site, Who("open", "anyone", "192.0.2.1"), "retry", [])

    open_one, ended = start(), start()
    operation_records.close(rq.site, ended)
    held = operation_records.go_on(rq.site, open_one, "one")
    assert held is not None
    later = [start() for _ in range(3)]
    assert operation_records.get(rq.site, ended) is None
    assert operation_records.get(rq.site, open_one) is not None
    assert open_one in operation_records.open_ones(rq.site)
    operation_records.close(rq.site, open_one)
    later.append(start())
    assert operation_records.get(rq.site, open_one) is None
    assert operation_records.go_on(rq.site, open_one, "one", held[0]) is None, "it is forgotten"
    assert not rq.site.store.redis.exists(keys.OPERATION.at(0, open_one))
    for number in later:
        operation_records.close(rq.site, number)


class Killed(BaseException):
    pass


def test_what_a_killed_process_was_at_is_not_tried_again(
    rq: Followed, full: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = add(rq, full, 4)
    begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "jobs": [job.number for job in jobs]}, 202)
    whole: Callable[..., str] = RqActions.on_job

    def dies(self: RqActions, action: str, job: Any, to: str | None) -> str:
        said = whole(self, action, job, to)
        if job.id == jobs[1].id:
            raise Killed
        return said

    monkeypatch.setattr(RqActions, "on_job", dies)
    with pytest.raises(Killed):
        work(rq, begun["id"])
    monkeypatch.setattr(RqActions, "on_job", whole)
    assert work(rq, begun["id"]).progress.state == "running"  # its lease is another's
    rq.site.store.redis.delete(keys.OPERATION_LEASE.at(0, begun["id"]))  # as it runs out by itself
    progress = work(rq, begun["id"]).progress
    assert (progress.state, progress.done, progress.failed) == ("done", 3, 1)
    assert [(fault.job, fault.why) for fault in progress.faults] == [(jobs[1].number, NOBODY_KNOWS)]


def test_who_lost_the_lease_meanwhile_goes_no_further(rq: Followed, full: Queue) -> None:
    jobs = add(rq, full, 2)
    begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "jobs": [job.number for job in jobs]}, 202)
    assert operation_records.go_on(rq.site, begun["id"], "one") is not None
    assert operation_records.go_on(rq.site, begun["id"], "other", Progress(done=9)) is None
    assert told(rq, begun["id"])["done"] == 0
    assert operation_records.go_on(rq.site, begun["id"], "one", Progress(state="done", done=2)) is not None
    operation_records.close(rq.site, begun["id"])


def test_an_operation_is_broken_off_where_its_engine_is_away(tmp_path: Path) -> None:
    store, engine = Valkey().start(), Valkey().start()
    try:
        with followed(store.url, Broker("rq", engine.url), tmp_path) as rq:
            jobs = add(rq, queue(engine.url), 5)
            engine.stop()
            begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "jobs": [job.number for job in jobs]}, 202)
            progress = work(rq, begun["id"]).progress
            assert (progress.state, progress.failed, progress.why) == ("broken", 3, "its Redis can't be reached")
            work(rq, begun["id"])
            assert told(rq, begun["id"])["failed"] == 3
    finally:
        store.close()
        engine.close()


def test_a_form_shows_first_what_would_be_done(rq: Followed, full: Queue) -> None:
    first, second = add(rq, full, 2)
    fields = {"action": "cancel", "job": [str(first.number), str(second.number)], "back": "/dashboard/jobs?queue=x"}
    page = rq.client.post("/dashboard/jobs/actions", data=fields)
    assert page.status_code == 200
    assert "Cancel 2 jobs" in page.text
    assert full.count == 2
    shown = re.findall(r'name="job" value="([^"]+)"', page.text)
    assert shown == [f"{first.number} queued 1", f"{second.number} queued 1"]
    RqJob.fetch(first.id, connection=full.connection).cancel()
    rq.job(first.id, "canceled")
    answer = rq.client.post("/dashboard/jobs/actions", data={**fields, "job": shown, "confirmed": "1"})
    assert answer.status_code == 303
    number = int(answer.headers["Location"].rpartition("/")[2])
    progress = work(rq, number).progress
    assert (progress.done, progress.changed) == (1, 1)
    shown_after = rq.client.get(f"/dashboard/operations/{number}").text
    assert f"/dashboard/jobs/{first.number}" in shown_after
    assert "it is canceled now" in shown_after
    for wrong in (
        {**fields, "job": ["x"]},
        {**fields, "job": ["1 2"]},
        {**fields, "action": "x"},
    ):
        assert rq.client.post("/dashboard/jobs/actions", data=wrong).status_code in (400, 422)


def test_the_address_of_a_preview_that_is_opened_anew_leads_to_the_list(rq: Followed) -> None:
    answer = rq.client.get("/dashboard/jobs/actions")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/dashboard/jobs")


def test_a_preview_names_the_first_jobs_and_those_that_are_left_with_why(rq: Followed, full: Queue) -> None:
    waiting = add(rq, full, 12)
    later = rq.job(full.enqueue_in(timedelta(hours=1), f"{TASKS}.add", 1, 2).id, "scheduled")
    asked = {"title": "told <b>", "queue": full.name}
    reported = int(rq.client.post("/api/v1/queue", json=asked).get_json()["queue_id"])
    numbers = [str(number) for number in sorted((job.number for job in waiting), reverse=True)]
    by_query = {"action": "front", "all": "1", "q": f"queue:{full.name}"}
    for fields in ({"action": "front", "job": [*numbers, str(later.number), str(reported)]}, by_query):
        page = rq.client.post("/dashboard/jobs/actions", data=fields).text
        would, left = page.split('id="first-title"')[1].split('id="left-title"')
        assert re.findall(r'href="/dashboard/jobs/(\d+)"', would) == numbers[:10]
        assert "the first 10" in would
        assert re.findall(r'href="/dashboard/jobs/(\d+)"|(It [^<]+\.)', left) == [
            ("", "It does not wait in a queue: it is scheduled."),
            (str(later.number), ""),
            ("", "It was reported by its app; Headway can&#39;t act on it."),
            (str(reported), ""),
        ]
        assert "told &lt;b&gt;" in left


def test_a_move_is_looked_at_with_its_queue_before_it_is_promised(rq: Followed, rq_url: str, full: Queue) -> None:
    jobs = add(rq, full, 3)
    here, there = f"queue:{full.name} status:queued", f"{full.name}-b"
    chosen = {"action": "move", "jobs": [job.number for job in jobs], "preview": True}
    matching = {"action": "move", "q": here, "preview": True}
    nowhere = "There is no queue 'nowhere': no job was ever in it, and no worker listens to it."
    for asked in (chosen, matching):
        told = rq.post("/api/v1/jobs/actions", {**asked, "to": "nowhere"})
        assert (told["total"], told["can"], told["others"]) == (3, 0, [{"why": nowhere, "jobs": 3}])
        told = rq.post("/api/v1/jobs/actions", {**asked, "to": full.name})
        assert (told["can"], told["others"]) == (0, [{"why": "It is in that queue already.", "jobs": 3}])
    rq.job(queue(rq_url, there).enqueue(f"{TASKS}.add", 1, 2).id, "queued")
    fields = {"to": there, "all": "1", "q": here}
    shown = rq.client.post("/dashboard/jobs/actions", data={**fields, "action": ""})  # as Enter in the field sends it
    assert f"Move to <bdi>{there}</bdi>: 3 of 3 jobs" in shown.text
    shown = rq.client.post("/dashboard/jobs/actions", data={**fields, "action": "move", "to": "nowhere"})
    assert "0 of 3 jobs" in shown.text and 'value="move"' not in shown.text
    rq.tick()
    assert f'<option value="{there}">' in rq.client.get("/dashboard/jobs").text
    assert f'<option value="{there}">' in rq.client.get(f"/dashboard/jobs/{jobs[0].number}").text


def test_a_move_whose_broker_is_away_is_not_promised(tmp_path: Path) -> None:
    store, engine = Valkey().start(), Valkey().start()
    try:
        with followed(store.url, Broker("rq", engine.url), tmp_path) as rq:
            (job,) = add(rq, queue(engine.url), 1)
            engine.stop()
            asked = {"action": "move", "jobs": [job.number], "to": "other", "preview": True}
            (why,) = rq.post("/api/v1/jobs/actions", asked)["others"]
            assert why["why"].endswith("because its Redis can't be reached.")
    finally:
        store.close()
        engine.close()


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"action": "retry"}, "No job was ticked"),
        ({"action": ""}, "No job was ticked"),
        ({"action": "move", "job": "1"}, "No queue was named"),
        ({"action": "", "job": "1"}, "press one of the buttons"),
        ({"action": "retry", "job": ["1"] * 501}, "Too many jobs"),
    ],
)
def test_a_form_that_says_too_little_leads_back_to_the_list_as_it_was(
    rq: Followed, fields: dict[str, Any], note: str
) -> None:
    back = "/dashboard/jobs?q=queue%3Amail&told=3"
    answer = rq.client.post("/dashboard/jobs/actions", data={**fields, "back": back})
    assert answer.status_code == 303
    place = answer.headers["Location"]
    assert place.startswith("/dashboard/jobs?q=queue%3Amail&told=") and place.count("told=") == 1
    page = rq.client.get(place).text
    assert note in page
    assert 'name="back" value="/dashboard/jobs?q=queue%3Amail"' in page  # what comes of the next one stands alone


def test_a_preview_marks_a_failed_job_as_the_list_does(rq: Followed) -> None:
    number = rq.client.post("/api/v1/queue", json={"title": "own"}).get_json()["queue_id"]
    rq.client.put(f"/api/v1/queue/{number}", json={"status": "failed"})
    preview = rq.client.post("/dashboard/jobs/actions", data={"action": "retry", "job": f"{number} - 1"}).text
    assert '<span class="tag bad">failed</span>' in preview


def test_an_operation_that_did_nothing_or_a_part_says_so(rq: Followed, full: Queue) -> None:
    jobs = add(rq, full, 2)
    asked = {"action": "cancel", "jobs": [job.number for job in jobs]}
    RqJob.fetch(jobs[0].id, connection=full.connection).cancel()  # and Headway has not seen it
    for done, said, result, words in (
        (1, "1 done, 1 had changed.", "done", "partly done"),
        (0, "Nothing was done: 2 had changed.", "changed", "nothing was done"),
    ):
        begun = rq.post("/api/v1/jobs/actions", asked, 202)["id"]
        work(rq, begun)
        page = rq.client.get(f"/dashboard/operations/{begun}").text
        assert f'<span class="tag warn">{words}</span>' in page
        assert f'value="{done}" aria-label="Jobs done" class="warn"' in page
        entry = rq.client.get("/api/v1/audit").get_json()["items"][0]
        assert (entry["result"], entry["said"]) == (result, said)


def test_what_came_of_an_operation_is_told_without_zeros(rq: Followed) -> None:
    chosen = [Chosen(900_000 + n, "queued", 1) for n in range(1_200)]
    number = operations_service.start_chosen(rq.site, Who("open", "anyone", "192.0.2.1"), "retry", chosen)
    work(rq, number)
    entry = rq.client.get("/api/v1/audit").get_json()["items"][0]
    assert (entry["result"], entry["said"]) == ("refused", "Nothing was done: 1,200 refused.")


def test_a_stopped_preview_of_all_that_match_names_its_query(rq: Followed, full: Queue) -> None:
    add(rq, full, 1)
    fields = {"action": "delete", "all": "1", "q": f"queue:{full.name}", "back": "//evil.example"}
    page = rq.client.post("/dashboard/jobs/actions", data=fields).text
    assert f"queue:{full.name}" in page
    assert "Delete 1 job" in page
    assert "evil.example" not in page


def test_the_leading_process_goes_on_with_operations_by_itself(rq: Followed, full: Queue) -> None:
    jobs = add(rq, full, 3)
    duty = next(one for one in rq.app.extensions["headway.duties"] if one.name == "operations")
    begun = rq.post("/api/v1/jobs/actions", {"action": "cancel", "jobs": [job.number for job in jobs]}, 202)
    wait_until(lambda: duty.run(rq.site) or told(rq, begun["id"])["state"] == "done", what="the operation's end")
    assert operation_records.open_ones(rq.site) == []
    assert duty.every_s == operations_service.EVERY_S
