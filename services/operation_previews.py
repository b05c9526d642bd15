"""What one action on many jobs would do, told before it is begun: to how many, to which first, and why not to the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core.config.brokers import Broker
from core.site import Site
from services import jobs_service, live_search
from services.brokers import actions, possible
from services.brokers.action_model import ActionRefused, JobAction
from services.brokers.deadline import in_time
from services.brokers.model import STATES, BrokerError
from services.job_changes import JobRef
from services.job_model import Job
from services.job_rules import State
from services.live_search import Conditions
from services.operation_records import Chosen

MOST_COUNTED = 50_000
MOST_SHOWN = 10
"""Jobs that are named of those that it would be done to, and of those that it can't be."""
MOST_PAGES = 5
"""So many pages of all that match are looked through for jobs that no engine has."""
CHANGED = "It has changed meanwhile."
THERE_ALREADY = "It is in that queue already."


@dataclass(frozen=True)
class Preview:
    """What an action would do: of `total` jobs it can be done to `can`; `others` says why not, each reason with how many. `first` are
    the first it would be done to, `left` the first that it can't be, by reason; MOST_SHOWN of each. `is_exact` is false where there are
    more than were counted."""

    total: int
    can: int
    others: tuple[tuple[str, int], ...]
    first: tuple[Job, ...]
    left: Mapping[str, tuple[Job, ...]]
    is_exact: bool = True


def of_chosen(site: Site, action: JobAction, chosen: Sequence[Chosen], to: str | None = None) -> Preview:
    """`to` is the queue to be moved to. Raises StoreError."""
    why, jobs = Counter[str | None](), list[tuple[str | None, Job]]()
    with actions.Engines(site) as engines:
        targets = Targets(engines, to)
        for one in chosen:
            job = jobs_service.get(site, JobRef(number=one.number))
            if not isinstance(job, Job):
                why[actions.NO_SUCH_JOB] += 1
                continue
            reason = CHANGED if (job.state, job.attempt) != (one.state, one.attempt) else targets.why_not(action, job)
            why[reason] += 1
            jobs.append((reason, job))
    return _preview(why, jobs, True)


def of_matching(site: Site, action: JobAction, conditions: Conditions, to: str | None = None) -> Preview:
    """As `of_chosen`."""
    total, is_exact = live_search.count(site, conditions, MOST_COUNTED)
    why, jobs = Counter[str | None](), list[tuple[str | None, Job]]()
    with actions.Engines(site) as engines:
        targets = Targets(engines, to)
        for broker, state, here in _parts(site, conditions):
            counted, all_counted = live_search.count(site, here, MOST_COUNTED)
            is_exact = is_exact and all_counted
            if not counted:
                continue
            away = engines.away(broker.agent)
            reason = possible.of_job(broker.kind, state, broker, away)[action] or targets.unknown(broker.agent)
            why[reason] += counted
            if reason is None and to is not None and (not here.queue or to in here.queue):
                there, _ = live_search.count(site, replace(here, queue=(to,)), MOST_COUNTED)
                why[None] -= there
                why[THERE_ALREADY] += there
            found = live_search.find(site, here, limit=MOST_SHOWN).items
            jobs += [(targets.why_not(action, job), job) for job in found if isinstance(job, Job)]
        reported = max(0, total - why.total())
        if reported:
            why[possible.REPORTED] += reported
            jobs += [(possible.REPORTED, job) for job in _reported(site, engines, conditions)]
    jobs.sort(key=lambda one: one[1].number, reverse=True)
    return _preview(why, jobs, is_exact)


def states_of(conditions: Conditions) -> list[State]:
    """The states of engines that are meant."""
    return [state for state in STATES if not conditions.states or state in conditions.states]


class Targets:
    """Whether each broker has the queue that jobs are to be moved to, asked once."""

    def __init__(self, engines: actions.Engines, to: str | None) -> None:
        self._engines, self._to = engines, to
        self._unknown: dict[str, str | None] = {}

    def why_not(self, action: JobAction, job: Job) -> str | None:
        """Raises StoreError."""
        if why := self._engines.possible_of_job(job)[action]:
            return why
        return self.unknown(job.agent) or (THERE_ALREADY if self._to and job.queue == self._to else None)

    def unknown(self, agent: str) -> str | None:
        """Why nothing of a broker can be moved there. Raises StoreError."""
        if (to := self._to) is None:
            return None
        if agent not in self._unknown:
            try:
                in_time(lambda: self._engines.of(agent).expect_queue(to))
                self._unknown[agent] = None
            except ActionRefused as fault:
                self._unknown[agent] = str(fault)
            except BrokerError as fault:
                self._unknown[agent] = f"Nobody knows whether there is such a queue, because {fault}."
        return self._unknown[agent]


def _parts(site: Site, conditions: Conditions) -> Iterator[tuple[Broker, State, Conditions]]:
    for broker in actions.brokers(site):
        if not conditions.agents or broker.agent in conditions.agents:
            for state in states_of(conditions):
                yield broker, state, replace(conditions, agents=(broker.agent,), states=(state,))


def _reported(site: Site, engines: actions.Engines, conditions: Conditions) -> list[Job]:
    """The first that Headway can't act on, whoever told of them, as far as a few pages have them."""
    found, before = list[Job](), None
    for _ in range(MOST_PAGES):
        page = live_search.find(site, conditions, before=before, limit=100)
        jobs = [job for job in page.items if isinstance(job, Job)]
        found += [job for job in jobs if not job.engine or engines.broker(job.agent) is None]
        before = page.next_cursor
        if before is None or len(found) >= MOST_SHOWN:
            break
    return found[:MOST_SHOWN]


def _preview(why: Counter[str | None], jobs: Sequence[tuple[str | None, Job]], is_exact: bool) -> Preview:
    can = why.pop(None, 0)
    others = tuple((str(reason), count) for reason, count in why.most_common() if count)
    first = tuple(job for reason, job in jobs if reason is None)[:MOST_SHOWN]
    left = [(reason, job) for reason, job in jobs if reason is not None][:MOST_SHOWN]
    return Preview(
        can + sum(count for _, count in others),
        can,
        others,
        first,
        {reason: tuple(job for why_not, job in left if why_not == reason) for reason, _ in others},
        is_exact,
    )
