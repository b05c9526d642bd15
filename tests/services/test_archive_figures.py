"""Figures of archived jobs equal those that are counted by hand, in both databases."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import DatabaseError
from core.site import Site
from core.times import rfc3339
from services import archive_figures
from services.archive_figures import By, Figures, Group
from services.archive_filter import Filter
from services.archive_records import Row
from services.archive_schema import JOBS
from services.job_series_service import BUCKETS
from tests.archived import AT_MS, row, write

HOUR_MS = 3_600_000
NAMES: dict[str, By] = {"agent": "agent", "queue": "queue", "function": "function", "status": "outcome"}


def told(site: Site, by: By, **chosen: Any) -> Figures:
    return archive_figures._figures(site, Filter(**chosen), by)


def percentile(took_ms: list[int], share: float) -> float:
    """By nearest rank, as exactly as a bucket tells."""
    exact = sorted(took_ms)[math.ceil(share * len(took_ms)) - 1]
    bucket = math.floor(math.log(max(exact, 1)) / math.log(BUCKETS))
    return round(BUCKETS ** (bucket + 0.5) / 1000, 3)


def check(group: Group, took_ms: list[int], failed: int) -> None:
    assert (group.jobs, group.failed, group.completed) == (len(took_ms), failed, len(took_ms) - failed)
    assert group.success_rate is not None
    assert abs(group.success_rate - 100 * (1 - failed / len(took_ms))) < 0.01
    assert group.took.mean is not None
    assert abs(group.took.mean - sum(took_ms) / len(took_ms) / 1000) < 0.001
    assert (group.took.p50, group.took.p95) == (percentile(took_ms, 0.5), percentile(took_ms, 0.95))


names = st.sampled_from(["a", "b", "é"])
jobs = st.fixed_dictionaries(
    {
        "agent": names,
        "queue": st.none() | names,
        "function": st.none() | names,
        "error": st.none() | st.just("Boom"),
        "duration_ms": st.sampled_from([0, 1, 2, 999, 1000, 61_000, 90_000_000]),
        "finished_ms": st.integers(0, 5).map(lambda hours: AT_MS + hours * HOUR_MS),
        "lasted": st.lists(st.tuples(st.sampled_from(["fetch", "encode"]), st.sampled_from([0, 1, 1500])), max_size=4),
    }
)


def of(number: int, told: dict[str, Any]) -> Row:
    fields, at, stages = dict(told), told["finished_ms"] - 10_000, []
    for name, lasted in fields.pop("lasted"):
        stages.append([name, at, at + lasted])
        at += lasted + 1
    failed_stage = stages[-1][0] if stages and fields["error"] else None
    return row(number, **fields, stages=msgspec.json.encode(stages).decode(), failed_stage=failed_stage)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(jobs, min_size=1, max_size=12))
def test_each_group_is_what_is_counted_by_hand(archived_site: Site, drawn: list[dict[str, Any]]) -> None:
    with archived_site.database.write() as connection:
        connection.execute(JOBS.delete())
    rows = [of(number, each) for number, each in enumerate(drawn, 1)]
    write(archived_site, *rows)
    for column, by in NAMES.items():
        groups = {group.name: group for group in told(archived_site, by).groups}
        assert groups.keys() == {getattr(each, column) for each in rows}
        for name, group in groups.items():
            own = [each for each in rows if getattr(each, column) == name]
            check(group, [each.duration_ms for each in own], sum(each.status == "failed" for each in own))
            assert group.waited_mean_s == 0.5
    hours = told(archived_site, "hour").groups
    assert [group.name for group in hours] == sorted({rfc3339(each.finished_ms // HOUR_MS * 3600) for each in rows})
    check_stages(told(archived_site, "stage"), rows)


def test_workers_are_told_of_all_their_jobs_and_types_of_errors_of_failures_alone(archived_site: Site) -> None:
    write(
        archived_site,
        row(1, worker="w1"),
        row(2, worker="w1", error="x", error_type="Boom"),
        row(3, worker="w2", error="x", error_type="Boom"),
        row(4, error="x"),
    )
    workers = {group.name: (group.completed, group.failed) for group in told(archived_site, "worker").groups}
    assert workers == {"w1": (1, 1), "w2": (0, 1), None: (0, 1)}
    errors = {group.name: (group.completed, group.failed) for group in told(archived_site, "error").groups}
    assert errors == {"Boom": (0, 2), None: (0, 1)}


def test_what_was_ended_on_purpose_is_in_no_figure_unless_it_is_asked_for(archived_site: Site) -> None:
    write(
        archived_site, row(1, state="finished", wait_ms=2_000), row(2, error="x", state="canceled"), row(3, error="x"),
        row(4, error="x", started_ms=None, wait_ms=60_000),
    )  # fmt: skip
    (group,) = told(archived_site, "agent").groups
    assert (group.jobs, group.completed, group.failed, group.success_rate) == (3, 1, 2, 33.33)
    assert group.waited_mean_s == 1.25, "of one that says since when it was enqueued, from then on; of those that began"
    assert archive_figures.figures(archived_site, Filter(states=("canceled",)), "agent").groups[0].failed == 1


def check_stages(figures: Figures, rows: list[Row]) -> None:
    took, failed = defaultdict[str, list[int]](list), defaultdict[str, int](int)
    for each in rows:
        runs = msgspec.json.decode(each.stages)
        for name, began, ended in runs:
            took[name].append(ended - began)
        if each.failed_stage:
            failed[each.failed_stage] += 1
    assert {group.name for group in figures.groups} == took.keys()
    for group in figures.groups:
        assert group.name is not None
        check(group, took[group.name], failed[group.name])


def test_the_filter_narrows_them(archived_site: Site) -> None:
    write(archived_site, *(row(n, agent=f"a{n % 3}", title=f"Common w{n % 2}") for n in range(12)))
    assert [(each.name, each.jobs) for each in told(archived_site, "agent", text='"w1"', agent="a1").groups] == [
        ("a1", 2)
    ]
    assert told(archived_site, "agent", text="nothing").groups == ()


def test_groups_are_bounded_and_the_rest_is_summed(archived_site: Site) -> None:
    many = archive_figures.MOST_GROUPS + 5
    write(
        archived_site,
        *(row(n, agent=f"a{n:03}") for n in range(many)),
        row(900, agent="a104"),
        row(901, agent="a104", error="x"),
    )
    figures = told(archived_site, "agent")
    assert len(figures.groups) == archive_figures.MOST_GROUPS
    assert (figures.groups[0].name, figures.groups[0].jobs, figures.groups[0].failed) == ("a104", 3, 1)
    assert figures.other is not None
    assert figures.other.jobs == 5


def test_they_are_kept_for_a_minute(archived_site: Site) -> None:
    write(archived_site, row(1))
    first = archive_figures.figures(archived_site, Filter(), "agent")
    write(archived_site, row(2))
    assert archive_figures.figures(archived_site, Filter(), "agent") == first
    assert archive_figures.figures(archived_site, Filter(agent="studio"), "agent").groups[0].jobs == 2


def test_only_so_many_are_reckoned_at_once(archived_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(archived_site, row(1))
    monkeypatch.setattr(archive_figures, "PATIENCE_S", 0.05)
    ready, over = threading.Barrier(archive_figures.AT_ONCE + 1), threading.Event()
    summed = archive_figures._summed

    def held(*given: Any) -> Any:
        ready.wait(30)
        over.wait(30)
        return summed(*given)

    monkeypatch.setattr(archive_figures, "_summed", held)
    threads = [threading.Thread(target=told, args=(archived_site, "agent")) for _ in range(archive_figures.AT_ONCE)]
    for thread in threads:
        thread.start()
    ready.wait(30)
    with pytest.raises(DatabaseError) as raised:
        told(archived_site, "agent")
    over.set()
    for thread in threads:
        thread.join(30)
    assert str(raised.value) == "it reckons 2 other figures, which take long"
    monkeypatch.undo()
    assert told(archived_site, "agent").groups[0].jobs == 1
