"""What jobs name besides how they go: kept, replaced, forgotten, found again in the indexes, and counted where it should be."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import keys
from core.fields import FieldError, check
from core.site import Site
from services import agent_list, agents_service, error_types, jobs_service, retention_service
from services.job_changes import Change, JobRef
from services.job_model import DamagedJob, Job, from_ms, to_ms
from services.job_rules import ALL_STATES, UNCOUNTED, Line, NewJob, State, Update
from tests import archive

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FRESH = itertools.count()
MAIL = JobRef(agent="app", id="mail-1")


def put(site: Site, agent: str = "rq", id: str = "a", **fields: Any) -> Job:
    job = jobs_service.apply(site, site.store.partition_of(agent), Change("put", a=agent, i=id, **fields)).job
    assert isinstance(job, Job)
    return job


def told(site: Site, ref: JobRef = MAIL, **fields: Any) -> Job:
    job = jobs_service.update(site, ref, check(Update, fields)).job
    assert isinstance(job, Job)
    return job


def indexes(site: Site) -> dict[str, set[int]]:
    """What the indexes of names hold, by their names without the root."""
    root = keys.root(0)
    return {
        name.removeprefix(root): {int(number) for number in site.store.redis.zrange(name, 0, -1)}
        for kind in (keys.BY, keys.QUEUE_STATE, keys.UNCOUNTED)
        for name in site.store.redis.scan_iter(kind.at() + "*")
    }


def test_a_reported_job_keeps_what_it_names_until_something_else_is_said(site: Site) -> None:
    jobs_service.create(site, NewJob(agent="app", id="mail-1", queue="mail", function="app.send", tags=("eu", "vip")))
    job = told(site, status="processing", worker="host-1")
    assert (job.queue, job.function, job.worker, job.tags) == ("mail", "app.send", "host-1", ("eu", "vip"))
    job = told(site, tags=["us"], queue="fast")
    assert (job.queue, job.tags, job.function) == ("fast", ("us",), "app.send")
    assert told(site, tags=[]).tags == ()
    n = job.number
    assert indexes(site) == {
        "by:queue:fast": {n}, "by:function:app.send": {n}, "by:worker:host-1": {n}, "by:state:processing": {n},
        "queue-state:processing:app/fast": {n},
    }  # fmt: skip


def test_a_follower_tells_what_an_engine_knows(site: Site) -> None:
    now = to_ms(from_ms(site.clock() * 1000))
    job = put(site, en="rq", xi="what ever", x="scheduled", du=now + 5000, qa=now - 10, ca=now - 20)
    assert (job.engine, job.engine_id, job.state, job.status) == ("rq", "what ever", "scheduled", "queued")
    assert (job.due_at, job.enqueued_at, job.created_at) == tuple(map(from_ms, (now + 5000, now - 10, now - 20)))
    job = put(site, x="started", s="processing", sa=now - 5, du=0)
    assert (job.due_at, job.started_at, job.state) == (None, from_ms(now - 5), "started")
    job = put(site, x="finished", s="completed", fa=now)
    assert (job.finished_at, job.status) == (from_ms(now), "completed")


def test_a_new_attempt_forgets_the_worker_the_error_and_the_times_of_the_one_before(site: Site) -> None:
    put(site, qu="mail", wk="w1", x="started", s="processing", qa=1_000_000, du=2_000_000)
    put(site, x="failed", s="failed", e="Boom: x", et="Boom")
    job = put(site, t=2, s="queued")
    assert (job.worker, job.error_type, job.due_at, job.enqueued_at, job.state) == (None,) * 5
    assert (job.queue, job.attempt) == ("mail", 2)
    assert indexes(site).keys() == {"by:queue:mail", "by:state:queued", "queue-state:queued:rq/mail"}


def test_an_update_that_names_something_new_at_the_same_time_is_taken(site: Site) -> None:
    at = int(site.clock() * 1000) - 5000
    put(site, qu="mail", w=at)
    outcome = jobs_service.apply(site, 0, Change("put", a="rq", i="a", qu="mail", w=at))
    assert outcome.kind == "kept"
    assert put(site, wk="w1", w=at).worker == "w1"


@pytest.mark.parametrize("state", UNCOUNTED)
def test_what_was_ended_on_purpose_moves_no_figure_of_ends(site: Site, state: State) -> None:
    put(site, "rq", "good", qu="mail", x="finished", s="completed")
    before = counters(site)
    put(site, "rq", "ended", qu="mail", x="queued")
    created = counters(site)
    put(site, "rq", "ended", x=state, s="failed")
    assert before != created
    assert counters(site) == created
    counts = {"queued": 0, "processing": 0, "completed": 1, "failed": 0, "canceled": 1}
    assert jobs_service.counts(site) == jobs_service.counts(site, "rq") == counts
    assert jobs_service.counts(site, "other")["canceled"] == 0
    stats = agents_service.stats(site, "rq")
    assert (stats.failed_jobs, stats.success_rate) == (0, 100)
    (listed,) = jobs_service.agents(site)
    assert listed == agent_list.one(site, "rq")
    assert (listed.completed, listed.failed, listed.canceled) == (1, 0, 1)


def counters(site: Site) -> dict[str, Any]:
    kinds = (
        keys.TOTALS,
        keys.MINUTE,
        keys.HOUR,
        keys.AGENT_MINUTE,
        keys.AGENT_HOUR,
        keys.QUEUE_MINUTE,
        keys.QUEUE_HOUR,
    )
    return {
        name: site.store.redis.hgetall(name) for kind in kinds for name in site.store.redis.scan_iter(kind.at() + "*")
    }


def test_jobs_that_name_nothing_leave_no_trace_in_the_indexes(site: Site) -> None:
    jobs_service.create(site, NewJob(agent="app", id="mail-1"))
    told(site, status="processing")
    told(site, status="failed", error="it broke")
    kinds = (keys.BY, keys.QUEUE_STATE, keys.QUEUES, keys.NAMED, keys.QUEUE_MINUTE, keys.QUEUE_HOUR, keys.QUEUE_TIMES)
    assert not [name for kind in kinds for name in site.store.redis.scan_iter(kind.at() + "*")]
    record = msgspec.msgpack.decode(site.store.raw.get(keys.JOB.at(0, 1)))  # type: ignore[arg-type]
    assert not {"queue", "tags", "engine", "errorType", "state"} & record.keys()


def test_a_failure_that_names_no_type_gets_that_of_its_last_line(site: Site) -> None:
    jobs_service.create(site, NewJob(agent="app", id="mail-1"))
    job = told(site, status="failed", error='Traceback (most recent call last):\n  File "a.py"\napp.Lost: no 7')
    assert job.error_type == "app.Lost"
    assert indexes(site) == {"by:error:app.Lost": {job.number}}
    jobs_service.create(site, NewJob(agent="app", id="mail-2"))
    assert (
        told(site, JobRef(agent="app", id="mail-2"), status="failed", error="Lost: x", error_type="Mine").error_type
        == "Mine"
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ValueError: no such user", "ValueError"), ("a.b.Timeout: 30 s\n", "a.b.Timeout"), ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("Traceback (most recent call last):\n  File 'x'\n    y()\nrq.timeouts.JobTimeout: too\nlong: it took\n", "rq.timeouts.JobTimeout"),
        ("Traceback (most recent call last):\n  x\nKeyError: 1\n\nDuring handling …\n\nTraceback (most recent call last):\n  y\nStopped", "Stopped"),
        ("could not open the file: no", None), ("it broke", None), ("www.example.com", None), ("17: x", None), ("", None), (None, None),
        ("HTTPError: 503\n\n  File \"a.py\", line 3, in run\n    raise it", "HTTPError"), ("TypeError: x is no function\n    at run (a.js:3:1)", "TypeError"),
        ("\ttab", None), ("hello\n  world", None), ("Stopped\n\n  File \"a.py\", line 3\n    raise", "Stopped"),
        (f"{'x' * 300}: y", None), ("\u00dcberlauf: zu viel", "\u00dcberlauf"),
    ],
)  # fmt: skip
def test_the_type_of_an_error_is_the_name_before_its_text(error: str | None, expected: str | None) -> None:
    assert error_types.of(error) == expected


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"queue": " mail"}, "queue"), ({"queue": ""}, "queue"), ({"function": "a\tb"}, "function"), ({"worker": 201 * "x"}, "worker"),
        ({"tags": ["a b"]}, "tags"), ({"tags": [str(n) for n in range(21)]}, "tags"), ({"tags": "eu"}, "tags"), ({"error_type": 7}, "error_type"),
        ({"state": "queued"}, "state"), ({"engine": "rq"}, "engine"),
    ],
)  # fmt: skip
def test_what_no_job_can_name_is_refused_with_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as refused:
        check(Line, {"id": "a", **fields})
    assert refused.value.field.startswith(field) or field in str(refused.value)


def test_a_record_whose_names_somebody_else_spoilt_is_damaged_and_can_be_retired(site: Site) -> None:
    job = put(site, qu="mail", x="finished", s="completed")
    for name, value in (("queue", 7), ("tags", [["x"]]), ("state", {"a": 1}), ("due", "soon")):
        record = msgspec.msgpack.decode(site.store.raw.get(keys.JOB.at(0, job.number)))  # type: ignore[arg-type]
        site.store.raw.set(keys.JOB.at(0, job.number), msgspec.msgpack.encode({**record, name: value}))
        outcome = jobs_service.apply(site, 0, Change("update", n=job.number, p=1))
        assert outcome == jobs_service.Outcome("damaged", DamagedJob(job.number)), name
    with archive.archived(site) as made:
        assert retention_service.run(replace(made, clock=lambda: site.clock() + 31 * 86_400)) == 1
    assert jobs_service.page(site).total == 0


UPDATES = st.lists(
    st.fixed_dictionaries(
        {"i": st.sampled_from(["a", "b"])},
        optional={
            "qu": st.sampled_from(["mail", "web/x:y"]), "fn": st.sampled_from(["f", "g"]), "wk": st.sampled_from(["w1", "w2"]),
            "et": st.sampled_from(["Boom", "a.Timeout"]), "tg": st.lists(st.sampled_from(["eu", "vip", "us"]), max_size=3),
            "x": st.sampled_from(State.__args__), "s": st.sampled_from(["queued", "processing", "completed", "failed"]),  # type: ignore[attr-defined]
            "t": st.integers(1, 3), "en": st.just("rq"), "du": st.integers(0, 1), "o": st.sampled_from(["put", "import"]),
        },
    ),
    max_size=20,
)  # fmt: skip


@QUICK
@given(UPDATES)
def test_indexes_and_records_agree_after_any_updates(site: Site, updates: list[dict[str, Any]]) -> None:
    agent = f"agent-{next(FRESH)}"
    for update in updates:
        jobs_service.apply(site, 0, Change(a=agent, **{"o": "put", **update}))
    expected: dict[str, set[int]] = {}
    for job in jobs_service.page(site, agent=agent).items:
        assert isinstance(job, Job)
        for name in names_of(job):
            expected.setdefault(name, set()).add(job.number)
    own = {job.number for job in jobs_service.page(site, agent=agent).items}
    assert {name: found & own for name, found in indexes(site).items() if found & own} == expected
    assert {job for name, found in indexes(site).items() if agent in name for job in found} <= own


def names_of(job: Job) -> set[str]:
    state = job.state or job.status
    assert state in ALL_STATES
    one = (("queue", job.queue), ("function", job.function), ("worker", job.worker), ("error", job.error_type))
    found = {f"by:{field}:{value}" for field, value in one if value} | {f"by:tag:{tag}" for tag in job.tags}
    if job.queue or job.engine or job.state:
        found.add(f"by:state:{state}")
        found |= {f"uncounted:{job.agent}"} if state in UNCOUNTED else set()
    if job.queue:
        found.add(f"queue-state:{state}:{job.agent}/{job.queue}")
    return found


def test_the_store_knows_the_same_states_as_the_site() -> None:
    script = (Path(keys.__file__).parent / "scripts/parts/indexes.lua").read_text()
    states, ends = (re.findall(r"\w+", table) for table in re.findall(r"(?s)= \{(.*?)\}", script)[:2])
    assert tuple(states) == ALL_STATES
    assert tuple(ends[::2]) == UNCOUNTED
