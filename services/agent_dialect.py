"""Dialect A on the wire: what happens to jobs and agents as the events of Socket.IO that an agent's listeners get."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from core.event_log import Entry
from core.fields import check
from core.sockets.emission import Emission
from core.times import rfc3339
from services import agent_rules, job_json, job_rules
from services.agent_events import AgentEvent
from services.job_events import JobEvent

KINDS = ("e", "a")
"""The kinds of entries that concern an agent."""
OF_AGENTS = {
    "video": "video:discovered",
    "backfill-started": "backfill:started",
    "backfill-completed": "backfill:completed",
}


def emissions(entry: Entry) -> list[Emission]:
    """An entry of one of KINDS as events, in the order in which clients get them. Creating a job is none."""
    event: JobEvent | AgentEvent = entry.value
    if isinstance(event, AgentEvent):
        return [Emission(OF_AGENTS[event.kind], event.data, event.agent)]
    if event.kind != "updated":
        return []
    if event.status == "completed":
        told = {"jobId": event.id, "episodeId": event.episode_id or None, "published": event.published}
        return [_progress(event), Emission("job:completed", told, event.number)]
    if event.status == "failed":
        told = {"jobId": event.id, "error": event.error or event.message or None, "stage": event.failed_stage or None}
        return [_progress(event), Emission("job:failed", told, event.number)]
    return [_progress(event)]


def _progress(event: JobEvent) -> Emission:
    """A change of a job; its end is told in the dialect's own words for it."""
    progress, message = event.progress, event.message or None
    if event.status == "completed":
        progress = 100
    elif event.status == "failed":
        progress, message = 0, event.error or message
    told = {
        "jobId": event.id,
        "videoId": event.video_id or None,
        "stage": agent_rules.shown_stage(event.status, event.stage),
        "progress": int(progress) if progress == int(progress) else progress,
        "message": message,
        "timestamp": rfc3339(event.at_ms / 1000),
    }
    return Emission("job:progress", told, event.number, event.status in job_rules.FINAL)


class _Subscription(Struct):
    agent: job_rules.Agent


def check_agent(said: Any) -> str:
    """`said` where it can be an agent's name. Raises ValueError, which says what it should be."""
    agent = check(_Subscription, {"agent": said}).agent
    job_json.check_text(agent, "agent")
    return agent
