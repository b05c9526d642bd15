"""What each kind of rule reads, from jobs that real workers reported, with one partition and with several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core import keys
from core.config import Config, parse
from core.config.alerts import OnTargetDown
from core.fields import check
from core.site import Site
from services import alert_words, ended_jobs_service, history_service, jobs_service, targets_service, tiles_service
from services.alert_life import Reading
from services.alert_readings import READERS, Sources, read, stalled
from services.alert_watch import Watch
from services.job_changes import JobRef
from services.job_rules import Update
from tests.services.alert_rules import rule
from tests.services.reports import batch, create, tell, told

LONG_AGO = 0.0


def reading(site: Site, when: str, *, ahead_s: float = 0.0, watched_since: float = LONG_AGO, **gaps: Any) -> Reading:
    """What a rule reads some seconds from now."""
    now = site.clock() + ahead_s
    return read(rule(when).when, Sources(site, now, Watch(watched_since, now, **gaps)))


def ended(site: Site, agent: str, completed: int, failed: int) -> None:
    for outcome, many in (("completed", completed), ("failed", failed)):
        for _ in range(many):
            tell(site, create(site, agent=agent), status=outcome)


def test_failed_jobs_count_within_the_span_of_all_and_of_one_agent(parted_site: Site) -> None:
    ended(parted_site, "studio", 3, 2)
    ended(parted_site, "night", 1, 4)
    kind = 'kind = "failed_jobs", within = "5m"'
    assert reading(parted_site, kind) == Reading(6)
    assert reading(parted_site, f'{kind}, agent = "night"') == Reading(4)
    assert reading(parted_site, f'{kind}, agent = "nobody"') == Reading(0)
    assert reading(parted_site, kind, ahead_s=7 * 60) == Reading(0)
    assert reading(parted_site, 'kind = "failed_jobs", within = "3d", agent = "night"', ahead_s=2 * 86_400) == Reading(
        4
    )


def test_the_failure_rate_is_of_the_jobs_that_ended_if_they_are_enough(parted_site: Site) -> None:
    ended(parted_site, "studio", 3, 1)
    kind = 'kind = "failure_rate", above = 5, at_least'
    assert reading(parted_site, f"{kind} = 4") == Reading(25)
    assert reading(parted_site, f'{kind} = 4, agent = "studio"') == Reading(25)
    assert reading(parted_site, f"{kind} = 5") == Reading(None)


def test_the_queue_is_its_depth_and_the_age_of_its_first(parted_site: Site) -> None:
    assert reading(parted_site, 'kind = "queue_age", above = "1m"') == Reading(0)
    first = create(parted_site, agent="studio")
    create(parted_site, agent="night")
    assert reading(parted_site, 'kind = "queue_depth", above = 1') == Reading(2)
    assert reading(parted_site, 'kind = "queue_depth", above = 1, agent = "night"') == Reading(1)
    later = replace(parted_site, clock=lambda: first.created_at.timestamp() + 600)
    assert reading(later, 'kind = "queue_age", above = "1m", agent = "studio"') == Reading(600)
    assert reading(later, 'kind = "queue_age", above = "1m", agent = "nobody"') == Reading(0)


def test_there_is_no_worker_where_jobs_wait_and_none_is_at_work_or_ended(site: Site) -> None:
    kind = 'kind = "no_worker", within = "1ms"'
    assert reading(site, kind) == Reading(0), "nothing waits"
    create(site, agent="studio")
    at_work = create(site, agent="night")
    waits = reading(site, kind).value
    assert waits is not None
    assert waits > 0
    assert reading(site, 'kind = "no_worker", within = "1h"').value < 3600  # type: ignore[operator]
    assert reading(site, kind, watched_since=site.clock() + 60).unknown, "nobody has watched for so long"
    tell(site, at_work, stage="encode", progress=1)
    assert reading(site, kind) == Reading(0), "one is at work"
    assert reading(site, f'{kind}, agent = "studio"').value, "but none of studio's"
    tell(site, at_work, status="completed")
    assert reading(site, kind) == Reading(0), "one just ended"


def test_no_job_was_completed_counts_only_while_somebody_watched(parted_site: Site) -> None:
    kind = 'kind = "no_job", within = "30m"'
    assert reading(parted_site, kind) == Reading(0)
    assert reading(parted_site, kind, watched_since=parted_site.clock() - 60).unknown
    ended(parted_site, "studio", 1, 0)
    ended(parted_site, "night", 0, 1)
    assert reading(parted_site, kind) == Reading(1)
    assert reading(parted_site, f'{kind}, agent = "night"') == Reading(0)
    now = parted_site.clock()
    assert reading(parted_site, kind, ahead_s=3600) == Reading(0)
    assert reading(parted_site, kind, ahead_s=3600, gaps=((now + 60, now + 3000),)) == Reading(1), "away in between"


def test_stalled_are_jobs_at_work_that_told_nothing_for_so_long(parted_site: Site) -> None:
    for agent in ("studio", "studio", "night"):
        tell(parted_site, create(parted_site, agent=agent), stage="encode", progress=10)
    create(parted_site, agent="studio")
    kind = 'kind = "stalled_jobs", after = "10m"'
    assert reading(parted_site, kind) == Reading(0)
    assert reading(parted_site, kind, ahead_s=700) == Reading(3)
    assert reading(parted_site, f'{kind}, agent = "studio"', ahead_s=700) == Reading(2)
    now = parted_site.clock()
    assert reading(parted_site, kind, ahead_s=700, watched_since=now + 500).unknown
    assert reading(parted_site, kind, ahead_s=700, gaps=((now + 100, now + 500),)) == Reading(0)


def test_what_is_noted_of_jobs_at_work_goes_with_their_end_and_mends_itself(site: Site) -> None:
    one, other, lost = (told(site, create(site), stage="encode", progress=1) for _ in range(3))
    heard = keys.HEARD.at()
    assert site.store.redis.zcard(heard) == 3
    tell(site, one, status="failed")
    jobs_service.update(site, JobRef(number=other.number), tell_again())
    assert set(site.store.redis.zrange(heard, 0, -1)) == {str(lost.number)}
    site.store.redis.zrem(keys.STATUS.at(0, "processing"), str(lost.number))
    assert stalled(site, site.clock() + 60, None) == 0
    assert site.store.redis.zcard(heard) == 0


def tell_again() -> Any:
    """An attempt that puts a job back into the queue."""
    return check(Update, {"attempt": 2, "status": "queued"})


def test_a_job_that_goes_on_telling_is_never_silent(site: Site) -> None:
    """It is noted anew only now and then; what is noted may be ten seconds behind, and is taken for no more than it says."""
    job = told(site, create(site), stage="encode", progress=1)
    noted = site.store.redis.zscore(keys.HEARD.at(), str(job.number))
    assert noted is not None
    site.store.redis.zadd(keys.HEARD.at(), {str(job.number): noted - 9_000})
    assert stalled(site, site.clock(), None) == 0


def test_agents_past_the_bound_of_names_are_not_taken_for_idle(site: Site) -> None:
    assert not batch(
        site, *({"id": f"job-{n}", "agent": f"agent-{n}", "status": "completed"} for n in range(420))
    ).rejected
    now = site.clock()
    found = ended_jobs_service.ended(site, now - 300, now, "agent-nobody-knows")
    assert found.completed == 0
    assert found.uncounted >= 20
    assert reading(site, 'kind = "no_job", within = "5m", agent = "agent-nobody-knows"').unknown
    assert ended_jobs_service.ended(site, now - 300, now).completed == 420


def test_a_tile_is_read_by_its_last_good_value(site: Site) -> None:
    source = '{ kind = "sql", query = "select 1", url = "sqlite:///x" }'
    site = replace(site, config=parse(f'[[tiles]]\nid = "users"\nsource = {source}', {}))
    kind = 'kind = "tile", tile = "{}", above = 1'
    assert reading(site, kind.format("nothing")) == Reading(unknown="there is no tile nothing")
    assert reading(site, kind.format("users")) == Reading(unknown="the tile has no value yet")
    tiles_service.note_value(site, "users", 12.5, 0.1)
    assert reading(site, kind.format("users")) == Reading(12.5)
    assert reading(site, 'kind = "tile_unavailable", tile = "users"') == Reading(0)
    tiles_service.note_failure(site, "users", "it hangs", 1.0)
    assert reading(site, kind.format("users")).unknown == "the tile is unavailable: it hangs"
    assert reading(site, 'kind = "tile_unavailable", tile = "users"') == Reading(1)


def test_a_target_is_down_up_or_not_known(site: Site) -> None:
    site = replace(site, config=parse('[[targets]]\nname = "shop"\nurl = "https://shop.example"', {}))
    (target,) = site.config.targets
    down = OnTargetDown("shop")

    def now() -> Reading:
        return read(down, Sources(site, site.clock(), Watch(LONG_AGO, site.clock())))

    assert now().unknown == "the target was not asked yet, or not for long"
    targets_service.note_failure(site, target, "the server is gone", 0.1)
    assert now() == Reading(1)
    targets_service.note_scrape(site, target, None, (), (), 0.1)
    assert now() == Reading(0)
    assert read(OnTargetDown("former"), Sources(site, 0, Watch(0, 0))).unknown == "there is no target former"


def test_the_store_s_latency_is_the_last_sample_s(site: Site) -> None:
    history_service.sample(site)
    (sample,) = history_service.samples(site)
    assert reading(site, 'kind = "store_latency", above = "1ms"') == Reading(sample.latency_ms / 1000)


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
def test_every_kind_says_in_words_when_it_fires_and_what_it_reads(kind: type[Any]) -> None:
    given = {
        "OnTile": 'tile = "users", above = 5, clear = 3', "OnTileUnavailable": 'tile = "users"', "OnFailedJobs": "",
        "OnFailureRate": "above = 5", "OnQueueDepth": 'above = 100, agent = "studio"', "OnQueueAge": 'above = "5m"',
        "OnNoWorker": "", "OnNoJob": 'within = "1d"', "OnStalledJobs": "", "OnTargetDown": 'target = "shop"',
        "OnBrokerUnavailable": 'broker = "rq"', "OnStoreLatency": 'above = "20ms", clear = "10ms"',
    }[kind.__name__]  # fmt: skip
    when = kind.__struct_config__.tag
    text = f'[[targets]]\nname = "shop"\nurl = "https://shop.example"\n[[alerts]]\nid = "a"\nfor = "5m"\nwhen = {{ kind = "{when}", {given} }}'
    config: Config = parse(text.replace(",  }", " }"), {})
    (alert,) = config.alerts
    said = alert_words.explain(alert, config)
    assert said.startswith("Fires when ")
    assert ", for 5 min; over when " in said
    assert said.endswith(" for 1 min.")
    assert "  " not in said
    assert alert_words.title(alert, config)[0].isupper()
    for value in (0.0, 1.0, 142.0):
        assert alert_words.value(alert.when, value, config)


def test_each_explanation_is_read_as_it_stands() -> None:
    def said(when: str, **fields: Any) -> str:
        return alert_words.explain(rule(when, **fields), Config())

    assert said('kind = "queue_depth", above = 100, clear = 50', for_="5m") == (
        "Fires when more than 100 jobs wait, for 5 min; over when it is 50 or less for 1 min."
    )
    assert said('kind = "failed_jobs", within = "1h30m", agent = "studio"', keep="2m") == (
        "Fires when a job of studio failed within 1 h 30 min; over when that has not been so for 2 min."
    )
    assert said('kind = "tile", tile = "queue.mails", below = 3.5') == (
        "Fires when Queue mails is below 3.5; over when that has not been so for 1 min."
    )
    assert said('kind = "store_latency", above = "250ms"').startswith(
        "Fires when a round trip to the store takes longer than 250 ms;"
    )


def test_a_reading_is_a_sentence_with_its_unit() -> None:
    tiles = (("disk", "bytes"), ("share", "percent"), ("lag", "duration"))
    config = parse("".join(f'[[tiles]]\nid = "{id}"\nformat = "{format}"\n' for id, format in tiles), {})

    def said(when: str, figure: float) -> str:
        return alert_words.value(rule(when).when, figure, config)

    studio = 'agent = "studio"'
    assert said(f'kind = "failed_jobs", {studio}', 7) == "7 jobs of studio failed in 5 min"
    assert said(f'kind = "failed_jobs", {studio}', 0) == "No jobs of studio failed in 5 min"
    assert said(f'kind = "queue_depth", above = 5, {studio}', 1) == "1 job of studio waits"
    assert said('kind = "stalled_jobs"', 0) == "No job stands still"
    assert said('kind = "tile", tile = "disk", above = 1', 123_456_789) == "Disk is 123,456,789 B"
    assert said('kind = "tile", tile = "share", above = 1', 91.5) == "Share is 91.5 %"
    assert said('kind = "tile", tile = "lag", above = 1', 3_700) == "Lag is 1 h 1 min"
    assert said('kind = "tile", tile = "lag", above = 1', -90) == "Lag is -1 min 30 s"
    lag = rule('kind = "tile", tile = "lag", above = 90, clear = 30')
    assert alert_words.title(lag, config) == "Lag above 1 min 30 s"
    assert "Lag is above 1 min 30 s; over when it is 30 s or less" in alert_words.explain(lag, config)
