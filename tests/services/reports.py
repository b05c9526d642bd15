"""What tests of jobs share: workers that report to a real store, and what it then tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from core import keys
from core.fields import check
from core.site import Site
from services import job_events, job_rules, jobs_service
from services.job_changes import JobRef
from services.job_events import JobEvent
from services.job_model import Job
from services.jobs_service import BatchReport, Outcome


def create(site: Site, **fields: Any) -> Job:
    job = jobs_service.create(site, check(job_rules.NewJob, fields)).job
    assert isinstance(job, Job)
    return job


def tell(site: Site, job: Job, **fields: Any) -> Outcome:
    return jobs_service.update(site, JobRef(number=job.number), check(job_rules.Update, fields))


def told(site: Site, job: Job, **fields: Any) -> Job:
    after = tell(site, job, **fields).job
    assert isinstance(after, Job)
    return after


def batch(site: Site, *lines: dict[str, Any]) -> BatchReport:
    report = BatchReport()
    jobs_service.batch(site, ((n, json.dumps(line).encode()) for n, line in enumerate(lines, 1)), report)
    return report


def events(site: Site) -> list[JobEvent]:
    return [job_events.decode(fields[b"e"]) for _, fields in site.store.raw.xrange(keys.EVENTS.at())]  # type: ignore[union-attr, index]


def iso(time: datetime) -> str:
    return time.isoformat()


NOW = datetime.now(UTC)
