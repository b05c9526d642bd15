"""What is said of Celery's workers and of beat's schedule by what they say of themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from core.config import Logs, Masking
from core.settings import read
from services.brokers import celery_event_words, celery_reconciling, celery_workers, possible
from services.brokers.celery_inspection import Told, stats_of
from services.brokers.celery_presence import KEPT_DEAD_S, Presences
from services.brokers.celery_schedules import Runs, schedules
from services.brokers.celery_tasks import Tasks
from services.brokers.masking import Mask
from services.brokers.model import ScheduleNow, WorkerNow
from services.brokers.schedule_words import every

NAME = "w@host"


@pytest.fixture
def tasks() -> Tasks:
    return Tasks(Mask(Masking(), read({"HEADWAY_AUTH": "off"}), Logs()))


def beat(
    presences: Presences, *, ago_s: float = 0.0, ahead_s: float = 0.0, kind: str = "worker-heartbeat", **more: Any
) -> None:
    heard = time.time() - ago_s
    presences.take({"type": kind, "hostname": NAME, "timestamp": heard + ahead_s, "heard": heard, "freq": 2.0, "pid": 7,
                    "active": 0, "processed": 0, "sw_ver": "5.7.0"} | more)  # fmt: skip


def start(tasks: Tasks, presences: Presences, *, ago_s: float = 0.0) -> None:
    event = {
        "type": "task-started",
        "uuid": "a",
        "hostname": NAME,
        "timestamp": time.time() - ago_s,
        "heard": time.time(),
    }
    presences.take(event)
    celery_event_words.take(tasks, event)


def shown(tasks: Tasks, presences: Presences, told: Told | None = None) -> WorkerNow:
    (worker,) = celery_workers.workers(tasks, presences, {NAME: told} if told else {}, 0.5)
    return worker


def test_a_worker_shows_its_state_and_by_how_much_its_clock_is_off(tasks: Tasks) -> None:
    presences = Presences()
    beat(presences, ahead_s=60.0)
    beat(presences, ahead_s=59.8)  # it took longer to come
    worker = shown(tasks, presences)
    assert (worker.state, worker.pid, worker.version, worker.host) == ("idle", 7, "5.7.0", "host")
    assert worker.skew_s == pytest.approx(60.5, abs=0.01)
    start(tasks, presences)
    assert (shown(tasks, presences).state, shown(tasks, presences).jobs) == ("busy", ("a",))


@pytest.mark.parametrize(("pool", "state"), [("prefork", "dead"), ("solo", "busy")])
def test_a_worker_whose_heartbeats_stop_is_dead_but_not_a_solo_one_at_work(tasks: Tasks, pool: str, state: str) -> None:
    presences = Presences()
    beat(presences, ago_s=60, active=1)
    told = Told(pool=pool)
    assert shown(tasks, presences, told).state == state


def test_what_a_lost_worker_had_in_hand_has_failed_or_is_handed_to_another(tasks: Tasks) -> None:
    for held, state in ((False, "failed"), (True, "retrying")):
        presences = Presences()
        beat(presences, ago_s=60)
        presences.by_name[NAME].tells_tasks = True
        celery_event_words.take(
            tasks, {"type": "task-started", "uuid": state, "hostname": NAME, "timestamp": time.time() - 60}
        )
        celery_reconciling.look_at_work(tasks, presences, {}, lambda _, held=held: held, time.time())  # type: ignore[misc]
        job = next(job for job in tasks.changed() if job.id == state and job.state != "started")
        assert job.state == state
        assert NAME in (job.error or "")


def test_a_task_that_no_worker_has_in_hand_any_more_ended_unseen(tasks: Tasks) -> None:
    presences = Presences()
    beat(presences)
    start(tasks, presences, ago_s=100)
    asked_before = Told(active_at_s=time.time() - 99)
    has_it = Told(active_at_s=time.time() - 50, active=({"id": "a"},))
    has_it_not = Told(active_at_s=time.time() - 50)
    for told, state in ((asked_before, "started"), (has_it, "started"), (has_it_not, "deleted")):
        celery_reconciling.look_at_work(tasks, presences, {NAME: told}, lambda _: False, time.time())
        known = tasks.known("a")
        assert known is not None
        assert known.state == state


def test_a_worker_that_left_or_died_long_ago_is_forgotten(tasks: Tasks) -> None:
    presences = Presences()
    beat(presences, ago_s=KEPT_DEAD_S + 1)
    presences.forget_old(time.time())
    assert presences.by_name == {}
    beat(presences)
    beat(presences, kind="worker-offline")
    presences.forget_old(time.time())
    assert presences.by_name == {}


def test_a_worker_that_left_shows_again_only_by_what_it_answers_after_that(tasks: Tasks) -> None:
    presences = Presences()
    beat(presences, kind="worker-offline", ago_s=10)
    presences.forget_old(time.time())
    for ago_s, count in ((11, 0), (9, 1)):
        told = {NAME: Told(at_s=time.time() - ago_s)}
        assert len(celery_workers.workers(tasks, presences, told, 0.0)) == count


def test_one_that_counts_tasks_and_tells_of_none_sends_no_events() -> None:
    presences = Presences()
    for processed in (0, 3, 3):
        assert presences.by_name.get(NAME) is None or presences.by_name[NAME].tells_tasks is None
        beat(presences, processed=processed)
    assert presences.by_name[NAME].tells_tasks is False
    presences.take({"type": "task-succeeded", "hostname": NAME, "heard": time.time()})
    assert (presences.by_name[NAME].tells_tasks, presences.by_name[NAME].succeeded) == (True, 1)


@pytest.mark.parametrize("tells", [True, False, None])
def test_events_are_offered_to_be_switched_on_unless_a_worker_tells_of_its_tasks(
    tasks: Tasks, tells: bool | None
) -> None:
    presences = Presences()
    beat(presences)
    presences.by_name[NAME].tells_tasks = tells
    worker = shown(tasks, presences)
    why = possible.of_worker("celery", "prefork", None, worker.tells_tasks)["events"]
    assert why == ("It tells of its tasks already." if tells else None)


@pytest.mark.parametrize(
    ("implementation", "pool"),
    [
        ("celery.concurrency.prefork:TaskPool", "prefork"), ("celery.concurrency.thread:TaskPool", "threads"),
        ("celery.concurrency.solo:TaskPool", "solo"), ("celery.concurrency.gevent:TaskPool", "gevent"), ("", None),
    ],
)  # fmt: skip
def test_a_pool_is_named_as_on_the_command_line(implementation: str, pool: str | None) -> None:
    told = Told()
    stats_of(told, {"pool": {"implementation": implementation, "max-concurrency": 4}, "uptime": 9})
    assert (told.pool, told.concurrency, told.uptime_s) == (pool, 4, 9.0)
    stats_of(told, {"pool": "odd", "uptime": "long"})
    stats_of(told, ["odd"])
    assert (told.pool, told.uptime_s) == (pool, None)


@pytest.mark.parametrize(
    "number", [10**400, 1e300, float("inf"), float("nan"), True, "7"], ids=lambda one: str(one)[:5]
)
def test_numbers_that_can_t_be_take_no_worker_away(tasks: Tasks, number: Any) -> None:
    presences = Presences()
    beat(presences, timestamp=number, freq=number)
    told = Told(at_s=time.time())
    stats_of(told, {"pool": {"max-concurrency": 10**400}, "uptime": number})
    worker = shown(tasks, presences, told)
    assert (worker.state, worker.skew_s, worker.concurrency, worker.born_ms) == ("idle", None, None, None)
    beat(presences, pid=10**400, active=10**400, processed=float("nan"))
    assert (shown(tasks, presences).pid, shown(tasks, presences).active) == (None, 0)


NOW_MS = int(datetime(2026, 3, 2, 10, 7, 30, tzinfo=UTC).timestamp() * 1000)


def one(schedule: Any, runs: Runs | None = None, **conf: Any) -> ScheduleNow:
    entry = {"task": "shop.add", "schedule": schedule, "options": {"queue": "night"}}
    (found,) = schedules({NAME: {"beat_schedule": {"tidy": entry}} | conf}, runs or Runs(), NOW_MS)
    return found


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("schedule", "conf", "spec", "next_ms"),
    [
        (30.0, {}, "every 30 s", None),
        ("0:05:00", {}, "every 5 min", None),
        ("1 day, 0:00:01.500000", {}, "every 1 d 1.5 s", None),
        ("<freq: 2.00 minutes>", {}, "every 2 min", None),
        ("<freq: 1.00 minute>", {}, "every minute", None),
        ("1:30:00", {}, "every 1 h 30 min", None),
        ("<crontab: */5 * * * * (m/h/dM/MY/d)>", {}, "*/5 * * * *", at(2026, 3, 2, 10, 10)),
        ("<crontab: 0 9 * * mon-fri (m/h/dM/MY/d)>", {}, "0 9 * * mon-fri", at(2026, 3, 3, 9, 0)),
        ("<crontab: 0 9 * * * (m/h/dM/MY/d)>", {"timezone": "America/New_York"}, "0 9 * * *", at(2026, 3, 2, 14, 0)),
        ("<crontab: 99 9 * * * (m/h/dM/MY/d)>", {}, "99 9 * * *", None),
        ("<crontab: 0 9 * * * (m/h/dM/MY/d)>", {"timezone": "Nowhere/At_All"}, "0 9 * * *", None),
        ("<solar: sunset at latitude 1, longitude: 2>", {}, "solar: sunset at latitude 1, longitude: 2", None),
        (None, {}, "None", None),
        *(("<crontab: 0 9 * * * (m/h/dM/MY/d)>", {"timezone": zone}, "0 9 * * *", None) for zone in ("Europe", 5, ["UTC"])),
    ],
)  # fmt: skip
def test_a_schedule_says_when_it_runs_next_where_that_is_plain(
    schedule: Any, conf: dict[str, Any], spec: str, next_ms: int | None
) -> None:
    found = one(schedule, **conf)
    assert (found.spec, found.next_ms, found.queue) == (spec, next_ms, "night")


def test_a_schedule_tells_its_last_run_and_reckons_an_interval_from_it() -> None:
    runs = Runs()
    one(30.0, runs)
    for id, at_s in (("a", 1), ("b", 5), ("b", 6), ("c", 3)):
        runs.take({"type": "task-received", "uuid": id, "name": "shop.add", "timestamp": NOW_MS / 1000 + at_s})
    found = one(30.0, runs)
    assert (found.last_job, found.last_ms, found.next_ms) == ("b", NOW_MS + 5_000, NOW_MS + 35_000)
    for endless in (
        10**400,
        float("inf"),
        float("nan"),
        1e300,
        f"<freq: {'9' * 400} seconds>",
        f"{'9' * 5_000} days, 0:00:00",
    ):
        assert one(endless, runs).next_ms is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (10**400, "at an interval that is no number of seconds"), (float("inf"), "at an interval that is no number of seconds"),
        (1e300, "every 1e+300 s"), (-5, "every -5 s"), (86_401, "every 1 d 1 s"),
    ],
    ids=lambda one: str(one)[:5],
)  # fmt: skip
def test_an_interval_is_said_whatever_number_it_is(seconds: float, said: str) -> None:
    assert every(seconds) == said
