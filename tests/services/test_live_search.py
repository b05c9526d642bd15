"""Jobs found by what they name, from indexes alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from core import keys
from core.site import Site
from core.store import Store
from services import jobs_service, live_search
from services.job_changes import Change
from services.job_model import DamagedJob, Job
from services.live_search import Conditions

FRESH = itertools.count()


def put(site: Site, *changes: Change) -> list[int]:
    """Changes of one partition's jobs, as a follower makes them; the numbers of the jobs."""
    found = []
    for change in changes:
        assert change.a is not None
        job = jobs_service.apply(site, site.store.partition_of(change.a), change).job
        assert isinstance(job, Job)
        found.append(job.number)
    return found


def numbers(found: live_search.Found) -> list[int]:
    return [job.number for job in found.items]


def many(site: Site, count: int, **fields: Any) -> list[int]:
    start = next(FRESH) * 1_000_000
    return put(site, *(Change("put", a="rq", i=f"j{start + i}", en="rq", **fields) for i in range(count)))


def test_a_field_finds_its_jobs_newest_first_and_says_how_many(site: Site) -> None:
    mails = many(site, 3, qu="mail")
    many(site, 2, qu="web")
    found = live_search.find(site, Conditions(queue=("mail",)))
    assert numbers(found) == mails[::-1]
    assert (found.total, found.next_cursor, found.previous_cursor) == (3, None, None)


def test_several_fields_hold_all_and_several_values_any(site: Site) -> None:
    a = many(site, 2, qu="mail", fn="send", tg=["eu"])
    b = many(site, 2, qu="web", fn="send", tg=["eu", "vip"])
    many(site, 2, qu="mail", fn="other", tg=["vip"])
    both = Conditions(queue=("mail", "web"), function=("send",), tag=("eu", "vip"))
    found = live_search.find(site, both)
    assert numbers(found) == sorted(a + b, reverse=True), "and a job of both tags once"
    assert found.total == 4
    assert live_search.count(site, both, 1000) == (4, True)
    assert live_search.find(site, Conditions(tag=("eu", "vip"))).total == 6


def test_states_statuses_and_agents_narrow_as_well(site: Site) -> None:
    (due,) = many(site, 1, qu="mail", x="scheduled")
    (ready,) = many(site, 1, qu="mail", x="queued")
    (begun,) = many(site, 1, qu="mail", x="started", s="processing")
    (other,) = put(site, Change("put", a="celery", i="c", en="celery", qu="mail", x="queued"))
    (plain,) = put(site, Change("create", a="rq", i="plain"))
    for conditions, expected in (
        (Conditions(states=("scheduled",)), [due]),
        (Conditions(states=("queued",)), [other, ready]),
        (Conditions(states=("queued",), agents=("rq",)), [ready]),
        (Conditions(queue=("mail",), agents=("rq",)), [begun, ready, due]),
        (Conditions(queue=("mail",), agents=("rq",), states=("started", "scheduled")), [begun, due]),
        (Conditions(queue=("mail",), agents=("rq",), statuses=("processing",)), [begun]),
        (Conditions(statuses=("queued",), agents=("rq", "celery")), [plain, other, ready, due]),
        (Conditions(agents=("celery",)), [other]),
        (Conditions(), [plain, other, begun, ready, due]),
        (Conditions(queue=("none",), agents=("nobody",)), []),
    ):
        found = live_search.find(site, conditions)
        assert numbers(found) == expected, conditions
        assert found.total == len(expected)
        assert live_search.count(site, conditions, 1000) == (len(expected), True)


def test_pages_follow_each_other_both_ways_without_a_gap(site: Site) -> None:
    dice = random.Random(7)
    wanted = []
    for place in range(120):
        queue, function = dice.choice(["a", "b"]), dice.choice(["f", "g"])
        (number,) = put(site, Change("put", a="rq", i=f"p{place}", qu=queue, fn=function))
        wanted += [number] if (queue, function) == ("a", "f") else []
    conditions = Conditions(queue=("a",), function=("f",))
    seen, before = list[list[int]](), None
    while True:
        found = live_search.find(site, conditions, before=before, limit=7)
        seen.append(numbers(found))
        if found.next_cursor is None:
            break
        before = found.next_cursor
    assert list(itertools.chain(*seen)) == wanted[::-1]
    back = live_search.find(site, conditions, after=seen[1][0], limit=7)
    assert numbers(back) == seen[0]
    assert back.next_cursor is not None
    assert numbers(live_search.find(site, conditions, before=back.next_cursor, limit=7)) == seen[1]
    assert back.previous_cursor is None


def test_work_is_bounded_and_the_cursor_goes_on_where_it_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_search, "STEPS", 40)
    first = many(site, 100, qu="mail", fn="send")
    rare = many(site, 1, qu="mail", fn="rare") + many(site, 100, qu="mail", fn="send")
    many(site, 300, qu="web", fn="rare")
    conditions = Conditions(queue=("mail",), function=("rare",))
    looked, places = [], [None]
    while True:
        found = live_search.find(site, conditions, before=places[-1], limit=5)
        looked.append(found.looked_at)
        if found.items:
            assert numbers(found) == rare[:1]
            assert found.total is None
        if found.next_cursor is None:
            break
        places.append(found.next_cursor)
    assert len(looked) > 2
    assert max(looked) < 120
    assert sum(looked) == 201, "the smaller index, once"
    assert live_search.count(site, conditions, 50) == (0, False)
    assert live_search.count(site, conditions, 10_000) == (1, True)
    ups, after = [], first[0] - 1
    while True:
        found = live_search.find(site, conditions, after=after, limit=5)
        ups += numbers(found)
        if found.previous_cursor is None:
            break
        after = found.previous_cursor
    assert ups == rare[:1]


def test_a_job_whose_record_is_lost_shows_as_damaged_and_one_that_was_given_up_not(site: Site) -> None:
    lost, given_up = many(site, 2, qu="mail")
    site.store.redis.delete(keys.JOB.at(0, lost), keys.JOB.at(0, given_up))
    for key in (keys.STATUS.at(0, "queued"), keys.AGENT_STATUS.at(0, "queued", "rq")):
        site.store.redis.zrem(key, given_up)
    found = live_search.find(site, Conditions(queue=("mail",)))
    assert found.items == (DamagedJob(lost),)
    assert live_search.find(site, Conditions(queue=("mail",))).total == 1


def test_partitions_are_searched_as_one(site: Site, store: Store) -> None:
    site = replace(site, store=Store(store.url, partitions=3))
    agents = [f"a{i}" for i in range(8)]
    made = []
    for place in range(90):
        (number,) = put(site, Change("put", a=agents[place % 8], i=f"j{place}", qu="mail", fn=f"f{place % 3}"))
        made.append((number, place))
    assert len({number % 3 for number, _ in made}) > 1
    wanted = sorted((number for number, place in made if place % 3 == 1), reverse=True)
    assert collected(site, Conditions(queue=("mail",), function=("f1",))) == wanted
    assert live_search.find(site, Conditions(queue=("mail",))).total == 90
    of_two = sorted((number for number, place in made if place % 8 in (2, 5)), reverse=True)
    assert collected(site, Conditions(agents=("a2", "a5"))) == of_two


def collected(site: Site, conditions: Conditions) -> Sequence[int]:
    seen, before = list[int](), None
    while True:
        found = live_search.find(site, conditions, before=before, limit=4)
        seen += numbers(found)
        if found.next_cursor is None:
            return seen
        before = found.next_cursor
