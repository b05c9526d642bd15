"""Agents: their jobs by page, and what they saw and made. Every figure is a kept counter or the size of an index."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from core import keys
from core.site import Site
from services import agent_model, agent_rules, job_counts, jobs_service
from services.agent_model import Backfill, Episode, Video
from services.agent_rules import AgentUpdate, BackfillFound, NewAgentJob, NewBackfill, NewVideo
from services.analytics_service import success_rate
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job, from_record
from services.job_rules import STATUSES, Status
from services.jobs_service import AgentCounts, Outcome

T = TypeVar("T")

MOST_ACTIVE = 500
"""Jobs that wait or work, of an agent: those at work come first, then the newest."""


@dataclass(frozen=True, slots=True)
class AgentStats:
    """`success_rate` is in percent, of the ended jobs that are kept; None where there is none. Videos and episodes count for as
    long as the agent is known, also those whose jobs are retired."""

    total_videos: int
    total_episodes: int
    published_episodes: int
    active_jobs: int
    failed_jobs: int
    success_rate: float | None

    @property
    def unpublished_episodes(self) -> int:
        return self.total_episodes - self.published_episodes


@dataclass(frozen=True, slots=True)
class Listed:
    """Some of an agent's jobs, newest first, and how many there are."""

    jobs: tuple[Job | DamagedJob, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Episodes:
    """Some of an agent's episodes, newest first, and how many are kept."""

    episodes: tuple[Episode, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """What became of something that was told, and how it stands now; None where its record in the store is damaged."""

    kind: Literal["created", "applied", "kept"]
    value: T | None


def agents(site: Site, limit: int = 100) -> tuple[AgentCounts, ...]:
    """The agents that were last seen, latest first. Raises redis.RedisError."""
    return jobs_service.agents(site, limit)


def create_job(site: Site, agent: str, new: NewAgentJob) -> Outcome:
    """Create a job; one whose id exists stays as it is (`kept`). Raises FieldError, redis.RedisError."""
    outcome = jobs_service.apply(site, site.store.partition_of(agent), agent_rules.creation(agent, new))
    # Without a name of its own it is new, also where a repeated call found what the lost one stored.
    own = isinstance(outcome.job, Job) and new.id is None
    return Outcome("created", outcome.job) if own else outcome


def update_job(site: Site, agent: str, ref: str, new: AgentUpdate) -> Outcome:
    """Change the agent's job of this number or id; `missing` where it has none. Raises redis.RedisError."""
    if ref.isdigit():
        found = get_job(site, agent, ref)
        if not isinstance(found, Job):
            return Outcome("damaged" if found else "missing", found)
        ref = found.id
    return jobs_service.apply(site, site.store.partition_of(agent), agent_rules.update(agent, ref, new))


def get_job(site: Site, agent: str, ref: str) -> Job | DamagedJob | None:
    """The agent's job of this number or id, None where it has none. Raises redis.RedisError."""
    if not ref.isdigit():
        return jobs_service.get(site, JobRef(agent=agent, id=ref))
    if not ref.isascii() or len(ref) > 15:  # more digits than any number that was given
        return None
    found = jobs_service.get(site, JobRef(number=int(ref)))
    return None if isinstance(found, Job) and found.agent != agent else found


def jobs(site: Site, agent: str, *, limit: int, skip: int = 0, statuses: Iterable[Status] = STATUSES) -> Listed:
    """The agent's jobs behind the `skip` newest. Costs the same wherever they lie. Raises redis.RedisError."""
    call = {"agent": agent, "statuses": list(statuses), "limit": limit, "skip": skip}
    total, *flat = site.store.scripts.run("page", site.store.partition_of(agent), call)
    numbered = zip(flat[::2], flat[1::2], strict=True)
    return Listed(tuple(from_record(int(number), record) for number, record in numbered), int(total))


def active_jobs(site: Site, agent: str) -> tuple[Job | DamagedJob, ...]:
    """The agent's jobs that wait or work, newest first, at most MOST_ACTIVE. Raises redis.RedisError."""
    working = jobs(site, agent, limit=MOST_ACTIVE, statuses=("processing",)).jobs
    room = MOST_ACTIVE - len(working)
    waiting = jobs(site, agent, limit=room, statuses=("queued",)).jobs if room else ()
    # A job may have moved on between the two.
    both = {job.number: job for job in (*waiting, *working)}
    return tuple(both[number] for number in sorted(both, reverse=True))


def stats(site: Site, agent: str) -> AgentStats:
    """An agent's figures; an agent that nobody knows has zeros. Raises redis.RedisError."""
    partition = site.store.partition_of(agent)
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hmget(keys.MADE.at(partition, agent), ["videos", "episodes", "published"])
        job_counts.ask(pipeline, site.store, agent)
        made, *sizes = pipeline.execute()
    counts = job_counts.told(sizes)
    videos, episodes, published = (int(count or 0) for count in made)
    return AgentStats(
        total_videos=videos,
        total_episodes=episodes,
        published_episodes=published,
        active_jobs=counts["queued"] + counts["processing"],
        failed_jobs=counts["failed"],
        success_rate=success_rate(counts["completed"], counts["failed"]),
    )


def episodes(site: Site, agent: str, published: bool | None = None, limit: int = 20, offset: int = 0) -> Episodes:
    """The agent's episodes behind the `offset` newest, all or by whether they are published. Raises redis.RedisError."""
    which = "all" if published is None else "published" if published else "unpublished"
    partition = site.store.partition_of(agent)
    listed = keys.EPISODES.at(partition, which, agent)
    found = _newest(site, listed, keys.EPISODE.at(partition, agent), limit, offset)
    kept = tuple(one for id, _, record in found if (one := agent_model.episode(id, record)))
    return Episodes(kept, int(site.store.redis.zcard(listed)))


def videos(site: Site, agent: str, limit: int = 20) -> tuple[Video, ...]:
    """The videos that the agent discovered last, newest first. Raises redis.RedisError."""
    partition = site.store.partition_of(agent)
    found = _newest(site, keys.DISCOVERED.at(partition, agent), keys.DISCOVERY.at(partition, agent), limit)
    return tuple(video for _, at, record in found if (video := agent_model.video(record, at)))


def backfills(site: Site, agent: str, limit: int = 20) -> tuple[Backfill, ...]:
    """The backfills that the agent started last, newest first. Raises redis.RedisError."""
    partition = site.store.partition_of(agent)
    found = _newest(site, keys.BACKFILLS.at(partition, agent), keys.BACKFILL.at(partition, agent), limit)
    return tuple(backfill for _, _, record in found if (backfill := agent_model.backfill(record)))


def discover(site: Site, agent: str, new: NewVideo) -> Told[Video]:
    """Note a video; one that was discovered before stays as it is (`kept`). Raises FieldError, redis.RedisError."""
    published_at = agent_rules.moment(new.published_at, "publishedAt")
    data = {"videoId": new.video_id, "title": new.title, "publishedAt": published_at}
    kind, record, since = _tell(site, agent, o="video", i=new.video_id, d=_json(data))
    return Told(kind, agent_model.video(record, since))


def start_backfill(site: Site, agent: str, new: NewBackfill) -> Told[Backfill]:
    """Note that a backfill began; one whose id exists stays as it is (`kept`). Raises FieldError, redis.RedisError."""
    since = agent_rules.moment(new.since, "since")
    data = {"totalVideos": new.total_videos, "since": since}
    said = {"total": new.total_videos} | ({"since": since} if since else {})
    id = new.id or str(uuid.uuid4())
    kind, record, _ = _tell(site, agent, o="backfill", i=id, d=_json(data), **said)
    return Told(kind if new.id else "created", agent_model.backfill(record))


def report_backfill(site: Site, agent: str, id: str, new: BackfillFound) -> Told[Backfill] | None:
    """Note what a backfill found, so far or in all; once it is over nothing changes (`kept`). None where there is no such
    backfill. Raises redis.RedisError."""
    data = {"totalFound": new.total_found, "totalEnqueued": new.total_enqueued}
    said = {"found": new.total_found, "enqueued": new.total_enqueued, "ends": new.completed}
    kind, record, _ = _tell(site, agent, o="backfill-found", i=id, d=_json(data), **said)
    return None if kind == "missing" else Told(kind, agent_model.backfill(record))


def _tell(site: Site, agent: str, **call: Any) -> tuple[Any, Any, int]:
    kind, record, since = site.store.scripts.run("agent", site.store.partition_of(agent), {"a": agent, **call})
    return kind.decode(), record, int(since)


def _json(data: dict[str, Any]) -> str:
    return msgspec.json.encode(data).decode()


def _newest(site: Site, index: str, records: str, limit: int, offset: int = 0) -> list[tuple[str, int, Any]]:
    """Names in an index behind the `offset` newest, each with its time in ms and its record."""
    found: Any = site.store.raw.zrange(index, offset, offset + limit - 1, desc=True, withscores=True)
    if not found:
        return []
    held: Any = site.store.raw.hmget(records, [name for name, _ in found])
    return [(name.decode(), int(at), record) for (name, at), record in zip(found, held, strict=True)]
