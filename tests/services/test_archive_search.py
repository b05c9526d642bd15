"""Searching the archive: the same answers from both databases, fast for rare words and common ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from core.database import DatabaseError
from core.site import Site
from services import archive_export, archive_search, archive_words
from services.archive_filter import Filter
from services.archive_schema import JOBS
from services.archive_search import Place
from tests.archived import AT_MS, row, write


def numbers(site: Site, limit: int = 50, **chosen: Any) -> list[int]:
    return [one.job.number for one in archive_search.page(site, Filter(**chosen), limit=limit).items]


def test_words_are_sought_in_title_message_and_error_and_all_have_to_be_there(archived_site: Site) -> None:
    write(
        archived_site,
        row(1, title="Episode of the North", message="uploaded"),
        row(2, title="Episode of the South", error="ConnectionError: db-7.example.com refused"),
        row(3, title="Trailer", message="Episode cut"),
    )
    assert numbers(archived_site, text="episode") == [3, 2, 1]
    assert numbers(archived_site, text="EPISODE connectionerror") == [2]
    assert numbers(archived_site, text="episode nowhere") == []


def test_the_last_word_may_go_on_and_others_do_with_a_star(archived_site: Site) -> None:
    write(archived_site, row(1, title="timeout upstream"), row(2, title="time upstream"))
    assert numbers(archived_site, text="timeo") == [1]
    assert numbers(archived_site, text="upstream tim") == [2, 1]
    assert numbers(archived_site, text="tim upstream") == []
    assert numbers(archived_site, text="tim* upstream") == [2, 1]
    assert numbers(archived_site, text='"timeo"') == []


def test_quoted_words_stand_side_by_side_and_a_minus_takes_away(archived_site: Site) -> None:
    write(archived_site, row(1, message="host refused the call"), row(2, message="refused by host"))
    assert numbers(archived_site, text='"host refused"') == [1]
    assert numbers(archived_site, text="host -call") == [2]
    assert numbers(archived_site, text='-"host refused"') == [2]
    assert numbers(archived_site, text="-host") == []


def test_paths_hosts_and_identifiers_are_found_by_their_parts_and_as_a_whole(archived_site: Site) -> None:
    write(
        archived_site, row(1, error="File /app/tasks/encode_audio.py, line 12: https://cdn.example.com/a?b=1 is gone")
    )
    for text in ("encode", "audio.py", "encode_audio.py", "/app/tasks", "cdn.example.com", "12", "example gone"):
        assert numbers(archived_site, text=text) == [1], text


def test_letters_of_any_language_are_found_in_either_case(archived_site: Site) -> None:
    write(
        archived_site,
        row(1, title="Überraschung für Zoë"),
        row(2, title="Привет мир"),
        row(3, title="日本語 テスト 🎬"),
    )
    assert numbers(archived_site, text="überraschung") == [1]
    assert numbers(archived_site, text="ZOË") == [1]
    assert numbers(archived_site, text="zoe") == []
    assert numbers(archived_site, text="ПРИВЕТ") == [2]
    assert numbers(archived_site, text="日本語") == [3]


@pytest.mark.parametrize(
    "text",
    ["'", '"', '""', '"*', "*", "-", "--", "a:*", "a & b | !c", "NEAR(a b)", "title:x", "a AND", "OR", "NOT x", "(", "\\", "%_", ";--",
     "{a}: ^b", "x'y", "-*", '-"', "a" * 500, "\u0301", "🎬", "\u202e", "<->", "!", "1e400", "' || '"],
)  # fmt: skip
def test_no_text_is_an_error(archived_site: Site, text: str) -> None:
    write(archived_site, row(1, title="title x or near and not"))
    numbers(archived_site, text=text)


LETTERS = "aZäÖéñЖя日本ひ9٣ _-./:,'\"\n—“·"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(LETTERS, min_size=1, max_size=40))
def test_every_word_of_a_text_finds_it_and_so_do_all_of_them(archived_site: Site, text: str) -> None:
    words = archive_words.words_of(text)
    with archived_site.database.write() as connection:
        connection.execute(JOBS.delete())
    write(archived_site, row(1, message=text))
    for word in words:
        assert numbers(archived_site, text=f'"{word}"') == [1]
    assert numbers(archived_site, text=text.replace("-", " ").replace('"', " ")) == [1]


@pytest.fixture(scope="module")
def story() -> list[dict[str, Any]]:
    """Jobs of a few agents, queues and stages; those of one word ended long ago."""
    chance = random.Random(7)
    told = list[dict[str, Any]]()
    for number in range(1, 401):
        failed = chance.random() < 0.2
        told.append({
            "agent": f"agent-{chance.randrange(3)}",
            "queue": chance.choice([None, "high", "low"]),
            "function": chance.choice([None, "tasks.a", "tasks.b"]),
            "error": f"Boom {chance.randrange(4)}" if failed else None,
            "failed_stage": chance.choice(["encode", "upload"]) if failed else None,
            "worker": chance.choice([None, "w1", "w2"]),
            "tags": chance.choice([None, " eu ", " eu vip ", " EU eu-west "]),
            "state": chance.choice([None, "failed", "stopped"]) if failed else chance.choice([None, "finished"]),
            "error_type": chance.choice(["Boom", "a.Timeout"]) if failed else None,
            "fingerprint": chance.choice(["aa", "bb"]) if failed else None,
            "title": f"Common {'old' if number < 40 else 'new'} w{chance.randrange(30)}",
            "duration_ms": chance.randrange(10_000),
            # Some end in the same millisecond.
            "finished_ms": AT_MS + number // 2 * 1000,
        })  # fmt: skip
    return told


CHOSEN: list[dict[str, Any]] = [
    {}, {"status": "failed"}, {"status": "completed"}, {"agent": "agent-1"}, {"agent": "agent-1", "status": "failed"},
    {"queue": "high"}, {"function": "tasks.b"}, {"stage": "encode"}, {"agent": "agent-2", "queue": "low", "function": "tasks.a"},
    {"since_ms": AT_MS + 50_000, "until_ms": AT_MS + 60_000}, {"least_ms": 2_000, "most_ms": 3_000}, {"job": "job-17"},
    {"job": "#33"}, {"text": "w7"}, {"text": "common"}, {"text": "old"}, {"text": "-old", "agent": "agent-0"},
    {"text": "boom", "status": "completed"}, {"text": "common boom", "queue": "high", "least_ms": 5_000}, {"agent": "nobody"},
    {"worker": "w1"}, {"tag": "eu"}, {"tag": "vip", "agent": "agent-1"}, {"tag": "u"}, {"tag": "eu%"}, {"states": ("stopped",)}, {"error_type": "Boom"},
    {"fingerprint": "aa", "queue": "low"}, {"text": "boom", "tag": "EU", "worker": "w2"}, {"states": ("finished",), "status": "failed"},
    {"states": ("stopped", "finished")}, {"states": ("stopped", "finished"), "text": "boom", "queue": "low"},
    {"stage": "upload", "status": "completed"}, {"text": "common -boom w1*", "until_ms": AT_MS + 100_000},
]  # fmt: skip


NAMED = ("worker", "error_type", "fingerprint")


def fits(told: dict[str, Any], number: int, chosen: Filter) -> bool:
    words = archive_words.words_of(f"{told['title']} {told['error'] or ''}")

    def has(term: archive_words.Term) -> bool:
        return any(each.startswith(term.words[0]) if term.prefix else each == term.words[0] for each in words)

    status = "failed" if told["error"] else "completed"
    return (
        all(map(has, chosen.sought.wanted))
        and not any(map(has, chosen.sought.excluded))
        and chosen.status in (None, status)
        and all(getattr(chosen, name) in (None, told[name]) for name in (*NAMED, "agent", "queue", "function"))
        and (not chosen.states or told["state"] in chosen.states)
        and (chosen.tag is None or chosen.tag in (told["tags"] or "").split())
        and chosen.stage in (None, told["failed_stage"])
        and (chosen.since_ms is None or told["finished_ms"] >= chosen.since_ms)
        and (chosen.until_ms is None or told["finished_ms"] < chosen.until_ms)
        and (chosen.least_ms is None or told["duration_ms"] >= chosen.least_ms)
        and (chosen.most_ms is None or told["duration_ms"] <= chosen.most_ms)
        and chosen.job in (None, f"job-{number}", f"#{number}")
    )


@pytest.mark.parametrize("step", [1, 16, 8_000])
def test_each_filter_answers_what_fits_however_it_is_met(
    archived_site: Site, story: list[dict[str, Any]], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps so short that every search walks, and so long that every one gathers."""
    monkeypatch.setattr(archive_search, "STEP", step)
    monkeypatch.setattr(archive_search, "MOST_PROBED", 20)
    write(archived_site, *(row(number, **told) for number, told in enumerate(story, 1)))
    for each in CHOSEN:
        chosen = Filter(**each)
        wanted = [number for number, told in enumerate(story, 1) if fits(told, number, chosen)]
        wanted.sort(key=lambda number: (story[number - 1]["finished_ms"], number), reverse=True)
        assert numbers(archived_site, 30, **each) == wanted[:30], each


