"""What holds of jobs whatever is said of them, in whatever order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import keys
from core.fields import check
from core.site import Site
from services import job_events, job_rules, jobs_service
from services.job_changes import JobRef
from services.job_model import Job
from services.job_rules import FINAL, STATUSES

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FRESH = itertools.count()

UPDATES = st.lists(
    st.fixed_dictionaries(
        {"job": st.integers(0, 2)},
        optional={
            "progress": st.floats(0, 100, allow_nan=False),
            "status": st.sampled_from(STATUSES),
            "current_step": st.sampled_from(["read", "write", "queued", "completed", "failed"]),
            "message": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
            "error": st.just("it broke"),
            "seq": st.integers(0, 6),
            "attempt": st.integers(1, 3),
        },
    ),
    max_size=25,
)


def tell(site: Site, agent: str, id: str, fields: dict[str, Any]) -> jobs_service.Outcome:
    return jobs_service.update(site, JobRef(agent=agent, id=id), check(job_rules.Update, fields))


def ready(site: Site, count: int) -> tuple[str, list[str]]:
    """Fresh jobs of a fresh agent, since hypothesis runs many examples on one store."""
    agent, ids = f"agent-{next(FRESH)}", [f"j{i}" for i in range(count)]
    for id in ids:
        jobs_service.create(site, job_rules.NewJob(agent=agent, id=id))
    return agent, ids


@QUICK
@given(UPDATES)
def test_indexes_and_records_agree_after_any_updates(site: Site, updates: list[dict[str, Any]]) -> None:
    agent, ids = ready(site, 3)
    for update in updates:
        id = ids[update["job"]]
        before = jobs_service.get(site, JobRef(agent=agent, id=id))
        outcome = tell(site, agent, id, {k: v for k, v in update.items() if k != "job"})
        after = outcome.job
        assert isinstance(before, Job) and isinstance(after, Job)
        assert (outcome.kind == "kept") == (before == after) or outcome.kind == "applied"
        assert after.attempt >= before.attempt
        if before.is_final and after.attempt == before.attempt:
            assert after == before
        assert after.is_final == (after.finished_at is not None)
        assert 0 <= after.progress <= 100
        if after.status == "completed":
            assert after.progress == 100

    jobs = [jobs_service.get(site, JobRef(agent=agent, id=id)) for id in ids]
    for status in STATUSES:
        listed = set(map(int, site.store.redis.zrange(keys.AGENT_STATUS.at(0, status, agent), 0, -1)))  # type: ignore[arg-type]
        assert listed == {job.number for job in jobs if job.status == status}  # type: ignore[union-attr]
        for job in jobs:
            in_all = site.store.redis.zscore(keys.STATUS.at(0, status), job.number)  # type: ignore[arg-type, union-attr]
            assert (in_all is not None) == (job.status == status)  # type: ignore[union-attr]
    for job in jobs:
        finished = site.store.redis.zscore(keys.FINISHED.at(), job.number)  # type: ignore[arg-type, union-attr]
        assert (finished is not None) == (job.status in FINAL)  # type: ignore[union-attr]


@QUICK
@given(st.permutations(range(1, 7)), st.sampled_from(FINAL))
def test_any_order_of_arrival_ends_where_the_reporters_order_ends(site: Site, order: list[int], final: str) -> None:
    agent, (id,) = ready(site, 1)
    seen = 0.0
    for seq in order:
        fields = {"status": final} if seq == 6 else {"progress": seq * 10}
        job = tell(site, agent, id, {**fields, "seq": seq}).job
        assert isinstance(job, Job)
        assert job.progress >= seen
        seen = job.progress
    assert job.status == final
    highest_before_the_end = max(order[: order.index(6)], default=0)
    assert job.progress == (100 if final == "completed" else highest_before_the_end * 10)


@QUICK
@given(st.lists(st.sampled_from(["created", "progress", "end"]), max_size=8))
def test_repeating_a_message_that_names_its_order_is_as_good_as_sending_it_once(site: Site, steps: list[str]) -> None:
    def play(times: int) -> tuple[Job, int]:
        agent, (id,) = ready(site, 1)
        for seq, kind in enumerate(steps, 1):
            fields = {"created": {"message": "hi"}, "progress": {"progress": seq}, "end": {"status": "completed"}}[kind]
            for _ in range(times):
                tell(site, agent, id, {**fields, "seq": seq})
        job = jobs_service.get(site, JobRef(agent=agent, id=id))
        assert isinstance(job, Job)
        told = (job_events.decode(f[b"e"]) for _, f in site.store.raw.xrange(keys.EVENTS.at()))  # type: ignore[union-attr, index]
        said = [event for event in told if event.agent == agent]
        return job, len(said)

    once, thrice = play(1), play(3)
    assert once[1] == thrice[1]
    assert (once[0].status, once[0].progress, once[0].message) == (
        thrice[0].status,
        thrice[0].progress,
        thrice[0].message,
    )


@pytest.mark.parametrize("text", ["\u202eevil", "e\u0301", "\u00e9", "\U0001f680", "a\nb", "<b>&amp;", "x" * 4000])
def test_text_comes_back_as_it_went_in(site: Site, text: str) -> None:
    agent, (id,) = ready(site, 1)
    job = tell(site, agent, id, {"message": text, "result": {"said": text}}).job
    assert isinstance(job, Job)
    assert job.message == text
