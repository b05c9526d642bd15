"""What the script `apply` appends to the stream of events, one entry for each change of a job."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from services.job_rules import Status


class JobEvent(Struct, frozen=True, array_like=True):
    """One change; an empty text is one that was not there. `message` and `error` are those of the update itself."""

    kind: Literal["created", "begun", "updated", "imported", "facts"]
    """`begun`: the stage at which the job was created, told right after `created`. `facts`: what became known after the end, which is the episode and whether it is published."""
    number: int
    id: str
    agent: str
    title: str
    status: Status
    was: Status | Literal[""]
    """The status before; empty for a job that is new."""
    stage: str
    progress: float
    message: str
    error: str
    failed_stage: str
    attempt: int
    at_ms: int
    video_id: str = ""
    episode_id: str = ""
    published: bool = False
    state: str = ""
    """Its engine's word, as in `services.job_rules.State`."""


decode = msgspec.msgpack.Decoder(JobEvent).decode
"""An entry's field `e` as an event. Raises msgspec.DecodeError."""