def pages(site: Site, chosen: Filter, limit: int) -> Iterator[archive_search.ArchivePage]:
    before: Place | None = None
    while True:
        page = archive_search.page(site, chosen, limit=limit, before=before)
        yield page
        if page.older is None:
            return
        before = page.older


def test_pages_lead_there_and_back_without_loss_or_doubles_while_jobs_come_in(
    archived_site: Site, story: list[dict[str, Any]]
) -> None:
    write(archived_site, *(row(number, **told) for number, told in enumerate(story, 1)))
    for each in ({}, {"text": "common", "agent": "agent-1"}):
        wanted = numbers(archived_site, 400, **each)
        down, seen = list[int](), list[archive_search.ArchivePage]()
        for page in pages(archived_site, Filter(**each), 37):
            down += [one.job.number for one in page.items]
            seen.append(page)
            write(
                archived_site,
                row(1000 + len(down), title="Common newer", agent="agent-1", finished_ms=AT_MS + 10_000_000),
            )
        assert down == wanted
        up, after = list[int](), seen[-1].newer
        while after is not None:
            page = archive_search.page(archived_site, Filter(**each), limit=37, after=after)
            up = [one.job.number for one in page.items] + up
            after = page.newer
        there = [number for number in wanted if number < 1000]
        back = [number for number in up if number < 1000]
        assert back == there[: len(there) - len(seen[-1].items)]


