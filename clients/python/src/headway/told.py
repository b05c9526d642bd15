"""What was said about a site in this program's log, so that it is said once."""

from __future__ import annotations

from headway.notices import inform, warn
from headway.transport import Away

_MOST_DETAILS = 100


class Told:
    """`refused` counts what could not be taken as it stood."""

    def __init__(self, site: str) -> None:
        self.refused = 0
        self.site = site
        self._away: dict[str, Away] = {}
        self._details: set[str] = set()
        self._lost: set[str] = set()

    def away(self, lane: str, away: Away) -> None:
        """The site does not take this kind. What is away for the same reason as another kind was told with that."""
        before = self._away.get(lane)
        others = {str(other) for name, other in self._away.items() if name != lane}
        self._away[lane] = away
        if str(away) in others or (before is not None and (before.lasting or not away.lasting)):
            return
        what = f"no {lane} are sent until that changes" if away.lasting else f"{lane} wait until it does"
        warn(f"{self.site} does not take {lane} ({away}); {what}")

    def answers(self, lane: str, lost: str) -> None:
        """The site takes this kind. `lost` is what was dropped meanwhile, in words."""
        if self._away.pop(lane, None) and not self._away:
            inform(f"{self.site} takes {lane} again")
        if lost and lane not in self._lost:
            self._lost.add(lane)
            warn(f"the backlog was full: {lost} were dropped")

    def refusal(self, what: str, detail: str) -> None:
        self.refused += 1
        self._once(detail, f"{self.site} refused {what}: {detail}")

    def fault(self, words: str) -> None:
        """Something can't be sent as it is."""
        self.refused += 1
        self._once(words, words)

    def _once(self, detail: str, words: str) -> None:
        if detail not in self._details and len(self._details) < _MOST_DETAILS:
            self._details.add(detail)
            warn(words)
