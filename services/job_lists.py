"""Jobs of the store and of the archive as one list.

First come the jobs that the store has, newest first, from its indexes alone; then those that only the archive has, the newest end
first. What only ended jobs have (text, times, durations, the stage of a failure) is asked of the archive, the newest end first, and
what ended seconds ago and is not archived yet is looked at in the store. A page costs the same wherever it lies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core import keys
from core.site import Site
from services import archive_words, job_conditions, job_totals, jobs_service, live_search, queue_figures
from services.archive_search import Place
from services.brokers.mirror_records import our_id
from services.job_changes import JobRef
from services.job_conditions import GOING_ON
from services.job_list_archive import Archive, Placed
from services.job_list_both import Both
from services.job_list_model import FRESH, Cursor, Item, JobList, Lately, Total, place_of
from services.job_model import Job
from services.job_query import JobQuery, quoted
from services.job_search import LARGEST_NUMBER

MOST_COUNTED = 5_000
MOST_AGENTS = 50
"""Agents whose ids are looked into where none is named: those that were seen last."""
MOST_NAMES = 1_000
MOST_MEANT = 3
"""Names of errors that may be meant, the ones that were seen last."""


def page(
    site: Site, query: JobQuery, *, before: Cursor | None = None, after: Cursor | None = None, limit: int = 50
) -> JobList:
    """The newest jobs, those before a cursor, or those just after one. Without the archive it answers what the store has, and says so.

    Raises redis.RedisError.
    """
    archive = Archive(site, query, site.clock())
    if query.id:
        found = _named(archive, limit)
    elif query.is_of_ends:
        found = _ended(archive, before, after, limit)
        found = replace(found, total=job_totals.of_ended(archive))
    else:
        found = Both(site, archive, limit).page(before, after)
        found = replace(found, total=job_totals.of_both(archive))
    is_empty = not found.items and before is None and after is None and found.older is None
    unnamed = _unnamed(site, query) if is_empty else ()
    return replace(found, notes=(*_wordless(query), *found.notes, *unnamed, *_away(archive)))


def head(query: JobQuery, page: JobList) -> Cursor | None:
    """The cursor before which stands what came since a first page was read; None where nothing can, or where it is empty."""
    if query.id or not page.items:
        return None
    job, is_archived = page.items[0].job, page.items[0].archived is not None
    if isinstance(job, Job) and (is_archived or query.is_of_ends):
        return Lately(job_conditions.ended_ms(job), job.number + 1, 0)
    return job.number + 1


def held(site: Site, query: JobQuery, begin: Cursor, limit: int = 50) -> tuple[JobList, int]:
    """The first page as it goes on without what came since its `head` was taken, and how many jobs these are; `limit` of them means that
    there may be more. Raises redis.RedisError."""
    shown = page(site, query, before=begin, limit=limit)
    newest = [item.job.number for item in page(site, query, limit=limit).items]
    seen = {item.job.number for item in shown.items}
    came = next((at for at, number in enumerate(newest) if number in seen), len(newest))
    return replace(shown, newer=None), came


def _named(archive: Archive, limit: int) -> JobList:
    site, query = archive.site, archive.query
    items = list[Item]()
    for number in sorted(_numbers(site, query), reverse=True):
        job = jobs_service.get(site, JobRef(number=number))
        if isinstance(job, Job) and _is_meant(archive, job):
            items.append(Item(job))
    rows, _ = archive.rows(limit)
    items = [*items, *(item for _, item in rows)][:limit]
    return JobList(tuple(items), total=Total(len(items), len(items) - len(rows)))


def _is_meant(archive: Archive, job: Job) -> bool:
    if archive.query.is_of_ends:
        return job_conditions.fits(archive.query, job, archive.now)
    return job_conditions.holds(archive.query, job)


def _numbers(site: Site, query: JobQuery) -> set[int]:
    """Numbers of the store's jobs that the ids of a query may be of."""
    digits = [ref.removeprefix("#") for ref in query.id]
    numbers = {int(each) for each in digits if each.isascii() and each.isdigit() and len(each) <= 16}
    agents = query.agent or [each.agent for each in jobs_service.agents(site, MOST_AGENTS)]
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for agent in agents:
            pipeline.hmget(keys.IDS.at(site.store.partition_of(agent), agent), [our_id(ref) for ref in query.id])
        answers = pipeline.execute()
    numbers |= {int(number) for answer in answers for number in answer if number}
    return {number for number in numbers if 0 < number <= LARGEST_NUMBER}


