"""Dialect A: jobs, agents and what belongs to them, as its clients read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.times import rfc3339
from services.agent_model import Backfill, Episode, Video
from services.agent_rules import WORDS, shown_stage
from services.agents_service import AgentStats
from services.job_model import DamagedJob, Job
from services.jobs_service import AgentCounts
from services.progress_dialect import number


def job(job: Job | DamagedJob) -> dict[str, Any]:
    """A job. What is not known of it is left out, but for the fields that every job has."""
    if isinstance(job, DamagedJob):
        return _damaged(job)
    known = {
        "message": job.message,
        "error": job.error,
        "failedStage": job.failed_stage,
        "startedAt": _time(job.started_at),
        "finishedAt": _time(job.finished_at),
        "stages": [
            {"name": span.name, "startedAt": _time(span.started_at), "finishedAt": _time(span.finished_at)}
            for span in job.stages
        ]
        or None,
        "queue": job.queue,
        "function": job.function,
        "worker": job.worker,
        "tags": list(job.tags) or None,
        "errorType": job.error_type,
        "engine": job.engine,
        "state": job.state,
        "dueAt": _time(job.due_at),
        "enqueuedAt": _time(job.enqueued_at),
    }
    return {
        "id": job.id,
        "videoId": job.video_id,
        "videoTitle": job.title,
        "status": WORDS[job.status],
        "stage": shown_stage(job.status, job.stage),
        "progress": number(job.progress),
        "createdAt": _time(job.created_at),
        "updatedAt": _time(job.updated_at),
        "episodeId": job.episode_id,
        "published": job.published,
        **{name: value for name, value in known.items() if value is not None},
    }


def _damaged(job: DamagedJob) -> dict[str, Any]:
    """All the fields that clients count on, since a list may hold one such job among good ones."""
    return {
        "id": str(job.number),
        "videoId": None,
        "videoTitle": None,
        "status": "failed",
        "stage": "failed",
        "progress": 0,
        "createdAt": None,
        "updatedAt": None,
        "episodeId": None,
        "published": False,
        "error": "The job's record in the store can't be read.",
        "damaged": True,
    }


def agent(counts: AgentCounts) -> dict[str, Any]:
    return {
        "id": counts.agent,
        "activeJobs": counts.queued + counts.processing,
        "failedJobs": counts.failed,
        "lastSeen": rfc3339(counts.last_seen_ms / 1000),
    }


def stats(stats: AgentStats) -> dict[str, Any]:
    return {
        "totalVideos": stats.total_videos,
        "totalEpisodes": stats.total_episodes,
        "publishedEpisodes": stats.published_episodes,
        "unpublishedEpisodes": stats.unpublished_episodes,
        "activeJobs": stats.active_jobs,
        "failedJobs": stats.failed_jobs,
        "successRate": stats.success_rate,
    }


def episode(episode: Episode) -> dict[str, Any]:
    return {
        "episodeId": episode.id,
        "published": episode.published,
        "jobId": episode.job_id,
        "videoId": episode.video_id,
        "videoTitle": episode.title,
        "createdAt": _time(episode.created_at),
    }


def video(video: Video) -> dict[str, Any]:
    return {"videoId": video.id, "title": video.title, "publishedAt": video.published_at}


def backfill(backfill: Backfill) -> dict[str, Any]:
    return {
        "id": backfill.id,
        "totalVideos": backfill.total_videos,
        "since": backfill.since,
        "totalFound": backfill.total_found,
        "totalEnqueued": backfill.total_enqueued,
        "startedAt": _time(backfill.started_at),
        "completedAt": _time(backfill.completed_at),
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time.timestamp())
