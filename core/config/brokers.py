"""`[[queues]]` in headway.toml: where RQ or Celery keep their jobs, and what of these may not be stored."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.config.redaction import Redaction
from core.config.sentinels import Address, is_of_sentinels, sentinels
from core.config.values import Id, Url
from core.settings import REDIS

Engine = Literal["rq", "celery"]
Word = Annotated[str, Meta(min_length=1, max_length=200, description="1 to 200 characters")]
REDIS_SCHEMES = (*REDIS, "redis+socket")
"""How the address of a Redis begins; the last one is Celery's own."""
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
    master: Word | None = None
    """What sentinels call the Redis, where `url` or `results` names them."""
    sentinel_username: Word | None = None
    sentinel_password: Word | None = None
    """Of the sentinels, where they ask for any; those of the Redis stand in the address."""
    prefix: Word | None = None
    """What the keys of a Celery's Redis servers begin with: its `global_keyprefix`."""
    results: Url | None = None
    """Celery's result backend, a Redis; unset: the broker, where that is a Redis."""
    results_prefix: Annotated[str, Meta(max_length=200)] | None = None
    """The same of its result backend, where that is another, or none; unset: `prefix`."""
    redbeat_key_prefix: Word | None = None
    """What the keys of a RedBeat in a Celery's broker begin with, as its setting of that name says; unset: `redbeat:`."""
    queues: tuple[QueueName, ...] = ()
    """Queues to watch besides those that are found."""
    masking: Masking = Masking()

    @property
    def agent(self) -> str:
        """The agent that its jobs belong to."""
        return self.name or self.kind

    @property
    def address(self) -> Address:
        """Where it is. Raises ValueError for an address of sentinels that none can be."""
        return self._address(self.url)

    @property
    def results_address(self) -> Address | None:
        """Where its results are declared to be. Raises ValueError in the same way."""
        return self._address(self.results) if self.results else None

    def _address(self, url: str) -> Address:
        if not is_of_sentinels(url):
            return url
        return sentinels(url, self.master or "", self.sentinel_username, self.sentinel_password)
