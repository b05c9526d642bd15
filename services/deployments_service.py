"""Deployments: which version of what the site watches went out when. They are marks on the charts.

Every write is the script `deployment`. What the store raises passes through.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from core import keys
from core.fields import FieldError
from core.site import Site
from services.job_rules import Time
from services.windows import DAY_S, KEPT_S

KEPT = 1_000
"""Deployments that are kept, none for longer than charts reach back."""
SAME_S = 60
"""The same version again within so long is the same deployment."""
SKEW_S = 1.0
"""A sender's clock that is further ahead is told of it."""
_NAMES = uuid.UUID("5a3c6f6e-6b0d-4d3e-9f2c-6f1d0b7d6c11")


class NewDeployment(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said of a deployment, for `core.fields.check`. Without a `timestamp` it is now."""

    version: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            pattern=r"\A(?! )[^\x00-\x1f\x7f]*(?<! )\Z",
            description="1 to 200 characters on one line, no space at an end",
        ),
    ]
    title: Annotated[str, Meta(max_length=500, description="text of at most 500 characters")] | None = None
    url: (
        Annotated[
            str,
            Meta(
                max_length=2_000,
                pattern=r"\A(?i:https?)://[^\s\x00-\x1f\x7f]+\Z",
                description="an address that begins with http:// or https://, of at most 2,000 characters",
            ),
        ]
        | None
    ) = None
    timestamp: Time | None = None
    id: (
        Annotated[
            str,
            Meta(
                pattern=r"\A[A-Za-z0-9][A-Za-z0-9._:\-]*\Z",
                max_length=128,
                description="1 to 128 of letters, digits and ._:- with a letter or a digit first",
            ),
        ]
        | None
    ) = None


class Deployment(Struct, frozen=True, omit_defaults=True):
    """One deployment. `at` and `noted_at` are seconds since the epoch; `skew_s` is how far its sender's clock was ahead."""

    id: str
    version: str
    at: float
    noted_at: float
    title: str | None = None
    url: str | None = None
    skew_s: int | None = None


@dataclass(frozen=True)
class DeploymentPage:
    """Newest first. `next_before` is the last one's id, None where there is no further page; `total` counts all that are kept."""

    items: tuple[Deployment, ...]
    next_before: str | None
    total: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Deployment).decode


def note(site: Site, new: NewDeployment, once: str | None = None) -> tuple[Deployment, bool]:
    """Keep a deployment. The answer says whether it is new: one whose id exists, that is named by the same `once`, or that
    is the same version as the one before or after it within SAME_S, stays as it is. Raises FieldError, StoreError."""
    now = site.clock()
    told = now if new.timestamp is None else new.timestamp.timestamp()
    if told < now - KEPT_S:
        raise FieldError("timestamp", f"should be within the last {KEPT_S // DAY_S} days")
    # Named here, so that a call which is repeated on a lost answer finds what the first one stored.
    id = new.id or str(uuid.uuid4() if once is None else uuid.uuid5(_NAMES, once))
    skew_s = int(told - now) if told - now > SKEW_S else None
    title = " ".join((new.title or "").split()) or None
    one = Deployment(id, new.version, round(min(told, now), 3), round(now, 3), title, new.url, skew_s)
    call = {"i": id, "at": _ms(one.at), "r": _encode(one).decode(), "v": one.version}
    limits = {"near": SAME_S * 1000, "before": _ms(now - KEPT_S), "keep": KEPT}
    record, is_new = site.store.scripts.run("deployment", 0, {"o": "note", **call, **limits})
    return _decode(record), bool(is_new)


def remove(site: Site, id: str) -> bool:
    """Forget a deployment; whether there was one. Raises StoreError."""
    return bool(site.store.scripts.run("deployment", 0, {"o": "remove", "i": id}))


def page(site: Site, limit: int = 50, before: str | None = None) -> DeploymentPage:
    """The newest deployments, or those before the one of an id. Raises FieldError where there is none of it, StoreError."""
    first = 0
    if before is not None:
        place: Any = site.store.redis.zrevrank(keys.DEPLOYMENTS.at(), before)
        if place is None:
            raise FieldError("before", "names no deployment that is kept")
        first = int(place) + 1
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.zrevrange(keys.DEPLOYMENTS.at(), first, first + limit - 1)
        pipeline.zcard(keys.DEPLOYMENTS.at())
        ids, total = pipeline.execute()
    more = ids and first + limit < total
    return DeploymentPage(_read(site, ids), ids[-1] if more else None, int(total))


def between(site: Site, since: float, until: float) -> tuple[Deployment, ...]:
    """All from one moment up to another, oldest first. Raises StoreError."""
    ids: Any = site.store.redis.zrangebyscore(keys.DEPLOYMENTS.at(), _ms(since), f"({_ms(until)}")
    return _read(site, ids)


def _read(site: Site, ids: Sequence[str]) -> tuple[Deployment, ...]:
    """What can't be read is passed over."""
    found: Any = site.store.redis.hmget(keys.DEPLOYMENT.at(), ids) if ids else []
    read = list[Deployment]()
    for text in found:
        try:
            read.append(_decode(text or ""))
        except msgspec.DecodeError:
            continue
    return tuple(read)


def _ms(at: float) -> int:
    return round(at * 1000)
