"""What an alert watches: the kinds of `when` in headway.toml, told apart by `kind`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from core.config.brokers import QueueName
from core.config.values import Id, Seconds

Agent = Annotated[str, Meta(min_length=1, max_length=128, description="an agent's name")]
Count = Annotated[int, Meta(ge=0, le=2**53, description="a whole number, 0 or more")]
Percent = Annotated[float, Meta(ge=0, le=100, description="a percentage from 0 to 100")]


class OnTile(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tile"):
    """A tile's value is above or below a bound. `clear` is the bound that it has to come back to; unset: the same."""

    tile: str
    above: float | None = None
    below: float | None = None
    clear: float | None = None


class OnTileUnavailable(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tile_unavailable"):
    """A tile's source gives no value."""

    tile: str


class OnFailedJobs(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="failed_jobs"):
    """More jobs failed within a span than `above`."""

    above: Count = 0
    within: Seconds = Seconds(300)
    agent: Agent | None = None
    queue: QueueName | None = None


class OnFailureRate(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="failure_rate"):
    """Of the jobs that ended within a span, at least `at_least`, more than `above` percent failed."""

    above: Percent
    clear: Percent | None = None
    within: Seconds = Seconds(900)
    at_least: Annotated[int, Meta(ge=1, description="a whole number, 1 or more")] = 10
    agent: Agent | None = None
    queue: QueueName | None = None


class OnQueueDepth(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="queue_depth"):
    """More than `above` jobs wait."""

    above: Count
    clear: Count | None = None
    agent: Agent | None = None
    queue: QueueName | None = None


class OnQueueAge(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="queue_age"):
    """A job waits for longer than `above`."""

    above: Seconds
    agent: Agent | None = None
    queue: QueueName | None = None


class OnNoWorker(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="no_worker"):
    """Jobs have waited for a span, and nobody takes them: no worker of the broker listens to their queue; where workers are not
    known, no job is at work and none ended meanwhile."""

    within: Seconds = Seconds(60)
    agent: Agent | None = None
    queue: QueueName | None = None


class OnNoJob(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="no_job"):
    """No job was completed within a span, for all of which Headway watched."""

    within: Seconds
    agent: Agent | None = None
    queue: QueueName | None = None


class OnStalledJobs(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="stalled_jobs"):
    """More than `above` jobs at work have told nothing for `after`."""

    above: Count = 0
    after: Seconds = Seconds(600)
    agent: Agent | None = None


class OnTargetDown(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="target_down"):
    """A target's `/metrics` can't be read."""

    target: str


class OnBrokerUnavailable(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="broker_unavailable"):
    """A broker of RQ or Celery can't be read."""

    broker: Id


class OnStoreLatency(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="store_latency"):
    """A round trip to the store takes longer than `above`."""

    above: Seconds
    clear: Seconds | None = None


When = (
    OnTile | OnTileUnavailable | OnFailedJobs | OnFailureRate | OnQueueDepth | OnQueueAge | OnNoWorker | OnNoJob
    | OnStalledJobs | OnTargetDown | OnBrokerUnavailable | OnStoreLatency
)  # fmt: skip


def queues_named(whens: Iterable[When], agent: str) -> tuple[str, ...]:
    """The queues that rules on an agent name, or rules that name no agent."""
    whose = ((getattr(when, "agent", None), getattr(when, "queue", None)) for when in whens)
    return tuple(dict.fromkeys(queue for of, queue in whose if queue is not None and of in (None, agent)))


__all__ = ["Id", "When"]
