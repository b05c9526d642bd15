"""What may stand in headway.toml: tiles, targets, alerts, channels, queues, logs. As frozen as the settings of the environment."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from core.config.alerts import When
from core.config.brokers import Broker
from core.config.redaction import Redaction
from core.config.sources import Push, Source
from core.config.values import Headers, Id, LongSpan, Seconds, Url

Level = Literal["info", "success", "warning", "error"]
LEVELS: tuple[Level, ...] = ("info", "success", "warning", "error")

TILE_ID = r"\A[A-Za-z][A-Za-z0-9_-]{0,63}(\.[A-Za-z][A-Za-z0-9_-]{0,63}){0,4}\Z"
TileId = Annotated[
    str, Meta(pattern=TILE_ID, max_length=128, description="names of letters, digits, - and _, with dots between them")
]
Title = Annotated[str, Meta(min_length=1, max_length=100, description="text of 1 to 100 characters")]
Link = Annotated[
    str,
    Meta(
        pattern=r"\A(https?://|/(?!/))[^\s]*\Z",
        max_length=2_000,
        description="an http(s) address, or a path that begins with /",
    ),
]


class Tile(Struct, frozen=True, forbid_unknown_fields=True):
    """One figure on the page. `good`, `warn` and `bad` are where each colour begins, on the way that `better` tells.

    Where lower is better, a value at or above `bad` is bad, else one at or above `warn` is to be watched, and one at or below
    `good` is good; where higher is better, it is the other way round. Between `good` and the others there is no colour;
    without a `good` of its own, all that is neither bad nor to be watched is good.
    """

    id: TileId
    source: Source = Push()
    title: Title | None = None
    unit: Annotated[str, Meta(max_length=20)] = ""
    format: Literal["number", "compact", "percent", "bytes", "duration"] = "number"
    """`percent` is of 0 to 100, `duration` of seconds."""
    group: Annotated[str, Meta(max_length=60)] = ""
    better: Literal["lower", "higher"] = "lower"
    good: float | None = None
    warn: float | None = None
    bad: float | None = None
    link: Link | None = None
    every: Seconds = Seconds(30)
    timeout: Seconds = Seconds(5)


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """An app of the user's with a `/metrics` address. The names of its metrics are found where they are usual ones."""

    name: Id
    url: Url
    title: Title | None = None
    link: Link | None = None
    headers: Headers = field(default_factory=dict)
    requests: str | None = None
    """The counter of requests, by status in the label `status_label`."""
    status_label: str | None = None
    duration: str | None = None
    """The histogram of how long requests take, in seconds."""
    every: Seconds = Seconds(15)
    timeout: Seconds = Seconds(5)


class Quiet(Struct, frozen=True, forbid_unknown_fields=True):
    """Hours in which a channel is told nothing but of the levels in `but`; the rest comes when they are over."""

    since: Annotated[str, Meta(pattern=r"\A([01]\d|2[0-3]):[0-5]\d\Z", description="a time of day, such as 22:00")]
    until: Annotated[str, Meta(pattern=r"\A([01]\d|2[0-3]):[0-5]\d\Z", description="a time of day, such as 07:00")]
    zone: str = "UTC"
    but: tuple[Level, ...] = ("error",)


class Channel(Struct, frozen=True, forbid_unknown_fields=True):
    """Where notifications go: an Apprise address, which is a secret. Title and body are templates of fixed fields."""

    name: Id
    url: Url
    levels: tuple[Level, ...] = LEVELS
    quiet: Quiet | None = None
    title: Annotated[str, Meta(min_length=1, max_length=500)] = "{title}"
    body: Annotated[str, Meta(max_length=4_000)] = "{body}"


class Alert(Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """A rule. It fires when `when` holds for as long as `for`, and is over when it has not held for as long as `keep`."""

    id: Id
    when: When
    title: Title | None = None
    for_: Seconds | None = None
    """Unset: at once."""
    keep: Seconds = Seconds(60)
    severity: Literal["info", "warning", "error"] = "warning"
    channel: Id | None = None
    """Unset: each channel that takes this level."""
    link: Link | None = None

    @property
    def agent(self) -> str | None:
        """The agent whose jobs it is about; None where it is about all, or about none."""
        return getattr(self.when, "agent", None)


class Logs(Struct, frozen=True, forbid_unknown_fields=True):
    redact: tuple[Redaction, ...] = ()
    redact_secrets: bool = True
    """Whether what looks like a password, a token or a key is taken out too."""


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """How long, and how much at most. Finished jobs have HEADWAY_KEEP_JOBS and HEADWAY_KEEP_DAYS."""

    logs: Seconds = Seconds(7 * 86_400)
    logs_mb: Annotated[int, Meta(ge=1, le=1_000_000, description="megabytes, 1 or more")] = 256
    notifications: Seconds = Seconds(30 * 86_400)
    alerts: Seconds = Seconds(90 * 86_400)
    """Of what fired when."""
    archive: LongSpan = LongSpan(365 * 86_400)
    """For how long a finished job stays in the SQL database, from its end on."""


class Outgoing(Struct, frozen=True, forbid_unknown_fields=True):
    """What requests of Headway's own may reach besides the public network: hosts, addresses, networks, each perhaps with a port."""

    allow: tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...] = ()
    schemes: tuple[
        Annotated[
            str,
            Meta(
                pattern=r"\A[a-z][a-z0-9]*\Z", description="a kind of address, such as fcm, in small letters and digits"
            ),
        ],
        ...,
    ] = ()
    """Apprise schemes besides the usual ones."""


LABEL = "a label's name of letters, digits and _, and its value as text"


class PrometheusServer(Struct, frozen=True, forbid_unknown_fields=True):
    """How the Prometheus at PROMETHEUS_URL is asked for what was long ago."""

    match: dict[
        Annotated[str, Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\Z", description=LABEL)],
        Annotated[str, Meta(max_length=500, description=LABEL)],
    ] = field(default_factory=dict)
    """Labels that tell this site's series from those of others: text, or `~` and a regular expression for all of it."""
    every: Seconds = Seconds(15)
    """How often it scrapes this site."""
    timeout: Seconds = Seconds(2)
    """For how long a page waits for it."""
    headers: Headers = field(default_factory=dict)


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    tiles: tuple[Tile, ...] | None = None
    """Unset: the usual four push tiles."""
    targets: tuple[Target, ...] = ()
    alerts: tuple[Alert, ...] = ()
    channels: tuple[Channel, ...] = ()
    queues: tuple[Broker, ...] = ()
    logs: Logs = Logs()
    retention: Retention = Retention()
    outgoing: Outgoing = Outgoing()
    prometheus: PrometheusServer = PrometheusServer()
