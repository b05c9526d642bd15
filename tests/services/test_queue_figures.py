"""What the indexes tell of queues and functions."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from core import keys
from core.site import Site
from core.store import Store
from services import job_calls, jobs_service, queue_figures, retention_service
from services.job_changes import Change, JobRef
from services.job_rules import NewJob, Update
from services.queue_figures import Times
from tests import archive


def put(site: Site, agent: str, id: str, **fields: object) -> None:
    jobs_service.apply(site, site.store.partition_of(agent), Change("put", a=agent, i=id, **fields))  # type: ignore[arg-type]


def now_ms(site: Site) -> int:
    seconds, micros = site.store.redis.time()  # type: ignore[misc]
    return int(seconds) * 1000 + int(micros) // 1000


def test_a_queue_tells_its_jobs_by_state_and_since_when_the_first_of_them_waits(site: Site) -> None:
    now = now_ms(site)
    put(site, "rq", "a", qu="mail", x="queued", ca=now - 9_000, qa=now - 8_000)
    put(site, "rq", "b", qu="mail", x="queued", ca=now - 7_000)
    put(site, "rq", "c", qu="mail", x="scheduled", du=now + 60_000)
    jobs_service.create(site, NewJob(agent="app", id="d", queue="mail"))
    jobs_service.update(site, JobRef(agent="app", id="d"), Update(status="processing", worker="w1"))
    of_app, of_rq = queue_figures.queues(site)
    assert (of_rq.agent, of_rq.name, dict(of_rq.counts)) == ("rq", "mail", {"queued": 2, "scheduled": 1})
    assert of_rq.oldest_ms == now - 8_000
    assert (of_app.agent, dict(of_app.counts), of_app.oldest_ms) == ("app", {"processing": 1}, None)


def test_a_queue_tells_what_came_and_ended_in_the_last_hour(site: Site) -> None:
    now = now_ms(site)
    for place in range(3):
        put(site, "rq", f"done{place}", qu="mail", s="completed", x="finished", ca=now - 1, fa=now)
    put(site, "rq", "broken", qu="mail", s="failed", x="failed", ca=now - 1, fa=now)
    put(site, "rq", "canceled", qu="mail", s="failed", x="canceled", ca=now - 1, fa=now)
    put(site, "rq", "before", qu="mail", s="completed", ca=now - 30 * 60_000, fa=now - 20 * 60_000)
    (mail,) = queue_figures.queues(site)
    assert len(mail.created) == len(mail.completed) == len(mail.failed) == queue_figures.MINUTES
    assert (sum(mail.created), sum(mail.completed), sum(mail.failed)) == (6, 4, 1), "a canceled one is no failure"
    assert sum(mail.completed[:45]) == 1
    totals = site.store.redis.hgetall(keys.TOTALS.at())
    assert totals["rq\tfailed"] == "1"  # type: ignore[index]


def test_waits_and_runs_are_told_of_queues_and_functions_by_their_last_200(site: Site) -> None:
    base = now_ms(site) - 600_000
    for place in range(1, 221):
        put(site, "rq", f"j{place}", qu="mail", fn="app.send", ca=base, qa=base)
        put(site, "rq", f"j{place}", s="processing", sa=base + place * 10)
        put(site, "rq", f"j{place}", s="completed", fa=base + place * 10 + 500)
    (mail,) = queue_figures.queues(site)
    assert mail.wait == Times(p50_ms=1200, p95_ms=2100, n=200)
    assert mail.run == Times(p50_ms=500, p95_ms=500, n=200)
    (send,) = queue_figures.functions(site)
    assert (send.name, send.jobs, send.wait, send.run) == ("app.send", 220, mail.wait, mail.run)


def test_a_job_of_which_nobody_saw_the_beginning_counts_in_no_time(site: Site) -> None:
    now = now_ms(site)
    put(site, "rq", "a", qu="mail", ca=now - 5_000)
    put(site, "rq", "a", s="completed", fa=now)
    put(site, "rq", "b", qu="mail", s="failed", x="canceled", sa=now - 100, fa=now)
    (mail,) = queue_figures.queues(site)
    assert mail.wait == mail.run == Times()


def test_names_are_completed_whatever_their_case_the_last_seen_first(site: Site) -> None:
    for place, queue in enumerate(("mail", "Mail-eu", "web")):
        put(site, "rq", queue, qu=queue, w=now_ms(site) - 10_000 + place)
    assert queue_figures.named(site, "queue", "ma") == ("Mail-eu", "mail")
    assert queue_figures.named(site, "queue", limit=1) == ("web",)
    assert queue_figures.named(site, "worker") == ()


def test_only_the_newest_1000_names_are_kept(site: Site) -> None:
    now = now_ms(site)
    changes = [Change("put", a="rq", i=f"j{i}", wk=f"worker-{i}", w=now - 5_000 + i) for i in range(1100)]
    for start in range(0, 1100, 500):
        job_calls.run(site, 0, changes[start : start + 500], want=False)
    found = queue_figures.named(site, "worker", limit=2000)
    assert len(found) == 1000
    assert (found[0], "worker-0" in found) == ("worker-1099", False)


def test_a_queue_goes_with_its_last_job(site: Site) -> None:
    now = now_ms(site)
    put(
        site, "rq", "old", qu="mail", fn="app.send", wk="w", tg=["vip"], x="finished", s="completed", sa=now - 5, fa=now
    )
    put(site, "rq", "moves", qu="first", fn="app.send")
    put(site, "rq", "moves", qu="second")
    assert [queue.name for queue in queue_figures.queues(site)] == ["mail", "second"]
    with archive.archived(site) as made:
        assert retention_service.run(replace(made, clock=lambda: time.time() + 31 * 86_400)) == 1
    assert [queue.name for queue in queue_figures.queues(site)] == ["second"]
    assert (
        site.store.redis.exists(
            *(keys.BY.at(0, *each) for each in (("tag", "vip"), ("worker", "w"), ("queue", "mail")))
        )
        == 0
    )
    timed: Any = site.store.redis.hkeys(keys.QUEUE_TIMES.at())
    assert set(timed) == {"w\tf\tapp.send", "r\tf\tapp.send"}


def test_a_queue_of_each_partition_is_told_once(site: Site, store: Store) -> None:
    site = replace(site, store=Store(store.url, partitions=3))
    for agent in "abcdef":
        put(site, agent, "j", qu="mail", fn="app.send")
    assert [queue.agent for queue in queue_figures.queues(site)] == list("abcdef")
    (send,) = queue_figures.functions(site)
    assert send.jobs == 6
    assert queue_figures.named(site, "queue") == ("mail",)
