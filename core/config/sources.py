"""Where a tile's value comes from: the kinds of `source` in headway.toml, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from core.config.values import Headers, Url

READING_COMMANDS: dict[str, tuple[str, ...]] = {
    "GET": (),
    "HGET": ("a field",),
    "HLEN": (),
    "LLEN": (),
    "SCARD": (),
    "ZCARD": (),
    "ZCOUNT": ("the lowest score", "the highest"),
    "ZSCORE": ("a member",),
    "XLEN": (),
    "STRLEN": (),
    "PFCOUNT": (),
    "EXISTS": (),
}
"""What a tile may ask of Redis, and what goes behind the key: commands that only read, and cost the same at any size or nearly so."""

Name = Annotated[str, Meta(min_length=1, max_length=500, description="text of 1 to 500 characters")]


class Push(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="push"):
    """Values come by `PUT /api/v1/tiles/ID`."""


class Jobs(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="jobs"):
    """A figure of Headway's own jobs, of all or of one agent."""

    figure: Literal[
        "total",
        "queued",
        "processing",
        "completed",
        "failed",
        "success_rate",
        "jobs_per_minute",
        "p50",
        "p95",
        "oldest",
    ]
    """`p50` and `p95` are seconds of the last hour; `oldest` is the age of the job that waits longest, in seconds."""
    agent: Name | None = None
    """Not for `jobs_per_minute`, `p50`, `p95`, which are of all."""


class Redis(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="redis"):
    command: Annotated[str, Meta(description=f"one of {', '.join(READING_COMMANDS)}")]
    key: Name
    args: Annotated[tuple[Name, ...], Meta(max_length=4)] = ()
    """What goes behind the key: HGET's field, ZCOUNT's two bounds."""
    url: Url | None = None
    """`redis://…`; unset: Headway's own store."""


class Sql(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sql"):
    """One statement that reads, and answers a number in the first column of its first row."""

    query: Annotated[str, Meta(min_length=1, max_length=10_000, description="one SQL statement")]
    url: Url | None = None
    """`postgresql://…`, or `sqlite:///path/to/file`; unset: DATABASE_URL."""


class Prometheus(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="prometheus"):
    """An instant query that answers one series."""

    query: Annotated[str, Meta(min_length=1, max_length=10_000, description="a PromQL query")]
    url: Url | None = None
    """Unset: PROMETHEUS_URL."""
    headers: Headers = field(default_factory=dict)


class Metrics(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="metrics"):
    """A series of the `/metrics` of an app; several that match are summed unless `take` says otherwise."""

    url: Url
    metric: Name
    labels: dict[str, str] = field(default_factory=dict)
    """Values that a series has to have: text, or `~` and a regular expression as in `"~5.."`."""
    take: Literal["sum", "max", "min", "mean"] = "sum"
    rate: bool = False
    """By how much a counter grows a second, between two scrapes."""
    headers: Headers = field(default_factory=dict)


class Http(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="http"):
    """A number of a JSON document, by its path (JMESPath)."""

    url: Url
    path: Annotated[str, Meta(min_length=1, max_length=500, description="a JMESPath, such as data.users")]
    headers: Headers = field(default_factory=dict)


Source = Push | Jobs | Redis | Sql | Prometheus | Metrics | Http
