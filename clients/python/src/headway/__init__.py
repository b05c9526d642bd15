"""Reports what background work does to a Headway site.

    import headway

    with headway.job("encode", agent="studio", title="a.mp4") as job:
        job.progress(30, stage="upload")

Nothing here raises into the work that it reports, nor makes it wait: a thread sends, and keeps what it can't send yet.
"""

from __future__ import annotations

from headway.calls import tracked
from headway.job import Job, current_job
from headway.logs import LoggingHandler, LogHandler
from headway.loops import Track, track
from headway.reporting import configure, deployed, flush, increment, job, notify, tile

__version__ = "0.1.0"
__all__ = [
    "Job", "LogHandler", "LoggingHandler", "Track", "configure", "current_job", "deployed", "flush", "increment", "job",
    "notify", "tile", "track", "tracked",
]  # fmt: skip
