"""An alert as it stands: what is kept of it in the store, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from core.config import Alert
from services.alert_events import Shown

State = Literal["ok", "pending", "firing"]
Told = Literal["ok", "firing", "flapping"]
Happening = Literal["fired", "over", "flapping", "steady", "removed"]


class Record(Struct, frozen=True, omit_defaults=True):
    """What is kept of an alert. Moments are seconds since the epoch."""

    state: State
    since: float
    """Pending and firing: since when what it watches is too much. Ok: since when it is fine."""
    checked_at: float
    value: float | None = None
    """The last reading that there was; None also where the kind's figure is none, such as a rate of nothing."""
    unknown: str | None = None
    """Why there is no present reading, as words behind "because"."""
    fired_at: float | None = None
    fine_since: float | None = None
    """While it fires: since when it would be over, if it stays so."""
    told: Told = "ok"
    """What was told of it last. Where that differs from its state something is to be told, unless it is muted or flaps."""
    changes: tuple[float, ...] = ()
    """When it fired and was over, lately."""
    muted_until: float | None = None

    @property
    def flaps(self) -> bool:
        return self.told == "flapping"


@dataclass(frozen=True)
class Standing:
    """A rule and how it stands; without a record it was not checked yet."""

    rule: Alert
    record: Record | None

    @property
    def shown(self) -> Shown:
        if self.record is None:
            return "unknown"
        # One that fires does so until it is seen to be fine.
        return "unknown" if self.record.unknown and self.record.state != "firing" else self.record.state

    def muted_until(self, now: float) -> float | None:
        """Until when nothing is told of it; None where it is not muted."""
        until = self.record.muted_until if self.record else None
        return until if until is not None and until > now else None


class Line(Struct, frozen=True, omit_defaults=True):
    """A line of history: something happened to an alert. `value` is the reading then; `since` is when what it tells of began."""

    id: str
    title: str
    severity: str
    what: Happening
    at: float
    value: str = ""
    since: float | None = None
    muted: bool = False


encode = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(Record).decode
decode_line = msgspec.json.Decoder(Line).decode
