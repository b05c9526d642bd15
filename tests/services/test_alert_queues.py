"""Rules about a queue: of a broker by what its engine says, of reported jobs by Headway's indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis
from rq import Queue

from core.config import Broker
from core.config import alerts as kinds
from core.site import Site
from services import alert_queues, alert_words, queue_depths, queue_figures
from services.alert_life import Reading
from services.alert_readings import Sources, read
from services.alert_trial import try_rule
from services.alert_watch import Watch
from services.brokers.model import BrokerError
from services.brokers.rq_follower import RqFollower
from tests.conftest import Valkey
from tests.services.alert_rules import rule
from tests.services.brokers_told import note, queue
from tests.services.reports import batch, create, tell
from tests.told import mirrors


def reading(site: Site, when: str) -> Reading:
    now = site.clock()
    return read(rule(when).when, Sources(site, now, Watch(0.0, now)))


def at_time(site: Site, at: float) -> Site:
    return replace(site, clock=lambda: at)


def ended(site: Site, agent: str, name: str, completed: int, failed: int) -> None:
    for outcome, many in (("completed", completed), ("failed", failed)):
        for _ in range(many):
            tell(site, create(site, agent=agent, queue=name), status=outcome)


def test_ends_count_by_queue_of_any_agent_or_of_one(parted_site: Site) -> None:
    ended(parted_site, "studio", "mails", 3, 1)
    ended(parted_site, "night", "mails", 0, 2)
    ended(parted_site, "night", "other", 9, 9)
    failed = 'kind = "failed_jobs", queue = "mails"'
    assert reading(parted_site, failed) == Reading(3)
    assert reading(parted_site, f'{failed}, agent = "night"') == Reading(2)
    assert reading(parted_site, 'kind = "failed_jobs", queue = "nobody knows"') == Reading(0)
    assert reading(parted_site, 'kind = "failure_rate", above = 5, at_least = 6, queue = "mails"') == Reading(50)
    assert reading(parted_site, 'kind = "no_job", within = "1h", queue = "mails"') == Reading(3)
    assert reading(parted_site, 'kind = "no_job", within = "1h", queue = "mails", agent = "night"') == Reading(0)


def test_a_reported_queue_has_a_depth_an_age_and_perhaps_nobody_at_work(parted_site: Site) -> None:
    site = replace(parted_site, clock=lambda: first.created_at.timestamp() + 600)
    first = create(parted_site, agent="studio", queue="mails")
    create(parted_site, agent="night", queue="mails")
    create(parted_site, agent="studio", queue="other")
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "mails"') == Reading(2)
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "mails", agent = "night"') == Reading(1)
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "none"') == Reading(0)
    assert reading(site, 'kind = "queue_age", above = "1m", queue = "mails"') == Reading(600)
    nobody = 'kind = "no_worker", queue = "mails"'
    assert reading(site, nobody) == Reading(600)
    tell(parted_site, create(parted_site, agent="studio", queue="other"), stage="encode", progress=1)
    assert reading(site, nobody) == Reading(600), "at work in another queue"
    tell(parted_site, create(parted_site, agent="studio", queue="mails"), stage="encode", progress=1)
    assert reading(site, nobody) == Reading(0)


def test_a_queue_that_many_others_were_seen_after_is_still_read(site: Site) -> None:
    at = create(site, agent="studio", queue="mails").created_at.timestamp()
    tell(site, create(site, agent="studio", queue="mails"), status="failed")
    mirrors(site, "one", x="queued", qu="uncounted")
    batch(site, *({"agent": "studio", "queue": f"q{n}"} for n in range(queue_figures.MOST_QUEUES + 1)))
    later = at_time(site, at + 600)
    note(later, "rq", queue(later, "others", 0, workers=1))
    for whose in ("", ', agent = "studio"'):
        of = f'queue = "mails"{whose}'
        assert reading(later, f'kind = "queue_depth", above = 1, {of}') == Reading(1)
        assert reading(later, f'kind = "queue_age", above = "1m", {of}') == Reading(600)
        assert reading(later, f'kind = "no_worker", {of}') == Reading(600)
        assert reading(later, f'kind = "failed_jobs", within = "1h", {of}') == Reading(1)
    assert reading(later, 'kind = "queue_depth", above = 1, queue = "uncounted", agent = "rq"') == Reading(1)


def test_a_rule_on_a_queue_of_more_agents_than_are_asked_says_so(
    parted_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_queues, "MOST_AGENTS", 3)
    for agent in ("a", "b", "c"):
        create(parted_site, agent=agent, queue="mails")
    depth = 'kind = "queue_depth", above = 1, queue = "mails"'
    assert reading(parted_site, depth) == Reading(3)
    create(parted_site, agent="d", queue="others")
    words = "more than 3 agents may have the queue mails: say in the rule which one is meant"
    assert reading(parted_site, depth) == Reading(unknown=words)
    assert reading(parted_site, f'{depth}, agent = "a"') == Reading(1)


def test_rules_on_one_queue_read_it_once(site: Site) -> None:
    batch(site, *({"agent": f"agent-{n}", "queue": "mails"} for n in range(4)))
    now = site.clock()
    sources, before = Sources(site, now, Watch(0.0, now)), asked(site)
    for kind in (
        '"queue_depth", above = 1',
        '"queue_depth", above = 2',
        '"queue_age", above = "1m"',
        '"queue_age", above = "2m"',
    ):
        assert read(rule(f'kind = {kind}, queue = "mails"').when, sources).value is not None
    assert asked(site) - before == Counter(zmscore=1, zcard=4, get=4)


def asked(site: Site) -> Counter[str]:
    """How often the store was asked for what tells of queues and of jobs."""
    told: Any = site.store.redis.info("commandstats")
    return Counter(
        {name: told.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("zmscore", "zscore", "zcard", "get")}
    )


def test_a_brokers_queue_is_as_its_engine_says(site: Site) -> None:
    note(site, "rq", queue(site, "mails", 120, waits_s=90, workers=0), queue(site, "video", 2, waits_s=500, workers=3))
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "mails"') == Reading(120)
    assert reading(site, 'kind = "queue_depth", above = 1, agent = "rq"') == Reading(122)
    assert reading(site, 'kind = "queue_age", above = "1m", agent = "rq"').value == pytest.approx(500, abs=5)
    assert reading(site, 'kind = "no_worker", queue = "mails"').value == pytest.approx(90, abs=5)
    assert reading(site, 'kind = "no_worker", agent = "rq"').value == pytest.approx(90, abs=5), "video has workers"
    assert reading(site, 'kind = "no_worker", queue = "video", agent = "rq"') == Reading(0)
    note(site, "rq", queue(site, "mails", 120, waits_s=90, workers=0, paused=True))
    assert reading(site, 'kind = "no_worker", queue = "mails"') == Reading(0), "nobody should take them"
    note(site, "rq", queue(site, "mails", 120, waits_s=90, workers=None))
    assert reading(site, 'kind = "no_worker", queue = "mails"').value == pytest.approx(90, abs=5), "as of reported jobs"


def test_a_brokers_queue_goes_by_the_name_that_its_jobs_have(site: Site) -> None:
    create(site, agent="rq", queue="mails of Ann")
    note(site, "rq", queue(site, " mails\nof Ann", 120, waits_s=90, workers=0))
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "mails of Ann"') == Reading(120)
    assert reading(site, 'kind = "queue_depth", above = 1, agent = "rq"') == Reading(120), "it is one queue"
    assert reading(site, 'kind = "no_worker", queue = "mails of Ann"').value == pytest.approx(90, abs=5)
    note(site, "rq", why="it refused the connection")
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "mails of Ann"').unknown is not None


def test_a_rule_without_agent_and_queue_is_about_every_brokers_queues_and_reported_jobs(parted_site: Site) -> None:
    site = parted_site
    for state in ("scheduled", "deferred", "started"):
        mirrors(site, state, agent="celery", x=state, qu="video")
    note(site, "celery", queue(site, "video", 2, waits_s=40, workers=1))
    note(site, "rq", queue(site, "mails", 5, waits_s=90, workers=0))
    depth, age, nobody = 'kind = "queue_depth", above = 1', 'kind = "queue_age", above = "1m"', 'kind = "no_worker"'
    assert reading(site, depth) == Reading(7), "two of Celery's wait for a time or for others"
    assert reading(site, age).value == pytest.approx(90, abs=5)
    assert reading(site, nobody).value == pytest.approx(90, abs=5), "while Celery is at work"
    note(site, "rq", queue(site, "mails", 5, waits_s=90, workers=0, paused=True))
    assert reading(site, nobody) == Reading(0), "nobody should take them"
    note(site, "rq", queue(site, "mails", 5, waits_s=90, workers=None))
    assert reading(site, nobody).value == pytest.approx(90, abs=5), "nobody knows who listens, and none is at work"
    note(site, "rq", queue(site, "mails", 5, waits_s=90, workers=1))
    first = create(site, agent="studio")
    later = at_time(site, first.created_at.timestamp() + 600)
    note(later, "rq", queue(later, "mails", 0, workers=1))
    note(later, "celery", queue(later, "video", 2, waits_s=40, workers=1))
    assert reading(later, depth) == Reading(3)
    assert reading(later, nobody) == reading(later, age) == Reading(600), "none of those who report is at work"
    ended(site, "celery", "video", 1, 0)
    now = at_time(site, site.clock() + 90)
    for broker in ("rq", "celery"):
        note(now, broker)
    assert (reading(now, nobody).value or 0) > 60, "what a broker did is not theirs"
    ended(site, "night", "mails", 1, 0)
    now = at_time(site, site.clock() + 61)
    for broker in ("rq", "celery"):
        note(now, broker)
    assert reading(now, nobody) == Reading(0), "one of theirs just ended"


def test_a_broker_without_queues_has_nothing_that_waits_for_a_worker(site: Site) -> None:
    mirrors(site, "later", x="scheduled", qu="mails", ca=1)
    note(site, "rq", queue(site, "mails", 0))
    for kind in ('"queue_depth", above = 1', '"queue_age", above = "1m"', '"no_worker"'):
        assert reading(site, f'kind = {kind}, agent = "rq"') == reading(site, f"kind = {kind}") == Reading(0)


def test_a_queue_whose_oldest_job_nobody_knows_waits_since_it_was_seen_empty(site: Site) -> None:
    at = site.clock() // 60 * 60 + 30
    for minute, depth in ((-4, 0), (-3, 1), (-2, 5), (-1, 5)):
        then = at_time(site, at + 60 * minute)
        note(then, "celery", queue(then, "mails", depth, workers=0))
        queue_depths.sample(then)
    now = replace(site, clock=lambda: at)
    note(now, "celery", queue(now, "mails", 5, workers=0))
    assert reading(now, 'kind = "no_worker", queue = "mails"') == Reading(3 * 60 + 30)


def test_a_broker_that_is_away_makes_its_rules_unknown_and_says_why(site: Site) -> None:
    note(site, "rq", queue(site, "mails", 120, waits_s=90, workers=0))
    note(site, "rq", why="it refused the connection")
    note(site, "celery", queue(site, "video", 1, waits_s=90, workers=0))
    words = "the broker rq is unavailable, because it refused the connection"
    for kind in ('"queue_depth", above = 1', '"queue_age", above = "1m"', '"no_worker"', '"failed_jobs"'):
        assert reading(site, f'kind = {kind}, queue = "mails"') == Reading(unknown=words)
        assert reading(site, f'kind = {kind}, agent = "rq"') == Reading(unknown=words)
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "video"') == Reading(1)
    assert reading(site, 'kind = "queue_depth", above = 1') == Reading(unknown=words)
    assert reading(site, 'kind = "queue_depth", above = 0') == Reading(1), (
        "too much by itself, whatever waits in the other"
    )
    assert reading(site, 'kind = "queue_age", above = "1h"') == Reading(unknown=words)
    assert reading(site, 'kind = "no_worker"').value == pytest.approx(90, abs=5)
    assert reading(site, 'kind = "failed_jobs"') == Reading(0), "by Headway's own records"
    assert reading(site, 'kind = "broker_unavailable", broker = "rq"') == Reading(1)
    assert reading(site, 'kind = "broker_unavailable", broker = "celery"') == Reading(0)
    assert reading(site, 'kind = "broker_unavailable", broker = "nobody"').unknown == "there is no broker nobody"


def test_rules_on_jobs_rest_while_a_broker_is_read_for_the_first_time(site: Site) -> None:
    note(site, "rq", queue(site, "mails", 120, waits_s=90, workers=0), is_new=True)
    words = "what was there before is still being read from the broker rq"
    for kind in ('"failed_jobs"', '"failure_rate", above = 5', '"no_job", within = "1h"'):
        assert reading(site, f'kind = {kind}, queue = "mails"') == Reading(unknown=words)
        assert reading(site, f'kind = {kind}, agent = "rq"') == Reading(unknown=words)
        assert reading(site, f'kind = {kind}, queue = "others"').unknown is None
    assert reading(site, 'kind = "queue_depth", above = 1, queue = "mails"') == Reading(120), "RQ's own count"
    assert reading(site, 'kind = "broker_unavailable", broker = "rq"') == Reading(0)


def test_a_real_queue_without_a_worker_fires_and_a_stopped_redis_is_told_of(
    site: Site, own_valkey: Callable[..., Valkey]
) -> None:
    server = own_valkey()
    Queue("mails", connection=redis.Redis.from_url(server.url)).enqueue("builtins.print", "hello")
    follower = RqFollower(site, Broker(kind="rq", url=server.url))
    try:
        note(site, "rq", *follower.tick().queues)
        assert reading(site, 'kind = "no_worker", within = "1ms", queue = "mails", agent = "rq"').value
        server.stop()
        with pytest.raises(BrokerError) as away:
            follower.tick()
        note(site, "rq", why=str(away.value))
        assert str(away.value) in (reading(site, 'kind = "no_worker", queue = "mails"').unknown or "")
    finally:
        follower.close()


def test_what_was_of_a_queue_is_tried(site: Site) -> None:
    ended(site, "studio", "mails", 0, 4)
    ended(site, "studio", "other", 0, 9)
    tried = try_rule(site, rule('kind = "failed_jobs", above = 3, queue = "mails"'))
    assert [one.until for one in tried.episodes] == [None]
    assert not try_rule(site, rule('kind = "failed_jobs", above = 4, queue = "mails"')).episodes
    assert max(value or 0 for _, value in tried.points) == 4
    at = site.clock()
    for ago_s, depth in ((120, 7), (60, 9), (0, 1)):
        then = at_time(site, at - ago_s)
        note(then, "rq", queue(then, "mails", depth))
        queue_depths.sample(then)
    deep = try_rule(site, rule('kind = "queue_depth", above = 8, queue = "mails", agent = "rq"'))
    assert [value for _, value in deep.points] == [7, 9, 1]
    assert len(deep.episodes) == 1


def test_words_name_the_queue_and_whose_it_is() -> None:
    one = rule('kind = "no_worker", queue = "mails"').when
    assert isinstance(one, kinds.OnNoWorker)
    assert alert_words.value(one, 90.0, None) == "A job of the queue mails waits for 1 min 30 s, and nobody takes it"  # type: ignore[arg-type]
    other = rule('kind = "queue_depth", above = 2, queue = "mails", agent = "rq"').when
    assert alert_words.value(other, 3.0, None) == "3 jobs of the queue mails of rq wait"  # type: ignore[arg-type]
