"""HTTP requests of Headway's own for what a tile or a target shows: one usable answer, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping

from core.outgoing import Answer, OutgoingError, fetch, masked, policy_of
from core.site import Site

LONGEST = 200


def get(site: Site, url: str, headers: Mapping[str, str], timeout_s: float, accept: str) -> Answer:
    """The answer of status 200. Raises OutgoingError for any other too."""
    answer = ask(site, url, headers, timeout_s, accept)
    if answer.status != 200:
        raise OutgoingError(f"{masked(url)} answered {answer.status}{_hint(answer.status)}")
    return answer


def ask(site: Site, url: str, headers: Mapping[str, str], timeout_s: float, accept: str) -> Answer:
    """The answer of any status. Raises OutgoingError."""
    return fetch(url, policy=policy_of(site), timeout_s=timeout_s, headers={"Accept": accept} | dict(headers))


def quoted(text: str) -> str:
    """What another program said, as part of a line: what can't be printed left out, no longer than a line may be."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _hint(status: int) -> str:
    if status in (401, 403):
        return ": what it needs to let Headway in goes into headers"
    return ": is the path right?" if status == 404 else ""
