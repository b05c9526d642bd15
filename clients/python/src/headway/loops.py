"""A loop as a job: how many items are done, out of how many."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from headway.job import Job, current_job
from headway.reporting import job
from headway.settings import program

T = TypeVar("T")
TELL_EVERY_S = 0.05
"""No more often is a loop's count put into words."""


class Track(Generic[T]):
    """Iterates over something and reports how far it is. As a context manager it also knows why a loop was left."""

    def __init__(self, items: Iterable[T], own: Job | None, shared: Job | None, total: int | None, unit: str) -> None:
        self._items = items
        self._own = own
        self._job = own or shared
        self._total = total
        self._unit = unit
        self._entered = False
        self.done = 0

    @property
    def job(self) -> Job | None:
        """The job that is reported: the loop's own, or the one that it is part of."""
        return self._job

    def __enter__(self) -> Track[T]:
        self._entered = True
        if self._own:
            self._own.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell()
        if self._own:
            self._own.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[T]:
        return self._counted() if self._entered or self._own is None else self._alone(self._own)

    def _counted(self) -> Iterator[T]:
        next_tell = 0.0
        for item in self._items:
            yield item
            self.done += 1
            if time.monotonic() >= next_tell:
                self._tell()
                next_tell = time.monotonic() + TELL_EVERY_S
        self._tell()

    def _alone(self, own: Job) -> Iterator[T]:
        own.start()
        try:
            yield from self._counted()
        except GeneratorExit:
            # A break and an exception in the loop's body look the same from here.
            own.fail(f"Left after {self._words()}")
            raise
        except BaseException as error:
            own.fail(error)
            raise
        own.complete(message=self._words())

    def _tell(self) -> None:
        if self._job:
            percent = 100 * self.done / self._total if self._total else None
            self._job.progress(percent, message=self._words())

    def _words(self) -> str:
        of = f" of {self._total:,}" if self._total is not None else ""
        return f"{self.done:,}{of}{f' {self._unit}' if self._unit else ''}"


def track(
    items: Iterable[T],
    name: str | None = None,
    *,
    total: int | None = None,
    unit: str = "",
    agent: str | None = None,
    title: str | None = None,
    id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Track[T]:
    """`for row in track(rows, "import")`: the loop is a job of that name. Without a name it is the progress of the
    current job, or, where there is none, a job named like the program.

    `total` is asked from `items` unless said. A loop that is left early, by `break` or by an exception, shows as failed
    with how far it came; `with track(…) as rows: for row in rows` tells the two apart.
    """
    shared = current_job() if name is None else None
    own = None if shared else job(name or program() or "loop", agent=agent, title=title, id=id, metadata=metadata)
    return Track(items, own, shared, _length(items) if total is None else total, unit)


def _length(items: Iterable[Any]) -> int | None:
    try:
        return len(items)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 (anybody's __len__; most have none)
        return None
