"""Every finished job comes into the archive, once, whatever is lost or spoilt on the way; over both databases."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import sqlalchemy

from core import keys, migrations
from core.database import Database
from core.metrics import ARCHIVE_JOBS, ARCHIVE_MISSED
from core.site import Site
from core.store import Store
from services import archive_service, archive_writer, fingerprints, job_rules, jobs_service, retention_service
from services.archive_rows import of
from services.archive_schema import ARCHIVE, name_of_lacking
from services.archive_service import Archiver, Standing, standing
from services.job_changes import Change
from services.job_model import Job
from tests import archive
from tests.conftest import wait_until
from tests.services import told_agents
from tests.services.reports import create, tell


def end(site: Site, **fields: Any) -> Job:
    job = tell(site, create(site, **fields), status="completed").job
    assert isinstance(job, Job)
    return job


def ends(site: Site, count: int, *, agent: str = "default", first: int = 0) -> list[str]:
    names = [f"j{first + i}" for i in range(count)]
    jobs_service.store_rows(site, [job_rules.HistoryRow(id=name, agent=agent, status="completed") for name in names])
    return names


def ids(site: Site) -> list[str]:
    return [row["id"] for row in archive.rows(site)]


def counted(site: Site) -> int:
    with site.database.read() as connection:
        return int(connection.execute(sqlalchemy.select(ARCHIVE.c.jobs)).scalar_one())


def outcome(name: str) -> float:
    return ARCHIVE_JOBS.labels(outcome=name)._value.get()


def forget_stream(site: Site) -> None:
    for partition in range(site.store.partitions):
        site.store.redis.xtrim(keys.EVENTS.at(partition), maxlen=0)


def comparing(site: Site) -> Standing:
    """How it stands once a comparison began."""
    site.store.scripts.run("archive", 0, {"of": "x", "most": 1, "bytes": 1})
    return standing(site)


def pending(site: Site) -> int:
    (group,) = site.store.redis.xinfo_groups(keys.EVENTS.at())
    return int(group["pending"])


def test_a_finished_job_is_archived_whole(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    job = create(
        site,
        title="Grüße 🎬",
        agent="studio",
        id="a-1",
        metadata={"queue": " fa\nst ", "function": f" {200 * 'n'}", "n": [1]},
    )
    tell(site, job, stage="downloading", progress=40, message="half")
    tell(site, job, status="failed", error="broke\nat line 2")
    tell(site, job, attempt=2, stage="uploading")
    ended = tell(site, job, attempt=2, status="completed", message="well", result={"url": "x"}).job
    Archiver().run(site)
    (row,) = archive.rows(site)
    kept = of(row)
    assert (kept.queue, kept.function) == ("fa st", 200 * "n")
    assert isinstance(ended, Job)
    assert kept.job == replace(ended, heard_at=None, queue=kept.queue, function=kept.function)
    assert kept.job.attempts[0].error == "broke\nat line 2"
    assert counted(site) == 1


def test_what_a_job_is_found_by_is_archived_and_stands_over_its_metadata(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    begun = Change("put", a="rq", i="a", en="rq", xi="their id", qu="mail", fn="app.send", wk="w1", tg=["eu", "vip"],
                   d='{"queue": "other"}', x="started", s="processing", sa=2_000_500, qa=2_000_000, ca=1_999_000)  # fmt: skip
    jobs_service.apply(site, 0, begun)
    error = 'Traceback (most recent call last):\n  File "/app/mail.py", line 3, in send\nmail.Lost: no user 17'
    ended = jobs_service.apply(site, 0, Change("put", a="rq", i="a", x="failed", s="failed", e=error, fa=2_001_000)).job
    put_off = Change(
        "put", a="rq", i="b", qu="mail", x="canceled", s="failed", e="mail.Lost: canceled", fa=2_001_000, qa=2_000_000
    )
    never_begun = jobs_service.apply(site, 0, put_off).job
    Archiver().run(site)
    row, canceled = archive.rows(site)
    assert of(row).job == replace(ended, heard_at=None, error_type="mail.Lost")  # type: ignore[type-var]
    assert (row["queue"], row["tags"], row["wait_ms"], row["error_type"]) == ("mail", " eu vip ", 500, "mail.Lost")
    assert row["fingerprint"] == fingerprints.of("mail.Lost", error)
    assert (canceled["state"], canceled["fingerprint"], canceled["started_ms"]) == ("canceled", None, None)
    kept = of(canceled).job
    assert isinstance(never_begun, Job)
    assert kept.enqueued_at == never_begun.enqueued_at is not None


def test_what_a_downgrade_dropped_comes_back_from_the_store(archived_site: Site) -> None:
    site, archiver = archived_site, Archiver()
    archiver.run(site)
    for id, state in ("a", "failed"), ("b", "canceled"):
        jobs_service.apply(site, 0, Change("put", a="rq", i=id, en="rq", xi=f"theirs {id}", wk="w1", tg=["eu"], x=state,
                                           s="failed", e="E: broke", sa=2_000_500, qa=2_000_000, fa=2_001_000))  # fmt: skip
    archiver.run(site)
    whole = archive.rows(site)
    assert [(row["worker"], row["state"], row["wait_ms"]) for row in whole] == [
        ("w1", "failed", 500), ("w1", "canceled", 500)
    ]  # fmt: skip
    migrations.move(site.database, "0001", down=True)
    migrations.move(site.database)
    assert [(row["worker"], row["state"], row["wait_ms"]) for row in archive.rows(site)] == [(None, None, None)] * 2
    later = end(site, id="later")
    archiver.run(site)  # which failed at nothing: others had brought up the tables
    archiver.run(site)
    *again, last = archive.rows(site)
    assert again == whole
    changed = outcome("changed")
    forget_stream(site)
    end(site)
    forget_stream(site)
    Archiver().run(site)
    assert last in archive.rows(site)
    assert last["number"] == later.number
    assert outcome("changed") == changed, "compared once, nothing is lacking any more"
    with site.database.read() as connection:
        name = connection.execute(sqlalchemy.select(ARCHIVE.c.site)).scalar_one()
    assert name == site.store.redis.hget(keys.ARCHIVE.at(), "of"), "its new name begins no comparison"


@pytest.mark.parametrize("partitions", [4])
def test_what_was_compared_in_every_partition_is_not_written_anew_as_it_is_retired(
    archived_site: Site, partitions: int
) -> None:
    store = Store(archived_site.store.url, partitions)
    site = replace(archived_site, store=store)
    Archiver().run(site)
    jobs = [end(site, agent=agent) for agent in ("a", "b", "c", "d", "e", "f", "g")]
    Archiver().run(site)
    last = max(row["key"] for row in archive.rows(site))
    with site.database.write() as connection:
        connection.execute(ARCHIVE.update().values(site=name_of_lacking(last, "new")))
    numbers = [job.number for job in jobs]
    assert archive_writer.held(site.database, numbers, whole=True) == set()
    Archiver().run(site)
    assert len(archive_writer.held(site.database, numbers, whole=True)) == len(jobs)
    store.close()


def test_what_did_not_end_is_passed_over_and_left_to_nobody(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    job = create(site, title="completed failed")
    for progress in (10, 20, 30):
        tell(site, job, progress=progress, message="completed it is not")
    again = tell(site, end(site, id="again"), attempt=2, progress=5).job
    Archiver().run(site)
    assert isinstance(again, Job)
    assert again.status == "processing"
    assert archive.rows(site) == []
    assert pending(site) == 0
    assert standing(site).behind == 0


@pytest.mark.parametrize(
    "said", ['["queue"]', '{"queue":" ","function":"\\t"}', '{"queue":7,"function":null}', '{"queue":""}']
)
def test_a_queue_is_only_what_metadata_names_as_text(archived_site: Site, said: str) -> None:
    Archiver().run(archived_site)
    job = end(archived_site)
    key = keys.JOB.at(0, job.number)
    record = msgspec.msgpack.decode(archived_site.store.raw.get(key))
    archived_site.store.raw.set(key, msgspec.msgpack.encode(record | {"metadata": said}))
    Archiver().run(archived_site)
    (row,) = archive.rows(archived_site)
    assert (row["queue"], row["function"], row["metadata"]) == (None, None, said)


def test_a_new_attempt_and_facts_after_the_end_take_the_place_of_what_was_archived(archived_site: Site) -> None:
    site, archiver = archived_site, Archiver()
    archiver.run(site)
    job = end(site, id="a")
    archiver.run(site)
    told_agents.told(site, job, episodeId="e-1")
    archiver.run(site)
    assert [(row["attempt"], row["episode_id"]) for row in archive.rows(site)] == [(1, "e-1")]
    tell(site, job, attempt=2, progress=10)
    archiver.run(site)
    assert [(row["attempt"], row["status"]) for row in archive.rows(site)] == [(1, "completed")]
    tell(site, job, attempt=2, status="failed", error="no")
    archiver.run(site)
    assert [(row["attempt"], row["status"]) for row in archive.rows(site)] == [(2, "failed")]
    assert counted(site) == 1


def test_an_older_state_never_takes_the_place_of_a_newer_one(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    job = end(site, id="a")
    key = keys.JOB.at(0, job.number)
    old = site.store.raw.get(key)
    tell(site, job, attempt=2, status="failed", error="no")
    Archiver().run(site)
    site.store.raw.set(key, old)
    before = outcome("unchanged")
    archive_service.secure(site, 0, {job.number: (1, 1)})
    assert [(row["attempt"], row["status"]) for row in archive.rows(site)] == [(2, "failed")]
    assert outcome("unchanged") == before + 1


def test_a_job_that_is_told_anew_to_an_emptied_store_keeps_its_place(archived_site: Site) -> None:
    site, archiver = archived_site, Archiver()
    told: dict[str, Any] = {"a": "rq", "i": "a", "en": "rq", "ca": 2_000_000, "sa": 2_000_500, "fa": 2_001_000}
    archiver.run(site)
    first = jobs_service.apply(site, 0, Change("put", **told, x="failed", s="failed", e="no")).job
    archiver.run(site)
    site.store.redis.flushall()
    archiver.run(site)
    again = jobs_service.apply(site, 0, Change("import", **told, x="failed", s="failed", e="no")).job
    archiver.run(site)
    assert isinstance(first, Job)
    assert isinstance(again, Job)
    assert again.number > first.number
    assert [(row["number"], row["attempt"]) for row in archive.rows(site)] == [(first.number, 1)]
    assert counted(site) == 1
    # What it does next takes its place as well.
    tried = Change("put", a="rq", i="a", t=2, x="finished", s="completed", sa=2_002_000, fa=2_003_000)
    jobs_service.apply(site, 0, tried)
    archiver.run(site)
    assert [(row["number"], row["attempt"]) for row in archive.rows(site)] == [(first.number, 2)]
    retention_service.run(replace(site, settings=replace(site.settings, keep_days=1)))
    assert site.store.redis.zcard(keys.FINISHED.at()) == 0
    assert [(row["number"], row["attempt"]) for row in archive.rows(site)] == [(first.number, 2)]


def test_what_is_told_under_a_lost_job_s_id_and_ended_later_is_another_job(archived_site: Site) -> None:
    site, archiver = archived_site, Archiver()
    archiver.run(site)
    end(site, id="nightly")
    archiver.run(site)
    site.store.redis.flushall()
    archiver.run(site)
    end(site, id="nightly")
    archiver.run(site)
    assert ids(site) == ["nightly", "nightly"]


def test_damaged_refused_and_lost_jobs_are_counted_and_keep_back_no_other(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    jobs = [end(site, id=f"j{i}") for i in range(8)]
    damaged, refused, lost = (keys.JOB.at(0, jobs[i].number) for i in (1, 3, 5))
    record = msgspec.msgpack.decode(site.store.raw.get(refused))
    site.store.raw.set(damaged, b"\x00nonsense")
    site.store.raw.set(refused, msgspec.msgpack.encode(record | {"skew": 2**63}))
    site.store.raw.delete(lost)
    before = (outcome("damaged"), outcome("refused"), ARCHIVE_MISSED._value.get(), outcome("added"))
    Archiver().run(site)
    after = (outcome("damaged"), outcome("refused"), ARCHIVE_MISSED._value.get(), outcome("added"))
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 5]
    assert ids(site) == ["j0", "j2", "j4", "j6", "j7"]
    assert pending(site) == 0


def test_a_job_that_retention_took_after_it_was_archived_is_not_missed(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    end(site)
    assert retention_service.run(replace(site, settings=replace(site.settings, keep_jobs=1))) == 0
    end(site)
    before = ARCHIVE_MISSED._value.get()
    assert retention_service.run(replace(site, settings=replace(site.settings, keep_jobs=1))) == 1
    assert len(archive.rows(site)) == 1  # it went there before it left
    Archiver().run(site)
    assert len(archive.rows(site)) == 2
    assert ARCHIVE_MISSED._value.get() == before


def test_what_was_there_before_the_archive_began_is_found(archived_site: Site) -> None:
    names = ends(archived_site, 3 * archive_service.COMPARED + 1)
    oldest = jobs_service.page(archived_site, after=0, limit=1).items[0]
    assert isinstance(oldest, Job)
    assert oldest.finished_at is not None
    for told in (standing(archived_site), comparing(archived_site)):
        assert told.behind == len(names)
        assert told.since == oldest.finished_at.timestamp()
    Archiver().run(archived_site)
    assert ids(archived_site) == names
    assert standing(archived_site).behind == standing(archived_site).comparing == 0


def test_where_the_stream_was_trimmed_the_finished_index_tells_what_is_missing(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    end(site, id="first")
    Archiver().run(site)
    for name in ("a", "b", "c"):
        end(site, id=name)
    forget_stream(site)
    stands = standing(site)
    assert stands.behind == 4  # the one before ended in the millisecond from which on some may be lacking
    assert stands.since == pytest.approx(site.clock(), abs=60)
    Archiver().run(site)
    assert ids(site) == ["first", "a", "b", "c"]
    assert standing(site).behind == 0
    assert standing(site).since is None


def test_what_was_handed_out_and_trimmed_before_it_was_written_is_found(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    end(site, id="a")
    site.store.redis.xreadgroup("archive", "archiver", {keys.EVENTS.at(): ">"})
    assert pending(site) == 2
    forget_stream(site)
    Archiver().run(site)
    assert ids(site) == ["a"]
    assert pending(site) == 0


def test_a_comparison_goes_on_where_it_ended_and_survives_what_goes_meanwhile(archived_site: Site) -> None:
    site = archived_site
    names = ends(site, 6)
    call = {"of": "x", "most": 2}
    run = site.store.scripts.run
    was, done, flat = run("sweep", 0, call)
    assert list(archive_service.marks_of(flat)) == [1, 2]
    site.store.redis.zrem(keys.FINISHED.at(), 1, 2)  # retention took them, the last one compared too
    _, _, flat = run("sweep", 0, call | {"was": was.decode(), "done": done.decode()})
    assert list(archive_service.marks_of(flat)) == [3, 4]
    _, _, flat = run("sweep", 0, call | {"was": "elsewhere", "done": "9 9"})  # of somebody who is behind
    assert list(archive_service.marks_of(flat)) == [3, 4]
    assert len(names) == 6


def test_what_is_lost_during_a_comparison_begins_another_one(archived_site: Site) -> None:
    site = archived_site
    ends(site, 4)
    archiver = Archiver()
    archiver.run(site)
    state = keys.ARCHIVE.at()
    site.store.redis.hset(state, "sweep", "9999999999999 4")  # nearly over
    ends(site, 1, first=4)
    forget_stream(site)
    archiver.run(site)
    assert ids(site) == ["j0", "j1", "j2", "j3", "j4"]
    assert not site.store.redis.hexists(state, "sweep")


def test_numbers_go_on_above_the_archive_s_where_the_store_was_emptied(archived_site: Site) -> None:
    site, archiver = archived_site, Archiver()
    archiver.run(site)
    ends(site, 5)
    archiver.run(site)
    site.store.redis.flushall()
    archiver.run(site)
    assert end(site, id="new").number == 6
    archiver.run(site)
    assert [(row["number"], row["id"]) for row in archive.rows(site)][4:] == [(5, "j4"), (6, "new")]


@pytest.mark.parametrize("partitions", [4])
def test_each_partition_is_archived_and_numbers_go_on_over_all_of_them(archived_site: Site, partitions: int) -> None:
    store = Store(archived_site.store.url, partitions)
    site, archiver = replace(archived_site, store=store), Archiver()
    archiver.run(site)
    jobs = [end(site, agent=agent) for agent in ("a", "b", "c", "d", "e", "f", "g")]
    archiver.run(site)
    assert {row["number"] for row in archive.rows(site)} == {job.number for job in jobs}
    forget_stream(site)
    site.store.redis.flushall()
    archiver.run(site)
    assert all(end(site, agent=job.agent).number > max(job.number for job in jobs) for job in jobs)
    archiver.run(site)
    assert len(archive.rows(site)) == 14
    store.close()


def test_another_database_gets_all_that_the_store_still_has(archived_site: Site) -> None:
    site, archiver = archived_site, Archiver()
    names = ends(site, 5)
    archiver.run(site)
    archive.empty(site.database)
    Archiver().run(site)
    assert ids(site) == names
    assert counted(site) == 5


def test_jobs_with_long_texts_come_in_small_steps(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    text = "é" * 16_000
    for i in range(60):
        tell(site, create(site, id=f"j{i}"), status="failed", error=text)
    call = {"of": "x", "most": 1000, "bytes": 200_000}
    site.store.redis.hset(keys.ARCHIVE.at(), "of", "x")
    _, _, has_more, handed, _ = site.store.scripts.run("archive", 0, call)
    assert has_more
    assert len(handed) < 10
    Archiver().run(site)
    assert [row["error"] for row in archive.rows(site)] == [text] * 60


def test_two_that_archive_at_once_write_each_job_once(archived_site: Site) -> None:
    site = archived_site
    Archiver().run(site)
    threads = [threading.Thread(target=Archiver().run, args=(site,)) for _ in range(3)]
    names = ends(site, 1200)
    site.store.redis.hdel(keys.ARCHIVE.at(), "of")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    Archiver().run(site)
    assert sorted(ids(site)) == sorted(names)
    assert counted(site) == 1200


@pytest.mark.parametrize("lost", ["nothing", "the stream"])
def test_killed_at_any_step_it_loses_nothing_and_doubles_nothing(archived_site: Site, lost: str) -> None:
    site, step, names = archived_site, 0, list[str]()
    Archiver().run(site)
    while True:
        step += 1
        for name in (f"{step}-a", f"{step}-b"):
            names.append(end(site, id=name).id)
        if lost == "the stream":
            forget_stream(site)
        if not killed_at(site, step):
            break
    assert step > 10  # so many places it was killed at
    Archiver().run(site)
    assert ids(site) == names
    assert counted(site) == len(names)
    assert pending(site) == 0
    assert standing(site).behind == 0


def killed_at(site: Site, step: int) -> bool:
    """Archive in a process of its own that is killed with -9 at its `step`th step; whether it came so far."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            own = replace(site, store=Store(site.store.url), database=Database(site.settings))
            _kill_at(own, step)
            Archiver().run(own)
            status = 0
        finally:
            os._exit(status)
    _, status = wait_until(
        lambda: (found := os.waitpid(child, os.WNOHANG))[0] and found, what="the end of the archiver"
    )
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL


