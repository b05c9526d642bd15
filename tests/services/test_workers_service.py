"""Workers as one value each: what they work on, and what worries about them, in words."""

from __future__ import annotations

from typing import Any

import pytest

from core.config.brokers import Engine
from core.site import Site
from services import workers_service
from services.brokers import mirror
from services.brokers.model import EngineJob, WorkerNow
from tests.panels.boards import at_noon
from tests.told import fails, mirrors, now_ms, stands


def words(site: Site, engine: Engine = "rq", *, ago_s: float = 0, **fields: Any) -> list[str]:
    """What worries about a worker whose last heartbeat was so long ago."""
    said: dict[str, Any] = {"state": "idle", "heartbeat_ms": now_ms(site) - round(ago_s * 1000), **fields}
    worker = WorkerNow(name="w", **said)
    stands(site, engine=engine, workers=[worker])
    (found,) = workers_service.workers(site).workers
    return [concern.words for concern in found.concerns]


def test_a_workers_job_is_told_with_its_number_and_since_when_it_runs(site: Site) -> None:
    site = at_noon(site)
    mirrors(site, "j1", qu="mail", fn="app.send", s="processing", x="started", sa=now_ms(site) - 90_000)
    worker = WorkerNow(
        name="w", state="busy", queues=("mail",), jobs=("j1", "not yet seen"), functions=("", "app.sort")
    )
    stands(site, workers=[worker])
    (found,) = workers_service.workers(site).workers
    known, unknown = found.jobs
    assert known.number is not None
    assert (known.id, known.function, known.since_ms) == ("j1", "app.send", now_ms(site) - 90_000)
    assert (unknown.id, unknown.number, unknown.function, unknown.since_ms) == ("not yet seen", None, "app.sort", None)


def test_a_job_whose_id_is_none_of_headways_is_found_as_well(site: Site) -> None:
    site = at_noon(site)
    mirror.take(site, "rq", "rq", [EngineJob(id="mail of Ann", state="started", started_ms=now_ms(site))])
    stands(site, workers=[WorkerNow(name="w", state="busy", jobs=("mail of Ann",))])
    ((job,),) = (one.jobs for one in workers_service.workers(site).workers)
    assert job.number is not None


@pytest.mark.parametrize(
    ("engine", "state", "ago_s", "said"),
    [
        ("rq", "idle", 400, []),
        ("rq", "idle", 600, ["its last heartbeat was 10 min ago"]),
        ("rq", "busy", 60, []),
        ("rq", "busy", 240, ["its last heartbeat was 4 min ago"]),
        ("celery", "idle", 30, []),
        ("celery", "idle", 240, ["its last heartbeat was 4 min ago"]),
        ("rq", "dead", 240, ["its last heartbeat was 4 min ago"]),
    ],
)
def test_a_worker_that_gives_no_sign_for_longer_than_it_should_is_told(
    site: Site, engine: Engine, state: str, ago_s: int, said: list[str]
) -> None:
    assert words(at_noon(site), engine, ago_s=ago_s, state=state) == said


def test_a_clock_that_is_off_is_told(site: Site) -> None:
    site = at_noon(site)
    assert words(site, skew_s=40) == ["its clock is 40 s ahead"]
    assert words(site, skew_s=-90) == ["its clock is 1 min 30 s behind"]
    assert words(site, skew_s=1.5) == []


def test_a_dead_one_of_which_no_heartbeat_is_known_says_so(site: Site) -> None:
    assert words(at_noon(site), state="dead", heartbeat_ms=None) == ["it gave no sign for long"]


def test_dead_ones_come_first_then_those_to_look_at_and_they_are_found_by_name_or_by_queue(site: Site) -> None:
    site = at_noon(site)
    states = (("a", "idle"), ("b", "busy"), ("c", "dead"), ("d", "suspended"), ("e", "idle"))
    rq = [WorkerNow(name=name, state=state, queues=("mail",), skew_s=40 * (name == "e")) for name, state in states]  # type: ignore[arg-type]
    stands(site, workers=rq)
    stands(site, "celery", engine="celery", workers=[WorkerNow(name="b", state="busy", queues=("mail",))])
    found = workers_service.workers(site)
    assert [(one.agent, one.now.name) for one in found.workers] == [
        ("rq", "c"), ("rq", "d"), ("rq", "e"), ("celery", "b"), ("rq", "a"), ("rq", "b"),
    ]  # fmt: skip
    assert (found.busy, found.dead, found.concerned) == (2, 1, 3)
    assert [one.agent for one in workers_service.workers(site, "RQ/B").workers] == ["rq"]
    assert [one.agent for one in workers_service.workers(site, queue=("celery", "mail")).workers] == ["celery"]


def test_a_worker_that_takes_a_job_stays_where_it_is_and_numbers_count_as_people_count(site: Site) -> None:
    site = at_noon(site)
    names = ["worker-10", "worker-2", "worker-1"]
    for busy in names:
        stands(site, workers=[WorkerNow(name=name, state="busy" if name == busy else "idle") for name in names])
        assert [one.now.name for one in workers_service.workers(site).workers] == ["worker-1", "worker-2", "worker-10"]


def test_workers_of_a_broker_that_is_away_are_those_of_its_last_reading(site: Site) -> None:
    site = at_noon(site)
    stands(site, workers=[WorkerNow(name="w", state="idle", heartbeat_ms=now_ms(site))])
    fails(site, "nothing listens at its address")
    (found,) = workers_service.workers(site).workers
    assert found.is_old
