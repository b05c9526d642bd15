"""What agents saw and made, in a real store: facts told after the end, episodes, videos, backfills."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import keys
from core.fields import FieldError
from core.site import Site
from services import agents_service, jobs_service
from services.agent_model import Backfill, Video
from tests.services.reports import iso
from tests.services.told_agents import (
    AGENT,
    agent_events_of,
    counts,
    create,
    discover,
    found,
    job_events_of,
    made,
    start,
    tell,
    told,
)


@pytest.fixture
def site(parted_site: Site) -> Site:
    return parted_site


class TestFacts:
    def test_what_a_job_made_may_be_told_after_its_end(self, site: Site) -> None:
        job = told(site, create(site, videoId="v"), stage="completed")
        after = told(site, job, episodeId="e1", published=True)
        assert (after.episode_id, after.published, after.finished_at) == ("e1", True, job.finished_at)
        event = job_events_of(site)[-1]
        assert (event.kind, event.status, event.was, event.video_id, event.episode_id, event.published) == (
            "facts", "completed", "completed", "v", "e1", True)  # fmt: skip

    def test_facts_that_are_known_already_change_nothing(self, site: Site) -> None:
        job = made(site, "e1", published=True)
        before = len(job_events_of(site))
        for said in ({"episodeId": "e1"}, {"published": True}, {"episodeId": "e1", "published": True}):
            assert tell(site, job, **said).kind == "kept"
        assert len(job_events_of(site)) == before

    @pytest.mark.parametrize("more", [{"stage": "completed"}, {"status": "completed"}, {"progress": 100}])
    def test_facts_beside_what_is_so_already_are_taken(self, site: Site, more: dict[str, Any]) -> None:
        job = told(site, create(site), status="completed")
        assert told(site, job, episodeId="e1", **more).episode_id == "e1"

    @pytest.mark.parametrize("more", [{"progress": 50}, {"stage": "mix"}, {"status": "failed"}, {"message": "so late"}])
    def test_anything_else_after_the_end_changes_nothing(self, site: Site, more: dict[str, Any]) -> None:
        job = told(site, create(site), status="completed")
        outcome = tell(site, job, episodeId="e1", **more)
        assert (outcome.kind, outcome.job) == ("kept", job)

    def test_late_facts_give_way_to_later_ones(self, site: Site) -> None:
        job = told(site, create(site), status="completed", seq=5)
        assert told(site, job, published=True, seq=7).published
        assert tell(site, job, published=False, seq=6).kind == "kept"
        assert not told(site, job, published=False, seq=8).published

    def test_facts_move_no_counter_of_ended_jobs(self, site: Site) -> None:
        job = told(site, create(site), status="completed")
        partition = site.store.partition_of(AGENT)
        before = site.store.redis.hgetall(keys.TOTALS.at(partition)), jobs_service.counts(site)
        tell(site, job, episodeId="e1", published=True)
        assert (site.store.redis.hgetall(keys.TOTALS.at(partition)), jobs_service.counts(site)) == before

    def test_a_new_attempt_forgets_what_the_one_before_made(self, site: Site) -> None:
        job = made(site, "e1", published=True)
        again = told(site, job, attempt=2, stage="downloading")
        assert (again.episode_id, again.published, counts(site)[1:]) == (None, False, (0, 0, 0))
        assert tell(site, job, attempt=1, published=True).kind == "kept"


class TestEpisodes:
    def test_distinct_episodes_of_completed_jobs_count(self, site: Site) -> None:
        made(site, "e1")
        made(site, "e1")
        made(site, "e2", published=True)
        tell(site, create(site), stage="uploading", episodeId="e3")
        tell(site, create(site), stage="failed", episodeId="e4")
        assert counts(site)[1:] == (2, 1, 1)

    def test_an_episode_told_before_the_end_counts_from_then_on(self, site: Site) -> None:
        job = told(site, create(site), episodeId="e1", published=True)
        assert counts(site)[1:] == (0, 0, 0)
        tell(site, job, stage="completed")
        assert counts(site)[1:] == (1, 1, 0)

    def test_an_episode_is_published_and_withdrawn(self, site: Site) -> None:
        job = made(site, "e1")
        for published, made_so_far in ((True, (1, 1, 0)), (False, (1, 0, 1)), (True, (1, 1, 0))):
            tell(site, job, published=published)
            assert counts(site)[1:] == made_so_far
            assert len(agents_service.episodes(site, AGENT, published).episodes) == 1
            assert agents_service.episodes(site, AGENT, not published) == agents_service.Episodes((), 0)

    def test_a_corrected_episode_takes_the_place_of_the_other(self, site: Site) -> None:
        job = made(site, "e1", published=True)
        tell(site, job, episodeId="e2")
        assert counts(site)[1:] == (1, 1, 0)
        assert [one.id for one in agents_service.episodes(site, AGENT).episodes] == ["e2"]

    def test_an_episode_that_a_later_job_made_too_stays_with_that(self, site: Site) -> None:
        first, second = made(site, "e1"), made(site, "e1")
        tell(site, first, attempt=2, stage="downloading")
        (episode,) = agents_service.episodes(site, AGENT).episodes
        assert (episode.job_number, episode.job_id) == (second.number, second.id)
        assert counts(site)[1:] == (1, 0, 1)

    def test_episodes_are_listed_newest_first_with_what_is_known_of_them(self, site: Site) -> None:
        for number in range(7):
            job = told(site, create(site, videoId=f"v{number}", videoTitle="T"), progress=1)
            tell(site, job, stage="completed", episodeId=f"e{number}", published=number % 2 == 0,
                 timestamp=iso(datetime.now(UTC) - timedelta(seconds=60 - number)))  # fmt: skip
        listed = [one.id for one in agents_service.episodes(site, AGENT).episodes]
        assert listed == [f"e{number}" for number in range(6, -1, -1)]
        page = agents_service.episodes(site, AGENT, True, limit=2, offset=1)
        assert ([one.id for one in page.episodes], page.total) == (["e4", "e2"], 4)
        assert (page.episodes[0].video_id, page.episodes[0].title, page.episodes[0].published) == ("v4", "T", True)

    def test_beyond_a_hundred_thousand_the_oldest_goes_and_the_count_stays(self, site: Site) -> None:
        partition = site.store.partition_of(AGENT)
        made(site, "old")
        listed = keys.EPISODES.at(partition, "all", AGENT)
        for first in range(0, 100_000, 10_000):
            site.store.redis.zadd(listed, {f"f{n}": 2**42 + n for n in range(first, min(first + 10_000, 99_999))})
        made(site, "new")
        assert site.store.redis.zcard(listed) == 100_000
        assert [one.id for one in agents_service.episodes(site, AGENT, False).episodes] == ["new"]
        assert not site.store.redis.hexists(keys.EPISODE.at(partition, AGENT), "old")
        assert counts(site)[1] == 2


class TestVideos:
    def test_distinct_videos_count_whether_discovered_or_worked_on(self, site: Site) -> None:
        for video in ("v1", "v1", "v2"):
            create(site, videoId=video)
        discover(site, "v2")
        discover(site, "v3")
        assert counts(site)[0] == 3

    def test_a_video_is_announced_the_first_time_only(self, site: Site) -> None:
        create(site, videoId="v1")
        first = discover(site, "v1", title="Tïtle 🎬", publishedAt="2026-11-20T10:00:00Z")
        again = discover(site, "v1", title="Other")
        assert (first.kind, again.kind) == ("created", "kept")
        assert first.value == again.value
        (event,) = agent_events_of(site)
        assert (event.kind, event.agent) == ("video", AGENT)
        assert event.data == {"videoId": "v1", "title": "Tïtle 🎬", "publishedAt": "2026-11-20T10:00:00Z"}
        assert abs(event.at_ms / 1000 - datetime.now(UTC).timestamp()) < 60

    def test_what_is_not_told_of_a_video_is_null(self, site: Site) -> None:
        discover(site, "v1")
        assert agent_events_of(site)[0].data == {"videoId": "v1", "title": None, "publishedAt": None}

    @pytest.mark.parametrize(
        "said,kept",
        [
            ("2026-11-20T10:00:00.000Z", "2026-11-20T10:00:00.000Z"),
            ("2026-11-20", "2026-11-20"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00.000Z"),
        ],
    )
    def test_a_time_is_kept_as_it_was_told_and_in_utc(self, site: Site, said: str, kept: str) -> None:
        video = discover(site, "v1", publishedAt=said).value
        assert isinstance(video, Video)
        assert video.published_at == kept

    @pytest.mark.parametrize(
        "said", ["yesterday", "", "2026-11-20T10:00:00", "2026-13-20", "20261120", "٢٠٢٦-11-20", "0001-01-01T00:00:00+14:00",
                 "2026-11-20T10:00:00Z\n"]
    )  # fmt: skip
    def test_a_time_that_is_none_is_refused_and_nothing_stored(self, site: Site, said: str) -> None:
        with pytest.raises(FieldError, match="publishedAt"):
            discover(site, "v1", publishedAt=said)
        assert counts(site)[0] == 0

    def test_videos_are_listed_newest_first(self, site: Site) -> None:
        for number in range(3):
            discover(site, f"v{number}")
        # All three may have come in one millisecond.
        times = {f"v{number}": 1_700_000_000_000 + number for number in range(3)}
        site.store.redis.zadd(keys.DISCOVERED.at(site.store.partition_of(AGENT), AGENT), times)
        assert [video.id for video in agents_service.videos(site, AGENT, limit=2)] == ["v2", "v1"]
        assert agents_service.videos(site, "nobody") == ()

    def test_a_video_whose_record_was_lost_or_spoiled_harms_no_other(self, site: Site) -> None:
        records = keys.DISCOVERY.at(site.store.partition_of(AGENT), AGENT)
        for video in ("v1", "v2", "v3"):
            discover(site, video)
        site.store.redis.hdel(records, "v1")
        site.store.redis.hset(records, "v2", "spoiled")
        assert [video.id for video in agents_service.videos(site, AGENT)] == ["v3"]
        assert discover(site, "v2").value is None
        assert discover(site, "v1").kind == "created"

    def test_beyond_a_hundred_thousand_the_oldest_goes_and_the_count_stays(self, site: Site) -> None:
        partition = site.store.partition_of(AGENT)
        discover(site, "old")
        for key in (keys.VIDEOS, keys.DISCOVERED):
            for first in range(0, 100_000, 10_000):
                later = {f"f{n}": 2**42 + n for n in range(first, min(first + 10_000, 99_999))}
                site.store.redis.zadd(key.at(partition, AGENT), later)
        discover(site, "new")
        for key in (keys.VIDEOS, keys.DISCOVERED):
            assert site.store.redis.zcard(key.at(partition, AGENT)) == 100_000
            assert site.store.redis.zscore(key.at(partition, AGENT), "old") is None
        assert site.store.redis.hkeys(keys.DISCOVERY.at(partition, AGENT)) == ["new"]
        assert counts(site)[0] == 2


class TestBackfills:
    def test_a_backfill_starts_and_ends_once(self, site: Site) -> None:
        begun = start(site, since="2026-01-01T00:00:00Z").value
        assert isinstance(begun, Backfill)
        assert (begun.total_videos, begun.since, begun.completed_at) == (9, "2026-01-01T00:00:00Z", None)
        done = found(site, begun.id)
        assert done is not None and done.value is not None and done.kind == "applied"
        assert (done.value.total_found, done.value.total_enqueued) == (5, 3)
        again = found(site, begun.id, totalFound=6)
        assert again is not None and (again.kind, again.value) == ("kept", done.value)
        assert [(event.kind, event.data) for event in agent_events_of(site)] == [
            ("backfill-started", {"totalVideos": 9, "since": "2026-01-01T00:00:00Z"}),
            ("backfill-completed", {"totalFound": 5, "totalEnqueued": 3}),
        ]

    def test_what_was_found_so_far_is_kept_and_not_announced(self, site: Site) -> None:
        id = "b1"
        start(site, id=id)
        so_far = found(site, id, totalFound=2, completed=False)
        assert so_far is not None and so_far.value is not None
        assert (so_far.value.total_found, so_far.value.completed_at) == (2, None)
        assert agents_service.backfills(site, AGENT) == (so_far.value,)
        assert len(agent_events_of(site)) == 1

    def test_a_backfill_whose_id_exists_stays_as_it_is(self, site: Site) -> None:
        assert start(site, id="b1").kind == "created"
        again = start(site, id="b1", totalVideos=1)
        assert again.value is not None and (again.kind, again.value.total_videos) == ("kept", 9)
        assert len(agent_events_of(site)) == 1

    def test_one_of_another_agent_is_not_found(self, site: Site) -> None:
        start(site, id="b1")
        assert found(site, "b1", "another") is None
        assert found(site, "nobody") is None
        assert "another" not in {one.agent for one in agents_service.agents(site)}

    def test_the_newest_thousand_stay(self, site: Site) -> None:
        partition = site.store.partition_of(AGENT)
        start(site, id="old")
        site.store.redis.zadd(keys.BACKFILLS.at(partition, AGENT), {f"f{n}": 2**42 + n for n in range(999)})
        start(site, id="new")
        assert site.store.redis.hkeys(keys.BACKFILL.at(partition, AGENT)) == ["new"]

    def test_a_spoiled_record_harms_no_other(self, site: Site) -> None:
        start(site, id="b1")
        start(site, id="b2")
        site.store.redis.hset(keys.BACKFILL.at(site.store.partition_of(AGENT), AGENT), "b1", "spoiled")
        assert [one.id for one in agents_service.backfills(site, AGENT)] == ["b2"]
        spoiled = found(site, "b1")
        assert spoiled is not None and spoiled.value is None