def _kill_at(site: Site, step: int) -> None:
    """A step lies before and after each call of the store and each end of a transaction."""
    count = 0

    def pass_by(*_: object) -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def between(call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            pass_by()
            answer = call(*args, **kwargs)
            pass_by()
            return answer

        return stepped

    site.store.scripts.run = between(site.store.scripts.run)  # type: ignore[method-assign]
    site.store.raw.xack = between(site.store.raw.xack)  # type: ignore[method-assign]
    sqlalchemy.event.listen(site.database.engine, "begin", pass_by)
    sqlalchemy.event.listen(site.database.engine, "commit", pass_by)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_file_that_was_removed_is_missed_and_made_anew_from_the_store(
    site: Site, caplog: pytest.LogCaptureFixture, *, is_restarted: bool
) -> None:
    with archive.archived(site) as site:
        archiver = Archiver()
        names = ends(site, 3)
        archiver.run(site)
        assert ids(site) == names
        for file in site.settings.data.glob("archive.sqlite3*"):
            file.unlink()
        if is_restarted:
            site.database.close()
            archiver = Archiver()
        archiver.run(site)
        end(site, id="later")
        archiver.run(site)
        assert sorted(ids(site)) == sorted([*names, "later"])
        assert (standing(site).archived, standing(site).behind) == (4, 0)
        assert ("was removed or replaced" in caplog.text) is not is_restarted
