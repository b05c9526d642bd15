"""Numbers of jobs: each means one job for ever, also where the store, which counts them, is emptied.

Partitions share one count, of which number = count × partitions + partition. A process remembers the highest that it saw given and
the archive's highest (`Store.given`), and every call of the script `apply` goes on above it.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy

from core import keys
from core.database import READ_S, DatabaseError
from core.event_log import Entry
from core.site import Site
from core.store import Store
from services.archive_schema import JOBS
from services.job_events import JobEvent

LEARN_S = 2.0


class Heard:
    """Hears from the bus which numbers other processes gave."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def entries(self, entries: Sequence[Entry]) -> None:
        highest = max((entry.value.number for entry in entries if isinstance(entry.value, JobEvent)), default=0)
        self._store.saw(highest // self._store.partitions)

    def gap(self, since: str, until: str) -> None: ...

    def degraded(self, reason: str, since: float) -> None: ...

    def recovered(self, reason: str, since: float) -> None: ...


def archived(site: Site, timeout_s: float = READ_S) -> int:
    """The highest number in the archive, 0 where it holds none. This process gives none up to it. Raises DatabaseError."""
    with site.database.read(timeout_s, archiving=True) as connection:
        highest = connection.execute(sqlalchemy.select(sqlalchemy.func.max(JOBS.c.number))).scalar() or 0
    site.store.saw(highest // site.store.partitions)
    return int(highest)


def learn(site: Site) -> bool:
    """Before jobs are taken: whether this process knows now which numbers the archive has; False while that can't be asked."""
    if not site.database.is_begun:
        return True
    try:
        archived(site, LEARN_S)
    except DatabaseError as error:
        return error.bare
    return True


def may_be_given(site: Site, number: int) -> bool:
    """Whether a job may ever have had this number: where nobody knows, it may. Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.get(keys.NUMBER.at())
        pipeline.hexists(keys.ARCHIVE.at(), "of")  # then the store counts on above that archive's numbers
        count, is_known = pipeline.execute()
    return not is_known or number // site.store.partitions <= max(int(count or 0), site.store.given)
