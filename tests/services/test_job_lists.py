"""Jobs of the store and of the archive as one list."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core import keys
from core.site import Site
from core.store import Store
from services import archive_alone, job_list_model, job_lists, job_query, jobs_service
from services.archive_service import Archiver
from services.job_changes import Change, JobRef
from services.job_list_model import BOTTOM, TOP, Cursor, JobList, Total
from services.job_model import Job
from services.job_rules import NewJob, Update
from tests.archive import KINDS, archived
from tests.archived import AT_MS, row, write


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, site: Site) -> Iterator[Site]:
    """A site with an archive, of each kind."""
    postgres = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    with archived(site, postgres) as one:
        yield one


@pytest.fixture
def filed(site: Site) -> Iterator[Site]:
    """A site whose archive is a file."""
    with archived(site) as one:
        yield one


def put(site: Site, id: str, **fields: Any) -> int:
    """A job as a follower of RQ makes it."""
    change = Change("put", **{"a": "rq", "i": id, "en": "rq", "qu": "mail", **fields})
    job = jobs_service.apply(site, site.store.partition_of("rq"), change).job
    assert isinstance(job, Job)
    return job.number


def end(site: Site, title: str = "a job", **fields: Any) -> int:
    """A reported job that failed, or ended as told."""
    job = jobs_service.create(site, NewJob(title=title)).job
    assert job is not None
    jobs_service.update(site, JobRef(number=job.number), Update(**{"status": "failed", "error": "no luck", **fields}))
    return job.number


def found(site: Site, query: str, **place: Any) -> list[int]:
    return numbers(job_lists.page(site, job_query.parse(query), **place))


def numbers(page: JobList) -> list[int]:
    return [item.job.number for item in page.items]


def walked(site: Site, query: str, limit: int) -> list[int]:
    """All pages of a list, from the newest to the oldest."""
    every, before = list[int](), None
    for _ in range(100):
        page = job_lists.page(site, job_query.parse(query), before=before, limit=limit)
        every += numbers(page)
        before = page.older
        if before is None:
            return every
    raise AssertionError("the list has no end")


def walked_up(site: Site, query: str, limit: int) -> list[int]:
    """The same from the oldest to the newest."""
    every = list[int]()
    after: Cursor | None = BOTTOM
    for _ in range(100):
        page = job_lists.page(site, job_query.parse(query), after=after, limit=limit)
        # The newest page is filled with what the page before had.
        every = numbers(page) + [one for one in every if page.newer or one not in numbers(page)]
        after = page.newer
        if after is None:
            return every
    raise AssertionError("the list has no end")


def forget(site: Site, *numbers: int) -> None:
    """As retention lets go of jobs."""
    for number in numbers:
        job = jobs_service.get(site, JobRef(number=number))
        assert isinstance(job, Job)
        call = {"before": 2**50, "keep": 10**9, "most": 1}
        finished = keys.FINISHED.at(site.store.partition_of(job.agent))
        site.store.redis.zadd(finished, {str(number): 1})
        assert site.store.scripts.run("retire", site.store.partition_of(job.agent), call)[0] == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_what_the_store_let_go_of_follows_what_it_has_on_any_size_of_page(kept: Site, limit: int) -> None:
    made = [put(kept, f"j{i}", s="failed", et="Timeout", e="Timeout: late", w=AT_MS + 1000 * i) for i in range(7)]
    Archiver().run(kept)
    forget(kept, *made[:4])
    going = put(kept, "goes on", s="processing")
    expected = [going, *made[::-1]]
    assert walked(kept, "queue:mail", limit) == expected
    assert walked(kept, "queue:mail error:Timeout", limit) == expected[1:]
    assert walked(kept, "", limit) == expected
    assert walked_up(kept, "queue:mail error:Timeout", limit) == expected[1:]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_text_finds_each_ended_job_once_archived_or_not(kept: Site, limit: int) -> None:
    made = [end(kept, f"number {i}", error="Timeout: too late") for i in range(4)]
    Archiver().run(kept)
    made += [end(kept, f"number {i}", error="Timeout: too late") for i in range(4, 7)]
    assert walked(kept, "timeout", limit) == made[::-1]
    assert walked(kept, "timeout number", limit) == made[::-1]
    assert walked(kept, '"too late" -"number 5"', limit) == [one for one in made[::-1] if one != made[5]]


def test_a_job_that_is_archived_between_two_pages_comes_once(kept: Site) -> None:
    made = [end(kept, f"number {i}", error="Timeout") for i in range(4)]
    first = job_lists.page(kept, job_query.parse("timeout"), limit=2)
    Archiver().run(kept)
    rest = job_lists.page(kept, job_query.parse("timeout"), before=first.older, limit=5)
    assert numbers(first) + numbers(rest) == made[::-1]


@pytest.mark.parametrize("query", ["", "queue:mail", "status:failed", "timeout", "timeout queue:mail", "after:1000d"])
def test_no_job_is_missed_or_comes_twice_over_partitions_while_the_archive_goes_on(filed: Site, query: str) -> None:
    site = replace(filed, store=Store(filed.store.url, partitions=3))
    chance = random.Random(7)
    archiver, expected = Archiver(), set[int]()
    for at in range(60):
        agent = chance.choice(("rq", "studio", "mail", "web"))
        queue, status = chance.choice(("mail", "web")), chance.choice(("failed", "completed", "processing"))
        fields: dict[str, Any] = {
            "a": agent,
            "i": f"j{at}",
            "en": "rq",
            "qu": queue,
            "s": status,
            "w": AT_MS + chance.randrange(20),
        }
        if status == "failed":
            fields["e"] = "Timeout: late"
        change = Change("put", **fields)
        job = jobs_service.apply(site, site.store.partition_of(agent), change).job
        assert isinstance(job, Job)
        if "timeout" in query or "status:failed" in query:
            fits = status == "failed"
        else:
            fits = "after" not in query or status != "processing"
        if fits and (queue == "mail" or "queue" not in query):
            expected.add(job.number)
        if chance.random() < 0.1:
            archiver.run(site)
    archiver.run(site)
    calls = [{"before": 0, "keep": chance.randrange(6, 12), "most": 100} for _ in range(3)]
    assert sum(site.store.scripts.run("retire", partition, call)[0] for partition, call in enumerate(calls)) > 9
    every, before = list[int](), None
    for _ in range(100):
        page = job_lists.page(site, job_query.parse(query), before=before, limit=chance.randrange(1, 9))
        every, before = every + numbers(page), page.older
        if before is None:
            break
    assert (sorted(every), before) == (sorted(expected), None)
    site.store.close()


def test_a_job_that_is_tried_again_stands_in_the_list_once_as_it_is_now(kept: Site) -> None:
    number = end(kept, "flaky", error="Timeout: late")
    Archiver().run(kept)
    again = Update(attempt=2, stage="render")
    jobs_service.update(kept, JobRef(number=number), again)
    assert found(kept, "") == [number]
    (item,) = job_lists.page(kept, job_query.parse("timeout")).items
    assert isinstance(item.job, Job)
    assert (item.job.status, item.archived) == ("processing", None)
    assert found(kept, "timeout status:failed") == []
    jobs_service.update(kept, JobRef(number=number), Update(status="completed", message="done after a timeout"))
    assert found(kept, "timeout status:completed") == [number]
    assert found(kept, "timeout status:failed") == []


def test_exact_fields_narrow_both_parts_of_the_list(kept: Site) -> None:
    def make(id: str, **fields: Any) -> int:
        return put(
            kept, id, **{"s": "failed", "x": "failed", "w": AT_MS, "fn": "send", "wk": "w1", "tg": ["eu"], **fields}
        )

    gone = [
        make("a", et="E"),
        make("b", qu="web", et="F"),
        make("c", x="stopped", fn="other"),
        make("d", tg=["us", "eu"]),
    ]
    canceled = make("e", x="canceled", wk="w 2")
    Archiver().run(kept)
    forget(kept, *gone, canceled)
    live = make("f", s="processing", x="started", w=None)
    every = {live, *gone, canceled}
    for query, expected in (
        ("function:send", every - {gone[2]}),
        ("queue:mail,web", every),
        ("queue:web error:F,E", {gone[1]}),
        ("error:F,E", {gone[0], gone[1]}),
        ("state:failed", {gone[0], gone[1], gone[3]}),
        ("status:failed", every - {live, canceled}),
        ("status:failed,completed worker:w1", every - {live, canceled}),
        ("status:failed state:canceled", set()),
        ("state:stopped,canceled,started", {live, gone[2], canceled}),
        ("status:canceled", {canceled}),
        ('worker:"w 2"', {canceled}),
        ("tag:us", {gone[3]}),
        ("tag:eu,us agent:rq", every),
        ("status:processing", {live}),
        ("agent:nobody", set()),
    ):
        shown = walked(kept, query, 2)
        assert (sorted(shown), len(shown)) == (sorted(expected), len(expected)), query


def test_times_durations_and_stages_are_of_what_ended(filed: Site) -> None:
    now = filed.clock()
    slow = end(filed, "slow", stage="render")
    Archiver().run(filed)
    going = jobs_service.create(filed, NewJob(title="goes on")).job
    assert going is not None
    for query, expected in (
        ("after:1h", [slow]), ("before:1h", []), ("stage:render", [slow]), ("stage:fetch", []), ("took:<1h", [slow]), ("took:>1h", []),
    ):  # fmt: skip
        assert found(filed, query) == expected, query
    page = job_lists.page(filed, job_query.parse("after:1h"))
    assert any("1 job that has not ended fits the rest" in note for note in page.notes)
    assert not job_lists.page(filed, job_query.parse("after:1h status:failed")).notes
    assert now <= filed.clock()


@pytest.mark.parametrize("archived_first", [True, False])
def test_a_number_or_an_id_finds_its_job_at_once(kept: Site, archived_first: bool) -> None:
    number = put(kept, "mail:17", s="failed", e="Timeout: late", w=AT_MS)
    odd = put(kept, "x-odd", xi="an id / of RQ", s="processing")
    if archived_first:
        Archiver().run(kept)
        forget(kept, number)
    for query in (f"id:{number}", f"id:#{number}", "id:mail:17", "id:mail:17 agent:rq", "id:mail:17,none timeout"):
        page = job_lists.page(kept, job_query.parse(query))
        assert numbers(page) == [number], query
        assert page.total.jobs == 1
        assert (page.items[0].archived is not None) == archived_first
    assert found(kept, "id:mail:17 status:completed") == []
    assert found(kept, "id:99999999999999999999999") == []
    assert found(kept, f"id:{odd} timeout") == []


def test_without_the_archive_the_store_answers_and_the_list_says_what_is_missing(filed: Site) -> None:
    live = put(filed, "live", s="processing")
    late = end(filed, "late", error="Timeout: late")
    Archiver().run(filed)
    filed.database.path.write_bytes(b"no database" * 100)
    filed.database.close()
    page = job_lists.page(filed, job_query.parse(""))
    assert numbers(page) == [late, live]
    assert "jobs that the live list has let go of are missing" in "".join(page.notes)
    assert (page.older, page.total.jobs) == (TOP, None), "there may be more once it is back"
    page = job_lists.page(filed, job_query.parse("timeout"))
    assert numbers(page) == [late]
    assert "only the jobs that ended last were looked through" in "".join(page.notes)


def test_how_many_fit_is_told_where_it_is_known(filed: Site) -> None:
    made = [put(filed, f"j{i}", s="failed", w=AT_MS + i) for i in range(5)]
    going = [put(filed, f"g{i}", qu="web", s="processing") for i in range(3)]
    assert told(filed, "status:processing", limit=2) == {Total(len(going), len(going))}
    Archiver().run(filed)
    assert told(filed, "queue:mail", limit=9) == {Total(5, 5)}
    forget(filed, made[0])
    for limit in (1, 2, 9):  # What was counted stands for seconds, so these are other searches.
        assert told(filed, "queue:mail agent:rq", limit=limit) == {Total(5, 4)}
        assert told(filed, "queue:mail status:failed", limit=limit) == {Total(5, 4)}


def test_how_many_ended_is_told_alike_on_every_page_archived_or_not(kept: Site) -> None:
    made = [end(kept, f"j{i}", error="Timeout: late") for i in range(4)]
    Archiver().run(kept)
    forget(kept, made[0])
    end(kept, "fresh", error="Timeout: late")
    again = JobRef(number=made[1])
    assert jobs_service.update(kept, again, Update(attempt=2, stage="again")).job
    for limit in (1, 2, 9):
        assert told(kept, "timeout", limit=limit) == {Total(4)}
    assert told(kept, "timeout nothing", limit=2) == {Total(0)}


def test_more_than_can_be_counted_is_told_as_more_than_so_many(filed: Site) -> None:
    write(filed, *(row(number, title="of old", queue="mail") for number in range(1, 1_102)))
    assert told(filed, "old", limit=500) == {Total(least=1_000)}
    assert told(filed, "queue:mail", limit=500) == {Total(None, 0, 1_000)}


def told(site: Site, query: str, *, limit: int) -> set[Total]:
    """What each page tells of how many fit."""
    totals, before = set[Total](), None
    while True:
        page = job_lists.page(site, job_query.parse(query), before=before, limit=limit)
        totals.add(page.total)
        if (before := page.older) is None:
            return totals


@pytest.mark.parametrize("query", ["", "queue:mail", "timeout", "status:failed timeout"])
@pytest.mark.parametrize("archived_first", [True, False])
def test_a_page_that_is_held_shows_the_same_jobs_and_counts_what_came(
    kept: Site, query: str, archived_first: bool
) -> None:
    made = [put(kept, f"j{i}", s="failed", e="Timeout: late", w=AT_MS + i) for i in range(5)]
    if archived_first:
        Archiver().run(kept)
    asked = job_query.parse(query)
    first = job_lists.page(kept, asked, limit=3)
    head = job_lists.head(asked, first)
    assert head is not None
    head = job_list_model.read(job_list_model.written(head) or "")
    for came in range(1, 3):
        put(kept, f"new{came}", s="failed", e="Timeout: late", w=AT_MS + 100 + came)
        page, count = job_lists.held(kept, asked, head, limit=3)
        assert (numbers(page), count, page.newer) == (made[:1:-1], came, None)
        Archiver().run(kept)
        page, count = job_lists.held(kept, asked, head, limit=3)
        assert (numbers(page), count) == (made[:1:-1], came)
    assert job_lists.head(asked, page) == head
    for more in range(4):
        put(kept, f"more{more}", s="failed", e="Timeout: late", w=AT_MS + 200 + more)
    assert job_lists.held(kept, asked, head, limit=3)[1] == 3, "as many as a page has, or more"


def test_a_text_without_a_word_narrows_nothing_and_says_so(site: Site) -> None:
    number = put(site, "a")
    page = job_lists.page(site, job_query.parse("queue:mail ***"))
    assert numbers(page) == [number]
    assert "narrows nothing" in page.notes[0]


def test_a_number_given_anew_in_an_emptied_store_hides_no_archived_job(filed: Site) -> None:
    write(filed, row(1, title="of the store before", queue="mail"))
    assert put(filed, "another", w=AT_MS) == 1
    assert len(walked(filed, "queue:mail", 1)) == 2
    assert [item.archived is not None for item in job_lists.page(filed, job_query.parse("store before")).items] == [
        True
    ]


def ended(site: Site, agent: str, id: str, second: int, **fields: Any) -> int:
    """A job of an engine that ended so many seconds after AT_MS."""
    at = AT_MS + 1000 * second
    return put(site, id, a=agent, en=agent, ca=at - 10, sa=at - 5, fa=at, x="finished", s="completed", **fields)


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_each_job_comes_once_where_the_store_was_emptied_and_some_are_told_anew(kept: Site, limit: int) -> None:
    archiver = Archiver()
    archiver.run(kept)
    was = [
        ended(kept, agent, f"{agent}{i}", 10 * i + at) for i in range(3) for at, agent in enumerate(("rq", "celery"))
    ]
    archiver.run(kept)
    kept.store.redis.flushall()
    again = [ended(kept, "rq", f"rq{i}", 10 * i) for i in range(2)]
    archiver.run(kept)
    later = put(kept, "later", x="queued")
    expected = [later, *again[::-1], was[5], was[4], was[3], was[1]]
    assert walked(kept, "queue:mail", limit) == expected
    assert walked_up(kept, "queue:mail", limit) == expected
    assert walked(kept, "agent:celery", limit) == was[::-2]
    assert sorted(walked(kept, "after:1000d", limit)) == sorted(expected[1:])
    for query, many in (("queue:mail", 7), ("agent:celery", 3), ("agent:rq", 4), ("after:1000d", 6)):
        assert job_lists.page(kept, job_query.parse(query), limit=limit).total.jobs == many
    assert found(kept, "id:rq0") == [again[0]]
    assert found(kept, f"id:{was[0]}") == [was[0]]


def test_each_job_comes_once_where_the_store_came_back_as_it_was_a_while_ago(kept: Site) -> None:
    def contents() -> dict[Any, Any]:
        return {key: kept.store.raw.dump(key) for key in kept.store.raw.scan_iter()}

    Archiver().run(kept)
    made = [ended(kept, "rq", f"j{i}", i) for i in range(3)]
    Archiver().run(kept)
    then = contents()
    made += [ended(kept, "rq", f"j{i}", i) for i in range(3, 6)]
    Archiver().run(kept)
    kept.store.redis.flushall()
    for key, value in then.items():
        kept.store.raw.restore(key, 0, value)
    Archiver().run(kept)
    assert sorted(walked(kept, "queue:mail", 2)) == made


def test_a_job_with_the_id_of_one_that_an_emptied_store_lost_stands_beside_it(kept: Site) -> None:
    Archiver().run(kept)
    first = ended(kept, "rq", "nightly", 1)
    Archiver().run(kept)
    kept.store.redis.flushall()
    second = ended(kept, "rq", "nightly", 2)
    Archiver().run(kept)
    assert walked(kept, "queue:mail", 1) == [second, first]
    assert job_lists.page(kept, job_query.parse("queue:mail")).total == Total(2, 1)


def test_a_store_that_lost_its_events_alone_is_known_to_be_whole(filed: Site) -> None:
    Archiver().run(filed)
    ended(filed, "rq", "a", 1)
    Archiver().run(filed)
    filed.store.redis.delete(keys.EVENTS.at())
    Archiver().run(filed)
    assert archive_alone.floor_ms(filed) == AT_MS + 1001


@pytest.mark.parametrize("text", ["17", "0", "1790000000000.12", "1790000000000.12.9007199254740992"])
def test_a_cursor_is_written_as_it_is_read(text: str) -> None:
    assert job_list_model.written(job_list_model.read(text)) == text


@pytest.mark.parametrize("text", ["", "x", "-1", "1e3", "9" * 17, "1.", ".1", "1.1.99999999999999999", "٣"])
def test_what_no_answer_gave_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        job_list_model.read(text)


def test_a_name_without_its_module_finds_no_error_and_a_note_says_the_whole_one(filed: Site) -> None:
    end(filed, error_type="rq_tasks.MailError")
    end(filed, error_type="OtherMailError")
    page = job_lists.page(filed, job_query.parse("error:MailError"))
    assert not page.items
    assert page.notes == ("Errors are found by their whole name, with the module before it: error:rq_tasks.MailError.",)
    assert not job_lists.page(filed, job_query.parse("error:Mail")).notes
    assert not job_lists.page(filed, job_query.parse("error:OtherMailError")).notes
