"""Turns lines into batches for the transport, and tells once what goes wrong with them."""

from __future__ import annotations

import json
import time

from headway.backlog import KEPT, PROGRESS, STAGE, Backlog, Line
from headway.notices import inform, warn
from headway.settings import Settings
from headway.transport import Away, Refused, Transport

ESSENTIAL = ("title", "status", "current_step", "attempt", "seq", "timestamp")
"""What a refused line is sent again with, so that a job's state is right even where its words can't be kept."""
_MOST_DETAILS = 100


class Delivery:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._site = settings.shown
        self._transport = Transport(settings)
        self._told: set[str] = set()
        self._away = False
        self._told_dropped = False

    def close(self) -> None:
        self._transport.close()

    def send(self, lines: list[Line]) -> list[Line]:
        """Send lines. Those to send once more, in a shorter form. Raises Away."""
        again = []
        for line, detail in self._post([(line, data) for line in lines if (data := self._encoded(line))]):
            self._tell(detail)
            if line.kind != PROGRESS and not line.fields.get("bare"):
                again.append(_bare(line, detail))
        return again

    def site_is_away(self, away: Away) -> None:
        if not self._away:
            self._away = True
            what = "nothing is reported until that changes" if away.lasting else "reports wait until it does"
            warn(f"{self._site} does not take reports ({away}); {what}")

    def site_answers(self, backlog: Backlog) -> None:
        if self._away:
            self._away = False
            inform(f"{self._site} takes reports again")
        if any(backlog.dropped) and not self._told_dropped:
            self._told_dropped = True
            updates, stages, kept = (backlog.dropped[kind] for kind in (PROGRESS, STAGE, KEPT))
            lost = f", {kept} begins or ends of jobs" if kept else ""
            warn(f"the backlog was full: {updates} updates of progress, {stages} stages{lost} were dropped")

    def _encoded(self, line: Line) -> bytes | None:
        agent, id_ = line.key
        fields = {"id": id_, "agent": agent, **line.fields, "timestamp": _time(line.fields["timestamp"])}
        fields.pop("bare", None)
        try:
            return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
                errors="replace"
            )
        except (TypeError, ValueError, RecursionError) as fault:
            self._tell(str(fault))
            return None

    def _post(self, lines: list[tuple[Line, bytes]]) -> list[tuple[Line, str]]:
        """The lines that the site rejected, and why."""
        if not lines:
            return []
        try:
            rejected = self._transport.post([data for _, data in lines])
        except Refused as refused:
            # One line may be to blame, or their number: find out by halves.
            if len(lines) == 1:
                return [(lines[0][0], str(refused))]
            half = len(lines) // 2
            return self._post(lines[:half]) + self._post(lines[half:])
        return [(lines[place][0], detail) for place, detail in rejected.items() if 0 <= place < len(lines)]

    def _tell(self, detail: str) -> None:
        if detail not in self._told and len(self._told) < _MOST_DETAILS:
            self._told.add(detail)
            warn(f"{self._site} refused an update: {detail}")


def _bare(line: Line, detail: str) -> Line:
    fields = {name: line.fields[name] for name in ESSENTIAL if name in line.fields}
    if fields.get("status") == "failed":
        fields["error"] = f"Its error could not be reported: {detail}"
    return Line(line.key, line.kind, {**fields, "bare": True})


def _time(at: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03d}Z"
