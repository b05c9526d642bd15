"""From where on a figure is too much or too little: the same for checking a rule, trying it, drawing it and saying it."""

from __future__ import annotations

from dataclasses import dataclass

from core.config.alerts import (
    OnBrokerUnavailable,
    OnFailedJobs,
    OnFailureRate,
    OnNoJob,
    OnNoWorker,
    OnQueueAge,
    OnQueueDepth,
    OnStalledJobs,
    OnStoreLatency,
    OnTargetDown,
    OnTile,
    OnTileUnavailable,
    When,
)


@dataclass(frozen=True)
class Limit:
    """One of `above` and `below` is set. `clear` is where a figure has to come back to before it is fine again."""

    above: float | None = None
    below: float | None = None
    clear: float | None = None

    def is_crossed(self, value: float, *, already: bool) -> bool:
        """Whether a figure is beyond the limit; one that was so `already` is until it comes back to `clear`."""
        back = self.clear if already else None
        if self.above is not None:
            return value > (self.above if back is None else back)
        assert self.below is not None  # noqa: S101
        return value < (self.below if back is None else back)


def of(when: When) -> Limit:
    """The limit of what a rule watches, in the unit of its reading."""
    match when:
        case OnTile():
            return Limit(when.above, when.below, when.clear)
        case OnFailureRate() | OnQueueDepth() | OnStoreLatency():
            return Limit(above=float(when.above), clear=None if when.clear is None else float(when.clear))
        case OnFailedJobs() | OnQueueAge() | OnStalledJobs():
            return Limit(above=float(when.above))
        case OnNoWorker():
            return Limit(above=float(when.within))
        case OnNoJob():
            return Limit(below=1)
        case OnTileUnavailable() | OnTargetDown() | OnBrokerUnavailable():
            return Limit(above=0)
