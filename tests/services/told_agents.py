"""What tests of agents share: what is told of an agent, and the events that come of it."""

from __future__ import annotations

from typing import Any

from core import keys
from core.fields import check
from core.site import Site
from services import agent_events, agent_rules, agents_service, job_events
from services.agent_events import AgentEvent
from services.agent_model import Backfill, Video
from services.agents_service import Told
from services.job_events import JobEvent
from services.job_model import Job
from services.jobs_service import Outcome

AGENT = "Überschnitt 1"


def create(site: Site, agent: str = AGENT, **fields: Any) -> Job:
    new = check(agent_rules.NewAgentJob, fields)
    job = agents_service.create_job(site, agent, new).job
    assert isinstance(job, Job)
    return job


def tell(site: Site, job: Job, **fields: Any) -> Outcome:
    return agents_service.update_job(site, job.agent, job.id, check(agent_rules.AgentUpdate, fields))


def told(site: Site, job: Job, **fields: Any) -> Job:
    after = tell(site, job, **fields).job
    assert isinstance(after, Job)
    return after


def made(site: Site, episode: str, *, agent: str = AGENT, **fields: Any) -> Job:
    """A completed job with its episode."""
    return told(site, create(site, agent), stage="completed", episodeId=episode, **fields)


def discover(site: Site, video: str, agent: str = AGENT, **fields: Any) -> Told[Video]:
    return agents_service.discover(site, agent, check(agent_rules.NewVideo, {"videoId": video, **fields}))


def start(site: Site, agent: str = AGENT, **fields: Any) -> Told[Backfill]:
    new = check(agent_rules.NewBackfill, {"totalVideos": 9, **fields})
    return agents_service.start_backfill(site, agent, new)


def found(site: Site, id: str, agent: str = AGENT, **fields: Any) -> Told[Backfill] | None:
    new = check(agent_rules.BackfillFound, {"totalFound": 5, "totalEnqueued": 3, **fields})
    return agents_service.report_backfill(site, agent, id, new)


def agent_events_of(site: Site) -> list[AgentEvent]:
    partitions = range(site.store.partitions)
    entries = [entry for p in partitions for entry in site.store.raw.xrange(keys.EVENTS.at(p))]  # type: ignore[union-attr]
    return [agent_events.decode(fields[b"a"]) for _, fields in entries if b"a" in fields]  # type: ignore[misc]


def job_events_of(site: Site) -> list[JobEvent]:
    """Those of AGENT's partition."""
    entries: Any = site.store.raw.xrange(keys.EVENTS.at(site.store.partition_of(AGENT)))
    return [job_events.decode(fields[b"e"]) for _, fields in entries if b"e" in fields]


def counts(site: Site) -> tuple[int, int, int, int]:
    """AGENT's videos, episodes, published and unpublished ones."""
    now = agents_service.stats(site, AGENT)
    return now.total_videos, now.total_episodes, now.published_episodes, now.unpublished_episodes
