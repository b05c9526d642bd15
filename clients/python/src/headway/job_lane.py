"""The way of what jobs say: batches of lines, each of which may stand alone."""

from __future__ import annotations

from typing import Any

from headway.backlog import PROGRESS, Backlog, Line
from headway.batches import post, rfc3339
from headway.lane import Lane
from headway.told import Told
from headway.transport import Away, Transport

PATH = "/api/v1/queue/batch"
ESSENTIAL = ("title", "status", "current_step", "attempt", "seq", "timestamp")
"""What a refused line is sent again with, so that a job's state is right even where its words can't be kept."""


class JobLane(Lane[Line]):
    name = "reports"

    def __init__(self) -> None:
        self._seq = 0
        super().__init__()

    def begin(self) -> None:
        super().begin()
        self._again: list[Line] = []

    def add(self, one: Line) -> None:
        # By the clock, so that it goes on rising when another process reports the same job, and past every restart.
        self._seq = one.fields["seq"] = max(self._seq + 1, int(one.fields["timestamp"] * 1e6))
        self.backlog.add(one)

    def send(self, transport: Transport, told: Told) -> None:
        def reject(line: Line, detail: str) -> None:
            told.refusal("an update", detail)
            if line.kind != PROGRESS and not line.fields.get("bare"):
                self._again.append(_bare(line, detail))

        post(transport, PATH, self.under_way, _fields, reject)

    def settle(self, away: Away | None, *, hurry: bool) -> None:
        again, self._again = self._again, []
        super().settle(away, hurry=hurry)
        for line in again:
            self._seq = line.fields["seq"] = max(self._seq + 1, line.fields["seq"])
            self.backlog.add(line)

    def _empty(self) -> Backlog:
        return Backlog()


def _fields(line: Line) -> dict[str, Any]:
    agent, id_ = line.key
    fields = {"id": id_, "agent": agent, **line.fields, "timestamp": rfc3339(line.fields["timestamp"])}
    fields.pop("bare", None)
    return fields


def _bare(line: Line, detail: str) -> Line:
    fields = {name: line.fields[name] for name in ESSENTIAL if name in line.fields}
    if fields.get("status") == "failed":
        fields["error"] = f"Its error could not be reported: {detail}"
    return Line(line.key, line.kind, {**fields, "bare": True})
