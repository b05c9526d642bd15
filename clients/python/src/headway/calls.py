"""A decorator: each call of a function is a job."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeVar, cast, overload

from headway.job import Job
from headway.reporting import job

Call = TypeVar("Call", bound=Callable[..., Any])


class Tracked(Protocol):
    """What makes a function's calls jobs."""

    def __call__(self, call: Call, /) -> Call: ...


@overload
def tracked(name: Call) -> Call: ...
@overload
def tracked(
    name: str | None = None,
    *,
    agent: str | None = None,
    title: str | Callable[..., str] | None = None,
    metadata: dict[str, Any] | None = None,
    queue: str | None = None,
    tags: Sequence[str] = (),
) -> Tracked: ...
def tracked(
    name: Any = None,
    *,
    agent: str | None = None,
    title: str | Callable[..., str] | None = None,
    metadata: dict[str, Any] | None = None,
    queue: str | None = None,
    tags: Sequence[str] = (),
) -> Any:
    """`@tracked` or `@tracked("encode", agent="studio", title=lambda path: path.name)`; `title` gets the call's arguments.

    For functions, coroutine functions and generator functions. Inside, `current_job()` is the call's job.
    """
    if callable(name):
        return _wrap(name, lambda *_args, **_given: job(_name(name)))

    def wrap(call: Call) -> Call:
        def begin(*args: Any, **given: Any) -> Job:
            shown = _title(title, args, given) if callable(title) else title
            return job(name or _name(call), agent=agent, title=shown, metadata=metadata, queue=queue, tags=tags)

        return _wrap(call, begin)

    return wrap


def _wrap(call: Call, begin: Callable[..., Job]) -> Call:
    if inspect.isasyncgenfunction(call):
        raise TypeError("tracked takes no asynchronous generator: use `with headway.job(…)` in it")

    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def awaited(*args: Any, **given: Any) -> Any:
            with begin(*args, **given):
                return await call(*args, **given)

        return cast(Call, awaited)

    if inspect.isgeneratorfunction(call):

        @functools.wraps(call)
        def generated(*args: Any, **given: Any) -> Generator[Any, Any, Any]:
            with begin(*args, **given):
                return (yield from call(*args, **given))

        return cast(Call, generated)

    @functools.wraps(call)
    def called(*args: Any, **given: Any) -> Any:
        with begin(*args, **given):
            return call(*args, **given)

    return cast(Call, called)


def _name(call: Callable[..., Any]) -> str:
    return getattr(call, "__name__", type(call).__name__)


def _title(title: Callable[..., str], args: tuple[Any, ...], given: dict[str, Any]) -> str | None:
    try:
        return title(*args, **given)
    except Exception:  # noqa: BLE001 (a title that can't be made must not stop the work; its name stands in)
        return None
