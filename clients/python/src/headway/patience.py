"""How long to wait before a site that failed is asked again."""

from __future__ import annotations

import random

from headway.transport import Away

FIRST_S, LONGEST_S = 0.25, 30.0
LASTING_S = 60.0
"""Where somebody has to change something first."""
MOST_ASKED_S = 600.0
"""The longest that a site may ask for."""


class Patience:
    def __init__(self) -> None:
        self._failures = 0

    @property
    def tried(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def succeed(self) -> None:
        self._failures = 0

    def fail(self, away: Away) -> float:
        """Seconds to wait: twice as long each time, spread so that many programs do not come back at once."""
        wait_s = LASTING_S if away.lasting else min(FIRST_S * 2.0**self._failures, LONGEST_S)
        self._failures = min(self._failures + 1, 16)
        return max(wait_s * random.uniform(0.7, 1.0), min(away.wait_s, MOST_ASKED_S))  # noqa: S311 (no secret)
