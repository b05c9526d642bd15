"""`[[queues]]` in headway.toml: where RQ or Celery keep their jobs, and what of these may not be stored."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.config.redaction import Redaction
from core.config.values import Id, Url

Engine = Literal["rq", "celery"]
DISCOVERED = ("rq", "rq-store")
"""What an RQ in Headway's own Redis is called that nobody declared; the second where a declared one has the first."""
QueueName = Annotated[str, Meta(min_length=1, max_length=200, description="a queue's name of 1 to 200 characters")]


class Masking(Struct, frozen=True, forbid_unknown_fields=True):
    """What is hidden of arguments, results, errors and descriptions before anything of them is stored."""

    fields: tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...] = ()
    """Names of arguments and keys whose values are hidden, as shell patterns without regard to case: `card_*`."""
    patterns: tuple[Redaction, ...] = ()
    """What is taken out of any text."""
    secrets: bool = True
    """Whether what looks like a password, a token or a key is hidden too."""
    arguments: bool = True
    """Whether arguments and results are stored at all."""


class Broker(Struct, frozen=True, forbid_unknown_fields=True):
    """A Redis that RQ uses, or the broker of a Celery app. Its jobs are those of an agent of this `name`. The addresses are secrets."""

    kind: Engine
    url: Url
    name: Id | None = None
    """Unset: the kind's own word."""
    results: Url | None = None
    """Celery's result backend, a Redis; unset: the broker, where that is a Redis."""
    queues: tuple[QueueName, ...] = ()
    """Queues to watch besides those that are found."""
    masking: Masking = Masking()

    @property
    def agent(self) -> str:
        """The agent that its jobs belong to."""
        return self.name or self.kind
