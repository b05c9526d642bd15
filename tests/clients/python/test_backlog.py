"""What waits is coalesced, in order, and bounded."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headway.backlog import KEPT, PROGRESS, STAGE, Backlog, Line
from headway.batches import BATCH_LINES

A, B = ("studio", "a"), ("studio", "b")


def line(kind: int, key: tuple[str, str] = A, size: int = 0, **fields: Any) -> Line:
    return Line(key, kind, fields, size)


def said(lines: list[Line]) -> list[dict[str, Any]]:
    return [one.fields for one in lines]


def test_of_two_updates_the_later_counts_and_what_it_leaves_unsaid_stays() -> None:
    backlog = Backlog()
    backlog.add(line(PROGRESS, progress=1, message="one"))
    backlog.add(line(PROGRESS, progress=2))
    assert said(backlog.take()) == [{"progress": 2, "message": "one"}]
    assert not backlog


def test_a_stage_is_never_coalesced_and_keeps_its_place() -> None:
    backlog = Backlog()
    for kind, fields in ((PROGRESS, {"progress": 1}), (STAGE, {"current_step": "x"}), (PROGRESS, {"progress": 2})):
        backlog.add(line(kind, **fields))
        backlog.add(line(PROGRESS, B, progress=9))
    assert said([one for one in backlog.take() if one.key == A]) == [
        {"progress": 1},
        {"current_step": "x"},
        {"progress": 2},
    ]


def test_what_is_being_sent_takes_no_more_in() -> None:
    backlog = Backlog()
    backlog.add(line(PROGRESS, progress=1))
    (sent,) = backlog.take()
    backlog.add(line(PROGRESS, progress=2))
    assert sent.fields == {"progress": 1}
    assert said(backlog.take()) == [{"progress": 2}]


def test_what_could_not_be_sent_goes_first_and_into_what_followed_it_directly() -> None:
    backlog = Backlog()
    backlog.add(line(STAGE, current_step="x"))
    backlog.add(line(PROGRESS, progress=1, message="one"))
    taken = backlog.take()
    backlog.add(line(PROGRESS, progress=2))
    backlog.restore(taken)
    assert said(backlog.take()) == [{"current_step": "x"}, {"progress": 2, "message": "one"}]


def test_what_could_not_be_sent_never_slips_past_a_later_stage() -> None:
    backlog = Backlog()
    backlog.add(line(PROGRESS, progress=1, message="one"))
    taken = backlog.take()
    backlog.add(line(STAGE, current_step="x", message="x begins"))
    backlog.add(line(PROGRESS, progress=2))
    backlog.restore(taken)
    assert [one.get("message") for one in said(backlog.take())] == ["one", "x begins", None]


def test_progress_goes_first_then_stages_and_ends_only_at_the_hard_limit() -> None:
    backlog = Backlog(soft_bytes=10_000, hard_bytes=20_000)
    keys = [("studio", str(number)) for number in range(40)]
    for key in keys:
        backlog.add(line(STAGE, key, current_step="x"))
        backlog.add(line(PROGRESS, key, progress=1))
    for key in keys[:15]:
        backlog.add(line(KEPT, key, status="completed"))
    left = []
    while backlog:
        left += backlog.take()
    assert sum(one.kind == KEPT for one in left) == 15
    assert backlog.dropped[PROGRESS] == 40 and backlog.dropped[KEPT] == 0
    for key in keys:
        backlog.add(line(KEPT, key, status="failed", size=1_000))
    assert backlog.dropped[KEPT] == 40 - len(backlog) > 0
    assert backlog.take()[-1].key == keys[-1]


def test_a_batch_has_a_bounded_number_of_lines() -> None:
    backlog = Backlog()
    for number in range(BATCH_LINES + 3):
        backlog.add(line(KEPT, ("studio", str(number))))
    assert (len(backlog.take()), len(backlog.take())) == (BATCH_LINES, 3)


@given(st.lists(st.tuples(st.sampled_from([PROGRESS, STAGE, KEPT, "take", "fail"]), st.sampled_from([A, B]))))
def test_whatever_fails_meanwhile_each_job_tells_its_stages_in_order_and_its_last_word(steps: list[Any]) -> None:
    backlog, sent, count = Backlog(), list[Line](), 0
    wanted: dict[Any, list[int]] = {A: [], B: []}
    last: dict[Any, int] = {}
    for step, key in [*steps, ("take", A)]:
        if step == "fail":
            backlog.restore(backlog.take())
        elif step == "take":
            sent += backlog.take()
        else:
            count += 1
            backlog.add(line(step, key, n=count))
            last[key] = count
            if step != PROGRESS:
                wanted[key].append(count)
    for key in (A, B):
        told = [one.fields["n"] for one in sent if one.key == key]
        assert told == sorted(told)
        assert [one.fields["n"] for one in sent if one.key == key and one.kind != PROGRESS] == wanted[key]
        assert told[-1:] == ([last[key]] if key in last else [])
