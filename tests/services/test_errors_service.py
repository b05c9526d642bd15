"""Groups of failures equal those that are counted by hand, in both databases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import cache
from core.database import DatabaseError
from core.site import Site
from services import errors_service
from services.archive_schema import JOBS
from services.errors_service import MOST_GROUPS, ErrorGroup, Which, errors, group, message_of
from services.windows import Window
from tests.archived import AT_MS, row, write

START_S = AT_MS // 1000 // 3600 * 3600
HOURS = Window(START_S, 3600, 6)
DAYS = Window(START_S, 86_400, 2)

names = st.sampled_from(["a", "b"])
drawn_jobs = st.fixed_dictionaries(
    {
        "agent": names,
        "queue": st.none() | names,
        "function": st.none() | names,
        "error_type": st.none() | names,
        "fingerprint": st.none() | st.sampled_from(["f" * 16, "0" * 16, "1" * 16]),
        "finished_ms": st.integers(-1, 6 * 4).map(lambda quarters: START_S * 1000 + quarters * 900_000),
    }
)


def failed(number: int, **fields: Any) -> Any:
    return row(number, **({"error": "Boom: 17", "error_type": "Boom", "fingerprint": "f" * 16} | fields))


def read(site: Site, order: errors_service.Order = "most") -> tuple[ErrorGroup, ...]:
    return errors_service._errors(site, HOURS, Which(), order).groups


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(drawn_jobs, max_size=12), which=st.builds(Which, *[st.none() | names] * 4))
def test_each_group_is_what_is_counted_by_hand(archived_site: Site, drawn: list[dict[str, Any]], which: Which) -> None:
    with archived_site.database.write() as connection:
        connection.execute(JOBS.delete())
    rows = [row(number, error=each["fingerprint"] and "Boom: 17", **each) for number, each in enumerate(drawn, 1)]
    write(archived_site, *rows)
    own = [each for each in rows if each.fingerprint]
    fits = [
        each
        for each in own
        if HOURS.start * 1000 <= each.finished_ms < HOURS.end * 1000
        and which.agent in (None, each.agent)
        and which.queue in (None, each.queue)
        and which.function in (None, each.function)
        and which.error_type in (None, each.error_type)
    ]
    found = errors_service._errors(archived_site, HOURS, which, "most")
    assert (found.failures, found.kinds) == (len(fits), len({each.fingerprint for each in fits}))
    counted = Counter(each.fingerprint for each in fits)
    assert {one.fingerprint: one.failures for one in found.groups} == counted
    for one in found.groups:
        alike = [each for each in fits if each.fingerprint == one.fingerprint]
        ever = [each.finished_ms for each in own if each.fingerprint == one.fingerprint]
        assert (one.first_seen_ms, one.last_seen_ms) == (min(ever), max(ever))
        steps = Counter((each.finished_ms // 1000 - START_S) // 3600 for each in alike)
        assert one.points == tuple(steps[step] for step in range(6))
        assert {each.name: each.failures for each in one.agents} == Counter(each.agent for each in alike)
        queues = Counter((each.agent, each.queue) for each in alike if each.queue)
        assert {(each.agent, each.name): each.failures for each in one.queues} == queues
        functions = Counter(each.function for each in alike if each.function)
        assert {each.name: each.failures for each in one.functions} == functions
        newest = max(alike, key=lambda each: (each.finished_ms, each.number))
        assert one.example.number == newest.number


def test_the_order_is_by_how_many_or_by_the_newest(archived_site: Site) -> None:
    at = START_S * 1000
    write(
        archived_site,
        *(failed(n, finished_ms=at + n) for n in (1, 2, 3)),
        failed(4, finished_ms=at + 4, fingerprint="1" * 16),
    )
    assert [one.fingerprint[0] for one in read(archived_site)] == ["f", "1"]
    assert [one.fingerprint[0] for one in read(archived_site, order="newest")] == ["1", "f"]


def test_those_past_the_bound_are_counted(archived_site: Site) -> None:
    write(archived_site, *(failed(n, fingerprint=f"{n:016x}", finished_ms=START_S * 1000 + n) for n in range(1, 61)))
    found = errors_service._errors(archived_site, HOURS, Which(), "newest")
    assert (found.failures, found.kinds, len(found.groups)) == (60, 60, MOST_GROUPS)
    assert found.groups[0].example.number == 60


def test_one_group_is_told_of_also_where_nothing_failed_so_lately(archived_site: Site) -> None:
    write(archived_site, failed(1, finished_ms=START_S * 1000 - 9_000_000, queue="mails"))
    one = group(archived_site, "f" * 16, HOURS)
    assert one is not None
    assert (one.failures, one.points, one.queues, one.example.number) == (0, (0,) * 6, (), 1)
    assert group(archived_site, "0" * 16, HOURS) is None


def test_the_index_of_failures_is_walked(request: pytest.FixtureRequest, archived_site: Site) -> None:
    """Else a page of errors would read every job of its span."""
    write(archived_site, *(row(n, finished_ms=START_S * 1000 + n) for n in range(1, 3000)), failed(3000))
    if archived_site.database.kind == "postgresql":
        request.getfixturevalue("postgres").run("VACUUM ANALYZE jobs")  # as its autovacuum would
    with archived_site.database.read() as connection:
        fits = " AND ".join(
            str(each.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
            for each in errors_service._fits(HOURS, Which(agent="a", queue="b"))
        ).replace("%%", "%")
        explain = "EXPLAIN QUERY PLAN" if archived_site.database.kind == "sqlite" else "EXPLAIN"
        if archived_site.database.kind == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        counts = f"{explain} SELECT fingerprint, count(*) FROM jobs WHERE {fits} GROUP BY 1"  # noqa: S608  our own
        plan = connection.exec_driver_sql(counts)
        assert "jobs_errors" in " ".join(str(each) for each in plan)


def test_a_bare_archive_has_no_errors(site: Site) -> None:
    assert errors(site, HOURS).groups == ()
    assert group(site, "f" * 16, HOURS) is None


def test_an_archive_that_can_not_be_read_says_why(site: Site) -> None:
    site.database.path.write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseError):
        errors(site, HOURS)


def test_what_took_long_to_count_is_counted_once_for_all_who_ask_within_a_minute(
    archived_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "CHEAP_S", 0)
    write(archived_site, failed(1, finished_ms=START_S * 1000))
    assert errors(archived_site, DAYS).failures == 1
    write(archived_site, failed(2, finished_ms=START_S * 1000))
    assert errors(archived_site, DAYS).failures == 1
    assert errors(archived_site, DAYS, order="newest").failures == 2


@pytest.mark.parametrize(
    ("type_", "error", "message"),
    [
        ("ValueError", "ValueError: no user 17", "no user <number>"),
        ("ValueError", "ValueError", ""),
        ("app.Error17", "app.Error17: no user 17", "no user <number>"),
        ("Error17", "app.Error17: no user", "no user"),
        ("app.Error17", "Error17: no user", "no user"),
        ("ValueError", "no user 17: gone", "no user <number>: gone"),
        ("app.Boom", "Traceback (most recent call last):\n  File \"a\", line 1\napp.Boom: 'x' failed\nmore", "<quoted> failed"),
        (None, "connection to 10.0.0.7 lost", "connection to <number> lost"),
        ("Timeout", None, ""),
        (None, None, ""),
    ],
)  # fmt: skip
def test_the_message_is_what_an_error_says_besides_its_type(type_: str | None, error: str | None, message: str) -> None:
    assert message_of(type_, error) == message