def _ended(archive: Archive, before: Cursor | None, after: Cursor | None, limit: int) -> JobList:
    """What ended, by when it did."""
    upper, lower = place_of(before), place_of(after)
    # First what is not archived yet: what is archived between the two is found twice, and not missed.
    fresh, left = archive.fresh()
    rows, onward = archive.rows(limit, before=upper, after=lower, with_stored=True)
    if archive.why:
        fresh, left = archive.fresh()
    rows = [one for one in rows if not _is_shown(one, before)]
    span = (upper, lower) if onward is None else (upper, onward) if lower is None else (onward, lower)
    known = {item.job.number for _, item in rows}
    found = sorted(
        (*rows, *(one for one in fresh if _is_in(one, *span) and one[1].job.number not in known)), key=_by_place
    )
    cut = found[:limit] if lower is not None else found[-limit:]
    if len(cut) < len(found):
        onward = cut[-1][0] if lower is not None else cut[0][0]
    items, ends = tuple(item for _, item in reversed(cut)), (cut[-1][0], cut[0][0]) if cut else (upper, lower)
    is_first = upper is None and lower is None
    newer, older = (onward, ends[1]) if lower is not None else (None if is_first else ends[0], onward)
    return JobList(
        items,
        older=_cursor(archive, older),
        newer=_cursor(archive, newer),
        notes=(*_lately(left), *(_going_on(archive) if is_first else ())),
    )


def _by_place(one: Placed) -> Place:
    return one[0]


def _cursor(archive: Archive, place: Place | None) -> Cursor | None:
    if place is None or place[1] < FRESH:
        return place
    return Lately(place[0], place[1] - FRESH, archive.highest_key())


def _is_in(one: Placed, upper: Place | None, lower: Place | None) -> bool:
    return (upper is None or one[0] < upper) and (lower is None or one[0] > lower)


def _is_shown(one: Placed, before: Cursor | None) -> bool:
    """Whether an archived job stood on the page before, when it was not archived yet."""
    (ms, key), item = one
    return isinstance(before, Lately) and ms == before.ms and key > before.key and item.job.number >= before.number


def _lately(left: int) -> Iterable[str]:
    if left:
        yield f"About {left:,} jobs ended so lately that they are not archived yet, and were not looked through."


def _going_on(archive: Archive) -> Iterable[str]:
    query = archive.query
    statuses = tuple(status for status in GOING_ON if not query.status or status in query.status)
    if not statuses:
        return
    rest = replace(job_conditions.live(query), statuses=statuses)
    total = live_search.find(archive.site, rest, limit=1).total
    counted, is_exact = (total, True) if total is not None else live_search.count(archive.site, rest, MOST_COUNTED)
    if counted:
        many = f"{counted:,}{'' if is_exact else ' or more'} {'job' if counted == 1 else 'jobs'}"
        yield (
            "Text, times, durations and stages are looked for in jobs that have ended; "
            f"{many} that {'has' if counted == 1 else 'have'} not ended {'fits' if counted == 1 else 'fit'} the rest."
        )


def _wordless(query: JobQuery) -> Iterable[str]:
    if query.text and not archive_words.read(query.text):
        yield "The text holds no letter or digit, so it narrows nothing."


def _unnamed(site: Site, query: JobQuery) -> Iterable[str]:
    """Errors that end in what was asked for: their type is indexed with its module."""
    ends = tuple(f".{name}" for name in query.error)
    meant = (
        [name for name in queue_figures.named(site, "error", limit=MOST_NAMES) if name.endswith(ends)] if ends else ()
    )
    if meant:
        whole = ",".join(map(quoted, meant[:MOST_MEANT]))
        yield f"Errors are found by their whole name, with the module before it: error:{whole}."


def _away(archive: Archive) -> Iterable[str]:
    if archive.why is None:
        return
    if archive.why.late:
        yield f"The archive took too long: {archive.why}. Narrow the search: a shorter time, an agent, more words."
    elif archive.query.is_of_ends:
        yield f"The archive can’t be asked, because {archive.why}: only the jobs that ended last were looked through."
    else:
        yield f"The archive can’t be asked, because {archive.why}: jobs that the live list has let go of are missing."
