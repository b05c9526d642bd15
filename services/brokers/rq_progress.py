"""How far a job is, as it says in `meta`. RQ sets no form for that, so the usual ones are understood."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from services.brokers.numbers import finite

PROGRESS = ("progress", "percent", "percentage")
DONE = ("current", "done", "completed", "processed", "step", "iteration")
TOTAL = ("total", "steps", "count", "iterations", "num_iterations")
STAGE = ("stage", "step", "current_step", "phase", "state", "status")
MESSAGE = ("message", "msg", "detail", "description", "status")
MOST_FUNCTIONS = 1_000


class Progress(NamedTuple):
    stage: str | None = None
    progress: float | None = None
    """0 to 100."""
    message: str | None = None


class Scales:
    """Which functions count to 100: 0.4 of one that ever said more than 1 is 0.4 %, of any other it is 40 %."""

    def __init__(self) -> None:
        self._percents: OrderedDict[str, None] = OrderedDict()

    def told(self, function: str | None, meta: dict[str, Any]) -> Progress:
        """What `meta` says; anything else in it is left alone."""
        stage = _first(meta, STAGE)
        message = _first(meta, MESSAGE)
        return Progress(stage, self._percent(function or "", meta), None if message == stage else message)

    def _percent(self, function: str, meta: dict[str, Any]) -> float | None:
        said = next((meta[name] for name in PROGRESS if name in meta), None)
        if isinstance(said, dict):  # {"progress": {"current": 3, "total": 12}}
            meta = said
            said = next((meta[name] for name in PROGRESS if name in meta), None)
        if (number := _number(said)) is not None:
            return _bounded(number * 100 if self._is_fraction(function, said, number) else number)
        if isinstance(said, str) and said.count("/") == 1:
            done, total = (_number(part) for part in said.split("/"))
        else:
            done, total = _among(meta, DONE), _among(meta, TOTAL)
        if done is not None and total:
            return _bounded(100 * done / total)
        return _bounded(100 * fraction) if (fraction := _number(meta.get("fraction"))) is not None else None

    def _is_fraction(self, function: str, said: Any, number: float) -> bool:
        if number > 1:
            self._percents[function] = None
            self._percents.move_to_end(function)
            if len(self._percents) > MOST_FUNCTIONS:
                self._percents.popitem(last=False)
        return isinstance(said, float) and 0 <= number <= 1 and function not in self._percents


def _first(meta: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((said for name in names if isinstance(said := meta.get(name), str) and said.strip()), None)


def _among(meta: dict[str, Any], names: tuple[str, ...]) -> float | None:
    return next((number for name in names if (number := _number(meta.get(name))) is not None), None)


def _number(said: Any) -> float | None:
    if isinstance(said, str):
        try:
            said = float(said.strip().rstrip("%"))
        except ValueError:
            return None
    return finite(said)


def _bounded(number: float) -> float:
    return round(min(max(number, 0.0), 100.0), 2)
