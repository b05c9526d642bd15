"""Lines in a real store: whole or not at all, bounded by bytes and age, those of jobs once more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

import app
from core import keys
from core.fleet import Fleet
from core.site import Site
from core.store import Store
from services import jobs_service, log_intake, logs_service
from services.job_rules import NewJob
from services.log_model import NewLine
from services.log_room import PART
from services.logs_service import LogQuery
from tests.conftest import Valkey
from tests.services.log_lines import NOW_MS, found, line, of_job, retaining, store

DAY = 86_400.0


def test_a_line_comes_back_as_it_was_told(site: Site) -> None:
    told = line("Käse 🧀 \x1b[31mred\x1b[0m\nsecond", "warning", "app/web.1", at_ms=NOW_MS - 5)
    store(site, told, of_job("about a job"))
    about, first = logs_service.search(site, LogQuery()).lines
    assert (first.message, first.level, first.source, first.at) == (
        told.message,
        "warning",
        "app/web.1",
        1_699_999_999.995,
    )
    assert (about.job, about.agent, about.job_id) == ("a", "studio", "a")
    assert logs_service.as_json(first) == {
        "id": str(first.id), "timestamp": "2023-11-14T22:13:19.995Z", "level": "warning", "source": "app/web.1",
        "message": "Käse 🧀 red\nsecond", "job": None,
    }  # fmt: skip


def test_every_line_has_an_id_of_its_own_in_the_order_of_arrival(site: Site) -> None:
    for number in range(3):
        store(site, *(line(f"{number}-{place}", source=f"s{place % 3}") for place in range(700)))
    ids = [one.id for one in logs_service.search(site, LogQuery(limit=1000)).lines]
    assert ids == sorted(set(ids), reverse=True) and len(ids) == 1000


def test_two_processes_that_append_at_once_lose_and_repeat_nothing(site: Site, valkey_url: str) -> None:
    other = Store(valkey_url)
    sites = (site, replace(site, store=other, fleet=Fleet(other, site.fleet.registry)))

    def send(name: int) -> None:
        for turn in range(20):
            store(sites[name % 2], *(line(f"{name}-{turn}-{n}", source=f"s{turn % 3}") for n in range(30)))

    threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    messages = found(site, limit=500)
    assert len(messages) == len(set(messages)) == 4 * 20 * 30
    assert sum(source.lines for source in logs_service.sources(site)) == 2400


def test_a_frame_is_stored_once(site: Site) -> None:
    assert logs_service.append(site, [line("one")], frame="f-1")
    assert not logs_service.append(site, [line("one")], frame="f-1")
    assert logs_service.append(site, [line("two")], frame="f-2")
    assert found(site) == ["two", "one"]
    assert 3600 < int(site.store.redis.ttl(keys.LOG_FRAME.at(0, "f-1"))) <= logs_service.FRAME_S  # type: ignore[arg-type]


def test_a_call_whose_answer_was_lost_and_that_is_made_again_stores_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = site.store.scripts.run

    def twice(*args: object) -> object:
        run(*args)  # type: ignore[arg-type]
        return run(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(site.store.scripts, "run", twice)
    assert logs_service.append(site, [line("once")])
    assert found(site) == ["once"]


def test_a_noisy_source_does_not_push_out_a_quiet_one(site: Site) -> None:
    small = retaining(site, logs_mb=1)
    store(small, line("the quiet one", source="quiet"))
    for number in range(60):
        store(small, *(line(f"{number} {random_text(number, n)}", source="noisy") for n in range(250)))
    assert logs_service.total_bytes(site) <= 1_000_000
    assert found(site, source="quiet") == ["the quiet one"]
    noisy = found(site, source="noisy", limit=1000)
    assert noisy[0].startswith("59 ") and not noisy[-1].startswith("0 ")
    assert {one.name: one.lines for one in logs_service.sources(site)} == {"noisy": len(noisy), "quiet": 1}
    in_index = int(site.store.redis.xlen(keys.LOG_INDEX.at()))  # type: ignore[arg-type]
    assert in_index == 1 + int(site.store.redis.xlen(keys.LOGS.at(0, "noisy")))  # type: ignore[arg-type]


def random_text(*seeds: int) -> str:
    """Text that hardly shrinks, the same for the same seeds."""
    return "".join(f"{hash((*seeds, n)) & 0xFFFFFFFFFFFFFFFF:016x}" for n in range(10))


def test_what_is_counted_is_about_what_the_store_takes(site: Site) -> None:
    for number in range(200):
        store(site, *(line(random_text(number, n), source=f"s{number % 7}") for n in range(1 + number % 50)))
    names = [keys.LOG_INDEX.at(), *(keys.LOGS.at(0, f"s{n}") for n in range(7))]
    used = sum(int(site.store.redis.memory_usage(name, samples=0)) for name in names)  # type: ignore[arg-type]
    assert 0.6 < logs_service.total_bytes(site) / used < 1.6


def test_lines_older_than_retention_go_and_younger_stay(site: Site) -> None:
    store(site, line("old"), of_job("old"))
    assert logs_service.retain(replace(site, clock=lambda: site.clock() + 6.9 * DAY)) == 0
    assert logs_service.retain(replace(site, clock=lambda: site.clock() + 7.1 * DAY)) == 2
    assert found(site) == []
    assert logs_service.of_job(site, "studio", "a") == ()
    assert logs_service.sources(site) == ()
    assert logs_service.total_bytes(site) == 0
    left = {str(key) for key in site.store.redis.keys("headway:{0}:log*")}  # type: ignore[union-attr]
    kept = {keys.LOG_INDEX.at(), keys.LOG_LABELS.at(), keys.LOG_JOB_BYTES.at()}
    assert {key for key in left if not key.startswith(keys.LOG_FRAME.at())} <= kept


def test_old_lines_go_in_steps_until_none_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_service, "STEP", 20)
    for number in range(70):
        store(site, line(str(number), source=f"s{number % 3}"))
    assert logs_service.retain(replace(site, clock=lambda: site.clock() + 8 * DAY)) == 70
    assert found(site) == []


def test_a_smaller_limit_holds_from_the_next_turn_of_the_duty_on(site: Site) -> None:
    for number in range(60):
        store(site, *(line(random_text(number, n), source=f"s{number % 4}") for n in range(250)))
    assert logs_service.total_bytes(site) > 1_000_000
    logs_service.retain(retaining(site, logs_mb=1))
    assert 500_000 < logs_service.total_bytes(site) <= 1_000_000
    assert len({one.bytes // 50_000 for one in logs_service.sources(site)}) <= 2, "all gave alike"


def test_past_200_sources_the_rest_stands_under_other_and_keeps_its_name(site: Site) -> None:
    store(site, *(line(f"of {n}", source=f"s{n:03}") for n in range(205)))
    names = [one.name for one in logs_service.sources(site)]
    assert len(names) == 201 and "other" in names
    assert found(site, source="other") == [f"of {n}" for n in range(204, 199, -1)]
    assert found(site, source="s203") == ["of 203"]
    assert logs_service.search(site, LogQuery(q="of 203")).lines[0].source == "s203"
    store(site, line("again", source="s000"))
    assert found(site, source="s000") == ["again", "of 0"]


def test_a_jobs_lines_are_there_however_much_else_was_logged(site: Site) -> None:
    small = retaining(site, logs_mb=1)
    store(small, of_job("mine"), of_job("another's", id="b"))
    for number in range(60):
        store(small, *(line(random_text(number, n)) for n in range(250)))
    assert "mine" not in found(site, limit=1000)
    (mine,) = logs_service.of_job(site, "studio", "a")
    assert (mine.message, mine.source, mine.job, mine.agent, mine.job_id) == ("mine", "web", "a", "studio", "a")


def test_a_job_keeps_its_last_500_lines_or_64_kib(site: Site) -> None:
    store(site, *(of_job(str(number)) for number in range(1200)))
    assert [one.message for one in logs_service.of_job(site, "studio", "a")] == [str(n) for n in range(1199, 699, -1)]
    store(site, *(of_job(f"{number}" + "x" * 10_000) for number in range(20)))
    assert [one.message[:2] for one in logs_service.of_job(site, "studio", "a")] == ["19", "18", "17", "16", "15", "14"]
    store(site, of_job("🧀" * 16_000, id="b"), of_job("🧀" * 16_001, id="b"))
    assert len(logs_service.of_job(site, "studio", "b")) == 1, "the last one stays however long it is"


def test_lists_of_jobs_are_bounded_together_and_the_silent_ones_go_first(site: Site) -> None:
    small = retaining(site, logs_mb=1)
    for number in range(40):
        store(small, *(of_job(random_text(number, n) * 10, id=f"j{number}") for n in range(10)))
    kept = [number for number in range(40) if logs_service.of_job(site, "studio", f"j{number}")]
    assert kept == list(range(kept[0], 40)) and 5 < len(kept) < 30
    assert int(site.store.redis.hget(keys.LOG_JOB_BYTES.at(), "")) <= 250_000  # type: ignore[arg-type]


def test_a_job_may_be_named_before_it_exists_but_a_number_has_to_be_one(parted_site: Site) -> None:
    number = jobs_service.create(parted_site, NewJob(agent="studio", id="real")).job.number  # type: ignore[union-attr]
    intake = log_intake.Intake(parted_site)
    intake.add_values([(1, {"message": "by number", "job": number}), (2, {"message": "no such", "job": 999_999}),
                       (3, {"message": "to come", "job": "yet", "agent": "studio"})])  # fmt: skip
    report = intake.store()
    assert (report.accepted, [(one.line, one.detail) for one in report.rejected]) == (
        2, [(2, "job: no job has the number 999999")])  # fmt: skip
    (real,) = logs_service.of_job(parted_site, "studio", "real")
    assert (real.message, real.job, real.job_id) == ("by number", number, "real")
    assert [one.message for one in logs_service.of_job(parted_site, "studio", "yet")] == ["to come"]
    assert [one.job for one in logs_service.search(parted_site, LogQuery()).lines] == ["yet", number]


def noise(site: Site, chunks: int) -> None:
    for number in range(chunks):
        store(site, *(line(random_text(number, n)) for n in range(250)))


def test_of_a_small_store_logs_take_a_part_and_give_way_to_what_else_is_kept(
    own_valkey: Callable[..., Valkey], site: Site
) -> None:
    valkey = own_valkey("--maxmemory", "25mb")
    limit, small = 25 * 1024**2, replace(site, store=Store(valkey.url))
    logs_service.retain(small)
    noise(small, 280)
    assert limit / 6 < logs_service.total_bytes(small) <= limit / PART, "those that append keep to it"
    for number in range(18):
        small.store.redis.set(f"other-{number}", "x" * 1_000_000)
    logs_service.retain(small)
    assert logs_service.total_bytes(small) < limit * 0.1
    assert jobs_service.create(small, NewJob()).job
    small.store.redis.delete(*(f"other-{number}" for number in range(18)))
    logs_service.retain(small)
    noise(small, 100)
    assert logs_service.total_bytes(small) > limit * 0.1, "there is room again"
    small.store.redis.config_set("maxmemory", 0)
    logs_service.retain(small)
    noise(small, 200)
    assert logs_service.total_bytes(small) > limit / PART
    small.store.close()


def test_what_is_counted_for_lists_of_jobs_is_about_what_they_take(
    own_valkey: Callable[..., Valkey], site: Site
) -> None:
    mine = replace(site, store=Store(own_valkey().url))
    store(mine, line("the script is known"))
    before = int(mine.store.redis.info("memory")["used_memory"])  # type: ignore[index]
    for turn in range(8):
        store(mine, *(of_job("a line that says little", id=f"import-{turn}-{number}") for number in range(500)))
    used = int(mine.store.redis.info("memory")["used_memory"]) - before  # type: ignore[index]
    assert 0.6 < logs_service.total_bytes(mine) / used < 1.6
    mine.store.close()


def test_into_a_full_store_nothing_goes_and_old_lines_still_go(site: Site) -> None:
    store(site, line("old"))
    site.store.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            logs_service.append(site, [line("new")] * 1000)
        assert found(site) == ["old"]
        assert logs_service.retain(replace(site, clock=lambda: site.clock() + 8 * DAY)) == 1
    finally:
        site.store.redis.config_set("maxmemory", 0)
    assert found(site) == []
    (duty,) = [duty for duty in app.DUTIES if duty.name == "logs"]
    assert duty.makes_room


def test_a_store_that_is_away_raises(site: Site) -> None:
    away = replace(site, store=Store("unix:///nowhere.sock"))
    with pytest.raises(redis.ConnectionError):
        logs_service.append(away, [line()])
    away.store.close()


def test_a_damaged_chunk_hides_no_other(site: Site) -> None:
    store(site, line("before"))
    raw = site.store.raw
    for fields in ({b"h": b"nonsense"}, {b"x": b"y"}):
        raw.xadd(keys.LOG_INDEX.at(), {b"s": b"web", **fields})  # type: ignore[arg-type]
        raw.xadd(keys.LOGS.at(0, "web"), fields)  # type: ignore[arg-type]
    (good,) = raw.xrange(keys.LOGS.at(0, "web"), count=1)  # type: ignore[misc]
    raw.xadd(keys.LOGS.at(0, "web"), {b"h": good[1][b"h"], b"z": b"no zlib"})
    store(site, line("after"))
    assert found(site) == found(site, source="web") == ["after", "before"]
    assert logs_service.retain(replace(site, clock=lambda: site.clock() + 8 * DAY)) > 0
    assert found(site) == []


def test_a_key_that_somebody_else_wrote_does_not_keep_lines_out(site: Site) -> None:
    site.store.redis.set(keys.LOGS.at(0, "web"), "not a stream")
    store(site, line("one"))
    site.store.raw.xadd(keys.LOGS.at(0, "web"), {b"x": b"y"}, id="9999999999999-0")
    store(site, line("two"), line("elsewhere", source="cron"))
    assert found(site) == ["elsewhere", "two", "one"]
    assert found(site, source="web") == ["two", "one"]
    site.store.redis.set(keys.LOG_JOB.at(0, "studio/a"), "no list")
    store(site, of_job("three"))
    assert len(logs_service.of_job(site, "studio", "a")) == 1
    site.store.redis.set(keys.LOGS.at(0, "web"), "not a stream either")
    assert logs_service.retain(replace(site, clock=lambda: site.clock() + 8 * DAY)) == 1, "the job's list"
    assert [one.name for one in logs_service.sources(site)] == ["cron"], "whose ids are ahead by then"


def test_long_lines_are_cut_into_chunks_of_bounded_size(site: Site) -> None:
    lines: list[NewLine] = [line(f"{n}" + "x" * 15_000) for n in range(100)]
    store(site, *lines)
    assert len(found(site, limit=1000)) == 100
    assert int(site.store.redis.xlen(keys.LOGS.at(0, "web"))) == 6  # type: ignore[arg-type]
