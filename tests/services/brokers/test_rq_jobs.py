"""Jobs of RQ as their hashes tell of them, whoever wrote these."""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import RateLimit

from core.config.brokers import Masking
from core.site import Site
from services.job_model import Job
from tests.conftest import Valkey
from tests.rq_workers import queue
from tests.services import reports
from tests.services.brokers.followed_rq import FollowedRq, metadata
from tests.services.brokers.rq_hashes_made import CREATED, job_of, packed, put


@pytest.fixture
def read(broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]) -> Callable[..., dict[str, Job | None]]:
    """What Headway makes of jobs: `read({id: hash}, **options of the broker)`."""

    def seen(jobs: dict[str, dict[str, Any]], **options: Any) -> dict[str, Job | None]:
        put(broker, jobs)
        followed = follow(theirs.url, **options)
        followed.settled()
        return {id: followed.job(id) for id in jobs}

    return seen


class Runs:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_that_would_run_code_is_shown_and_never_run(
    read: Callable[..., dict[str, Job | None]], tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    harm = pickle.dumps(Runs(mark))
    jobs = {
        "whole": job_of(zlib.compress(harm)),
        "argument": job_of(packed("app.mail", Runs(mark))),
        "meta": job_of(packed("app.mail"), meta=harm),
        "bomb": job_of(zlib.compress(b"\x80\x04" + b"N" * 50_000_000, 9)),
        "memory": job_of(zlib.compress(b"\x80\x04\x96\xff\xff\xff\xff\x01\x00\x00\x00")),
    }
    found = read(jobs)
    assert not mark.exists()
    for name in ("whole", "meta", "bomb", "memory"):
        job = found[name]
        assert job is not None
        assert metadata(job)["unreadable"], name
    shown = found["argument"]
    assert shown is not None
    assert shown.function == "app.mail"


def test_a_payload_that_cant_be_read_says_so_while_all_else_goes_on(read: Callable[..., dict[str, Job | None]]) -> None:
    broken = job_of(b"\x00not a payload", description="app.mail('a@b.example')", retries_left="many", timeout="")
    strange = job_of(packed("app.mail"), created_at="yesterday", meta=b"\xff\xff", dependency_ids=b"[1,", ttl=b"\xff")
    long = job_of(b"x" * 200_000, description="d" * 40_000, meta=b"m" * 100_000)
    found = read({"broken": broken, "strange": strange, "long": long, "good": job_of(packed("app.good"))})
    jobs = {name: job for name, job in found.items() if job is not None}
    assert jobs.keys() == found.keys()
    assert jobs["broken"].function == "app.mail"
    assert metadata(jobs["broken"])["unreadable"].startswith("data: it is neither JSON nor a pickle")
    assert jobs["strange"].function == "app.mail"
    assert metadata(jobs["strange"])["unreadable"].startswith("meta: ")
    assert "too long" in metadata(jobs["long"])["unreadable"]
    assert metadata(jobs["good"]) == {"timeout_s": 180}


def test_keys_that_are_no_jobs_are_left_out(broker: Any, read: Callable[..., dict[str, Job | None]]) -> None:
    broker.set("rq:job:text", "no hash")
    broker.hset("rq:job:late", "last_heartbeat", CREATED)
    broker.rpush("rq:queue:default", "text", "late", "nothing", b"\xff\xfe")
    assert read({"good": job_of(packed("app.good"))})["good"] is not None


def test_what_an_old_version_wrote_of_an_end_is_read_too(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    broker.sadd("rq:queues", "rq:queue:default")
    trace = "Traceback (most recent call last):\nValueError: too old"
    ended = {"started_at": CREATED, "ended_at": "2026-11-21T10:00:02Z"}
    broker.hset("rq:job:failed", mapping=job_of(packed("app.a"), status="failed", exc_info=zlib.compress(trace.encode()), **ended))  # fmt: skip
    broker.hset("rq:job:done", mapping=job_of(packed("app.b"), status="finished", result=pickle.dumps([1, "é"]), **ended))  # fmt: skip
    broker.zadd("rq:failed:default", {"failed": 2e9})
    broker.zadd("rq:finished:default", {"done": 2e9})
    followed = follow(theirs.url)
    followed.settled()
    failed, done = followed.job("failed"), followed.job("done")
    assert failed is not None
    assert (failed.error, failed.error_type) == (trace, "ValueError")
    assert done is not None
    assert done.result == '[1,"é"]'
    assert done.finished_at is not None
    assert done.finished_at.isoformat() == "2026-11-21T10:00:02+00:00"


def test_a_job_that_waits_for_its_rate_is_deferred(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    one, two = (queue(theirs.url).enqueue("app.a", rate_limit=RateLimit("mails", 1)) for _ in range(2))
    followed = follow(theirs.url)
    followed.comes_to(one.id, "queued")
    assert metadata(followed.comes_to(two.id, "deferred"))["rate_limit"] == "mails"
    one.delete()
    followed.comes_to(two.id, "queued")
    followed.comes_to(one.id, "deleted")


def test_what_goes_on_in_another_database_makes_no_jobs(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    put(broker, {"ours": job_of(packed("app.a"))})
    followed = follow(theirs.url)
    followed.comes_to("ours", "queued")
    with redis.Redis.from_url(f"{theirs.url}?db=1") as other:
        put(other, {"stays": job_of(packed("app.a"))})
        put(other, {"theirs": job_of(packed("app.a"))})
        other.zadd("rq:executions:theirs", {"x": 1})
        other.delete("rq:executions:theirs", "rq:job:theirs")
        put(broker, {"later": job_of(packed("app.a"))})
        followed.comes_to("later", "queued")
        followed.settled()
    assert followed.job("theirs") is None
    assert followed.job("stays") is None


def test_a_result_that_is_too_long_is_not_asked_for(
    broker: Any, theirs: Valkey, follow: Callable[..., FollowedRq]
) -> None:
    broker.sadd("rq:queues", "rq:queue:default")
    broker.hset("rq:job:long", mapping=job_of(packed("app.a"), status="finished", started_at=CREATED, ended_at=CREATED))
    broker.zadd("rq:finished:default", {"long": 2e9})
    broker.xadd("rq:results:long", {"type": 1, "return_value": b"x" * 3_000_000})
    followed = follow(theirs.url)
    followed.settled()
    broker.config_resetstat()
    broker.hset("rq:job:long", "last_heartbeat", CREATED)
    followed.until(lambda: "cmdstat_hmget" in broker.info("commandstats"), "another look")
    assert "cmdstat_xrevrange" not in broker.info("commandstats")
    job = followed.job("long")
    assert job is not None
    assert "bytes" in metadata(job)["unreadable"]


def test_hidden_fields_are_nowhere_in_what_is_stored(read: Callable[..., dict[str, Job | None]]) -> None:
    data = packed("app.pay", 7, card_number="4111111111111111", note="ok")
    meta = pickle.dumps({"card_number": "4111111111111111"})
    call = "app.pay(7, card_number='4111111111111111', note='ok')"
    job = read({"paid": job_of(data, description=call, meta=meta)}, masking=Masking(fields=("card_*",)))["paid"]
    assert job is not None
    assert "4111" not in repr(job)
    assert metadata(job)["kwargs"]["note"] == "ok"
    unstored = read({"paid2": job_of(data, description=call)}, name="two", masking=Masking(arguments=False))["paid2"]
    assert unstored is not None
    assert unstored.title == "app.pay"
    assert "kwargs" not in metadata(unstored)


def test_a_job_that_is_first_seen_as_it_waits_to_be_tried_again_is_created_as_what_it_is(
    read: Callable[..., dict[str, Job | None]], site: Site
) -> None:
    began, again_at = "2026-11-21T10:00:05.000000Z", "2026-11-21T10:00:06.000000Z"
    again = job_of(packed("app.mail", 1), enqueued_at=again_at, started_at=began, ended_at=again_at, retries_left=1)
    job = read({"again": again})["again"]
    assert job is not None
    assert (job.attempt, job.created_at.isoformat()) == (2, "2026-11-21T10:00:00+00:00")
    first = reports.events(site)[0]
    assert (first.kind, first.status, first.title) == ("created", "queued", job.title)