@pytest.fixture
def large(archived_site: Site, request: pytest.FixtureRequest) -> Site:
    """A table that is large enough for its indexes to be worth it."""
    rows = [
        {
            **{name: getattr(told, name) for name in told.__struct_fields__},
            "agent": f"agent-{number % 10}", "queue": f"queue-{number % 10}", "function": f"f{number % 10}",
            "worker": f"w{number % 10}", "state": "stopped" if number % 25 == 0 else "finished", "tags": f" t{number % 10} ",
            "error_type": f"E{number % 3}" if number % 20 == 0 else None, "fingerprint": f"p{number % 3}" if number % 20 == 0 else None,
            "title": f"Common w{number % 1000} x{number}",
        }
        for number in range(1, 8_001)
        for told in [row(number, **({"error": "Boom", "failed_stage": f"stage-{number % 7}"} if number % 20 == 0 else {}),
                         duration_ms=number)]
    ]  # fmt: skip
    with archived_site.database.write() as connection:
        connection.execute(sa.insert(JOBS), rows)
    if archived_site.database.kind == "postgresql":
        request.getfixturevalue("postgres").run("VACUUM ANALYZE jobs")  # as its autovacuum would
    return archived_site


INDEXES: list[tuple[dict[str, Any], str]] = [
    ({}, "jobs_time"), ({"status": "failed"}, "jobs_failed"), ({"agent": "agent-1"}, "jobs_agent"),
    ({"agent": "agent-0", "status": "failed"}, "jobs_agent_failed"), ({"queue": "queue-3"}, "jobs_queue"),
    ({"function": "f3"}, "jobs_function"), ({"stage": "stage-3"}, "jobs_failed_stage"), ({"job": "job-5"}, "jobs_id"),
    ({"job": "#5"}, "jobs_one"), ({"least_ms": 7_990}, "jobs_duration"), ({"text": "x77"}, "jobs_search"),
    ({"text": "common"}, "jobs_time"), ({"text": '"w5"', "agent": "agent-5"}, "jobs_search"),
    ({"text": "common", "agent": "agent-5"}, "jobs_agent"), ({"text": "boom", "status": "failed"}, "jobs_search"),
    ({"worker": "w3"}, "jobs_worker"), ({"states": ("stopped",)}, "jobs_state"),
    ({"states": ("stopped", "canceled")}, "jobs_state"), ({"error_type": "E1"}, "jobs_error_type"),
    ({"fingerprint": "p1"}, "jobs_fingerprint"), ({"tag": "t4"}, "jobs_tags"),
    ({"since_ms": AT_MS + 3_000_000, "until_ms": AT_MS + 3_100_000}, "jobs_time"),
]  # fmt: skip


