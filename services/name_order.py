"""Names in the order in which people count: `worker-2` before `worker-10`."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"([0-9]+)")

Place = tuple[str, tuple[str | int, ...], str]


def place(agent: str, name: str) -> Place:
    """What to sort by: the agent, then the name with its numbers as numbers."""
    parts = _NUMBER.split(name)
    return agent, tuple(int(part) if at % 2 else part for at, part in enumerate(parts)), name
