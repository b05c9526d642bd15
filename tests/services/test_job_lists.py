"""Jobs of the store and of the archive as one list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core import keys
from core.site import Site
from services import job_lists, job_query, jobs_service
from services.archive_service import Archiver
from services.job_changes import Change, JobRef
from services.job_list_model import BOTTOM, Cursor, JobList
from services.job_model import Job
from services.job_rules import NewJob, Update
from tests.archive import KINDS, archived
from tests.archived import AT_MS


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
