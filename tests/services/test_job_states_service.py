"""Jobs as they stand, and where in the event streams they stood so."""

from __future__ import annotations

from core import keys, positions
from core.positions import START
from core.site import Site
from services import job_states_service, jobs_service
from services.job_model import Job
from services.job_rules import NewJob


def test_a_job_stands_at_its_last_event_even_before_the_bus_has_begun(parted_site: Site) -> None:
    made = [jobs_service.create(parted_site, NewJob(agent=agent)).job for agent in ("a", "b", "c")]
    assert parted_site.bus.position is None
    last = [parted_site.store.raw.xrevrange(keys.EVENTS.at(p), count=1) for p in range(parted_site.store.partitions)]
    expected = tuple(positions.id_of(found[0][0]) if found else START for found in last)
    for job in made:
        assert isinstance(job, Job)
        assert job_states_service.one(parted_site, job.number) == (job, expected)
