"""What the RQ workers of the tests do. Each waits for nothing but what it is told to wait for."""

from __future__ import annotations

import time
from typing import Any

from rq import get_current_job


class MailError(Exception):
    pass


def add(a: int, b: int) -> int:
    return a + b


def say(**what: Any) -> dict[str, Any]:
    return what


def fail(why: str = "no such address") -> None:
    raise MailError(why)


def fail_times(times: int) -> str:
    """Fails that often, then ends well; it counts in Redis, where each attempt finds it."""
    job = get_current_job()
    assert job is not None and job.connection is not None
    tried = int(job.connection.incr(f"tried:{job.id}"))
    if tried <= times:
        raise MailError(f"attempt {tried} failed")
    return f"went well at attempt {tried}"


def steps(count: int, gate: str = "") -> int:
    """Goes on step by step and tells so in `meta`; with a gate, each step waits until somebody pushed to that list."""
    job = get_current_job()
    assert job is not None and job.connection is not None
    for step in range(1, count + 1):
        if gate:
            job.connection.blpop([gate], timeout=60)
        job.meta.update(progress=100 * step / count, stage=f"step {step}")
        job.save_meta()
    return count


def hold(gate: str, seconds: float = 60) -> str:
    """At work until somebody pushes to the list `gate`."""
    job = get_current_job()
    assert job is not None and job.connection is not None
    return "let go" if job.connection.blpop([gate], timeout=seconds) else "nobody came"


def sleep(seconds: float) -> None:
    time.sleep(seconds)