def test_every_filter_and_search_goes_by_an_index(large: Site) -> None:
    for each, index in INDEXES:
        plans = list[str]()

        def note(
            connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any, plans: list[str] = plans
        ) -> None:
            if statement.lstrip().startswith("SELECT jobs.finished_ms"):
                explain = "EXPLAIN" if large.database.kind == "postgresql" else "EXPLAIN QUERY PLAN"
                other = connection.connection.driver_connection.cursor()
                lines = other.execute(f"{explain} {statement}", parameters or ()).fetchall()
                plans.append("\n".join(str(line) for line in lines))

        event.listen(large.database.engine, "before_cursor_execute", note)
        try:
            assert numbers(large, **each), each
        finally:
            event.remove(large.database.engine, "before_cursor_execute", note)
        plan = "\n".join(plans)
        if large.database.kind == "postgresql":
            assert index in plan, (each, plan)
            assert "Seq Scan" not in plan, (each, plan)
        else:
            assert "SCAN jobs\n" not in f"{plan}\n" and "SCAN jobs'" not in plan, (each, plan)


def test_failures_leave_out_what_was_ended_on_purpose_unless_a_state_is_named(archived_site: Site) -> None:
    states = (None, "failed", "canceled", "stopped", "deleted", "canceled")
    write(archived_site, *(row(at, status="failed", state=state, title="Mail") for at, state in enumerate(states, 1)))
    write(archived_site, row(7, title="Mail"))
    for also in ({}, {"agent": "studio"}, {"text": "mail"}, {"least_ms": 1}):
        assert numbers(archived_site, status="failed", **also) == [4, 2, 1], also
        assert numbers(archived_site, status="failed", states=("canceled",), **also) == [6, 3], also
        assert numbers(archived_site, states=("canceled", "stopped"), **also) == [6, 4, 3], also
    assert numbers(archived_site) == [7, 6, 5, 4, 3, 2, 1]
    for form in ("csv", "ndjson"):
        lines = b"".join(archive_export.export(archived_site, Filter(status="failed"), form)).splitlines()
        assert len(lines) == 3 + (form == "csv")
        lines = b"".join(
            archive_export.export(archived_site, Filter(states=("canceled", "deleted")), form)
        ).splitlines()
        assert len(lines) == 3 + (form == "csv")


def test_what_went_between_two_looks_is_left_out(archived_site: Site) -> None:
    write(archived_site, row(1), row(2))
    with archived_site.database.read() as connection:
        keys = list(connection.execute(sa.select(JOBS.c.key).order_by(JOBS.c.key)).scalars())
        assert [one.job.number for one in archive_search.jobs(connection, [keys[1], 10**9, keys[0]])] == [2, 1]


def test_a_search_that_takes_too_long_is_ended_and_says_so(archived_site: Site) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(DatabaseError) as told, archived_site.database.read(0.1) as connection:
        connection.execute(sa.text(endless))
    assert told.value.late
