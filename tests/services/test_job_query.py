"""What somebody types to find jobs, read and written again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import job_conditions, job_query
from services.archive_filter import Filter
from services.job_query import KEYS, JobQuery, QueryFault, parse
from services.job_rules import ALL_STATES, STATUSES
from services.live_search import Conditions

names = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() and "\0" not in text and text.isprintable())
typed = st.text(st.sampled_from('abq1:,"\\ -#.*><<queue:status:failed'), max_size=40)
words = st.lists(st.sampled_from(["timeout", '"two words"', "-retry", "12:30", "time*", "-", '-"a b"']), max_size=3)


@given(
    st.builds(
        JobQuery,
        status=st.sets(st.sampled_from(STATUSES)).map(lambda some: tuple(each for each in STATUSES if each in some)),
        state=st.lists(st.sampled_from(ALL_STATES), max_size=2, unique=True).map(tuple),
        queue=st.lists(names.map(str.strip), max_size=2, unique=True).map(tuple),
        worker=st.lists(names.map(str.strip), max_size=1).map(tuple),
        after=st.none() | st.sampled_from(["2h", "7d", "2026-11-21", "2026-11-21 10:00"]),
        least_ms=st.none() | st.integers(0, 10_000_000),
        text=words.map(" ".join),
    ).filter(
        lambda query: len(str(query)) <= job_query.MOST_QUERY and len(query.status) * max(len(query.state), 1) <= 6
    )
)
def test_what_is_written_reads_as_the_same(query: JobQuery) -> None:
    assert parse(str(query)) == query


@given(typed | st.text(max_size=60))
def test_any_text_is_read_or_told_where_it_can_not_be(text: str) -> None:
    try:
        query = parse(text)
    except QueryFault as fault:
        assert 0 <= fault.at <= len(text)
        assert fault.length > 0
        assert str(fault)
    else:
        assert parse(str(query)) == query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (
            "status:failed queue:mail error:Timeout some text",
            JobQuery(status=("failed",), queue=("mail",), error=("Timeout",), text="some text"),
        ),
        ("Queue:a,b queue:c,a", JobQuery(queue=("a", "b", "c"))),
        ('queue:"a b","x,y" worker:"say \\"hi\\""', JobQuery(queue=("a b", "x,y"), worker=('say "hi"',))),
        ("is:processing task:app.send type:E since:2h tags:eu", JobQuery(
            status=("processing",), function=("app.send",), error=("E",), after="2h", tag=("eu",))),
        ("statuses:failed states:stopped functions:f errors:E ids:7 stages:load queues:q agents:a workers:w", JobQuery(
            status=("failed",), state=("stopped",), function=("f",), error=("E",), id=("7",), stage=("load",), queue=("q",),
            agent=("a",), worker=("w",))),
        ("status:scheduled,started", JobQuery(state=("scheduled", "started"))),
        ("status:queued,scheduled,deferred", JobQuery(status=("queued",))),
        ("state:queued status:processing", JobQuery(status=("processing",), state=("queued",))),
        ("took:>30s took:<2m", JobQuery(least_ms=30_000, most_ms=120_000)),
        ("took:1.5s..", JobQuery(least_ms=1500)),
        ("id:#17,abc-1", JobQuery(id=("#17", "abc-1"))),
        ('"queue:mail" -retry 12:30 "queue:', JobQuery(text='"queue:mail" -retry 12:30 "queue:')),
        ("function:a:b::c", JobQuery(function=("a:b::c",))),
        ("", JobQuery()),
        ("   ", JobQuery()),
    ],
)  # fmt: skip
def test_keys_values_and_text_are_told_apart(text: str, query: JobQuery) -> None:
    assert parse(text) == query


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("a quue:mail", 2, "There is no key quue:. Did you mean queue:?"),
        ("http://x", 0, "put it in quotes"),
        ("queue:", 0, "write a value right behind the colon"),
        ("queue: mail", 0, "write a value right behind the colon"),
        ("queue:a,", 0, "write a value right behind the comma"),
        ('queue:"a b', 6, "the quotes do not end"),
        ('queue:"a"b', 9, "put a blank behind the quotes"),
        ("-queue:mail", 0, "can’t be excluded"),
        ("status:dead", 7, "write one of queued, processing"),
        ("status:failed,scheduled", 7, "state:failed,scheduled"),
        ("took:5", 5, "write >30s, <2min or 1s..5s"),
        ("took:>5y", 5, "'5y' is no length of time"),
        ("took:>5s took:<2s", 5, "so no job fits"),
        ("after:soon", 6, "write how long ago"),
        ("after:2h after:3h", 15, "write one time"),
        ("queue:" + ",".join("abcdefghijklm"), 30, "12 values are the most"),
        ("queue:a,b,c,d,e worker:a,b,c,d,e", 0, "25 combinations"),
        ("x" * 201, 0, "Of text, 200 characters and 20 words are the most"),
        ("x " * 21, 0, "Of text, 200 characters and 20 words are the most"),
        ("x" * 401, 400, "400 is the most"),
        ("status:dead quue:mail", 7, "write one of queued, processing"),
        ("took:5 status:dead", 5, "write >30s"),
        ("after:soon took:5", 6, "write how long ago"),
        ("quue:mail status:dead", 0, "There is no key quue:"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place_and_what_to_write(text: str, at: int, says: str) -> None:
    with pytest.raises(QueryFault) as fault:
        parse(text)
    assert says in str(fault.value)
    assert fault.value.at == at


def test_a_part_can_be_taken_away() -> None:
    query = parse("status:failed queue:a,b took:>1s some text")
    assert str(query.without("queue", "a")) == "status:failed queue:b took:>1s some text"
    assert str(query.without("queue").without("took")) == "status:failed some text"
    assert str(query.without("text")) == "status:failed queue:a,b took:>1s"
    assert all(key in KEYS for key in job_query.ALIASES.values())


def test_times_are_reckoned_from_now_or_stand_in_utc() -> None:
    now = 1_790_000_000.0
    assert job_conditions.ends(parse("after:2h before:30m"), now) == job_conditions.Ends(
        1_790_000_000_000 - 7_200_000, 1_790_000_000_000 - 1_800_000
    )
    dated = job_conditions.ends(parse('after:1970-01-02 before:"1970-01-02 01:00+01:00"'), now)
    assert dated == job_conditions.Ends(86_400_000, 86_400_000)


def test_the_store_is_asked_by_exact_fields_and_the_archive_by_each_combination() -> None:
    query = parse("status:failed queue:a,b error:E agent:rq boom")
    assert job_conditions.live(query) == Conditions(
        statuses=("failed",), agents=("rq",), queue=("a", "b"), error=("E",)
    )
    assert job_conditions.archived(query, 0) == tuple(
        Filter(text="boom", status="failed", agent="rq", queue=queue, error_type="E") for queue in "ab"
    )
    assert job_conditions.archived(parse(""), 0) == (Filter(),)
    ends = Filter(status="completed"), Filter(status="failed")
    assert job_conditions.archived(parse("status:completed,failed"), 0) == ends
    assert job_conditions.archived(parse("status:failed state:canceled"), 0) == ()
    assert job_conditions.archived(parse("status:processing"), 0) == ()
    assert job_conditions.archived(parse("state:scheduled,canceled"), 0) == (Filter(states=("canceled",)),)
