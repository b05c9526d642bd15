"""How far jobs are, in whichever form they say so."""

from __future__ import annotations

from typing import Any

import pytest

from services.brokers import rq_progress
from services.brokers.rq_progress import Scales


@pytest.mark.parametrize(
    ("meta", "percent"),
    [
        ({"progress": 40}, 40),
        ({"progress": 0.4}, 40),
        ({"progress": 1}, 1),
        ({"progress": 1.0}, 100),
        ({"progress": "40 %"}, 40),
        ({"progress": "2/8"}, 25),
        ({"percent": 99.999}, 100),
        ({"progress": 150}, 100),
        ({"progress": -3}, 0),
        ({"current": 3, "total": 12}, 25),
        ({"done": 1, "total": 0}, None),
        ({"progress": {"current": 1, "total": 4}}, 25),
        ({"progress": {"iteration": 5, "num_iterations": 10, "percentage": 50.0}}, 50),
        ({"fraction": 0.25}, 25),
        ({"progress": True}, None),
        ({"progress": float("nan")}, None),
        ({"progress": 10**400}, None),
        ({"progress": "soon"}, None),
        ({"progress": [1]}, None),
        ({"progress": {"progress": {"progress": 5}}}, None),
        ({}, None),
    ],
)
def test_progress_is_understood_as_it_is_meant(meta: dict[str, Any], percent: float | None) -> None:
    assert Scales().told("app.f", meta).progress == percent


def test_a_function_that_counts_to_100_begins_below_one_percent() -> None:
    scales = Scales()
    assert scales.told("app.big", {"progress": 2.5}).progress == 2.5
    assert scales.told("app.big", {"progress": 0.4}).progress == 0.4
    assert scales.told("app.other", {"progress": 0.4}).progress == 40


def test_stage_and_message_are_texts_alone() -> None:
    told = Scales().told("app.f", {"stage": "send", "message": "3 of 4", "step": 3})
    assert (told.stage, told.message, told.progress) == ("send", "3 of 4", None)
    assert Scales().told("app.f", {"status": "sending"}).stage == "sending"
    assert Scales().told("app.f", {"stage": 5, "message": ["x"], "status": " "}) == (None, None, None)


def test_only_so_many_functions_are_remembered() -> None:
    scales = Scales()
    for number in range(rq_progress.MOST_FUNCTIONS + 1):
        scales.told(f"app.f{number}", {"progress": 50})
    assert scales.told("app.f1", {"progress": 0.4}).progress == 0.4
    assert scales.told("app.f0", {"progress": 0.4}).progress == 40
