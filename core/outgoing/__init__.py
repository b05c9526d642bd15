"""The one way out: requests of Headway's own reach the public network, and besides it what the operator named.

`fetch` is an HTTP request; `guarded` is for libraries that connect by themselves. Both look at the very address that is
connected to, so a name that resolves to something else a moment later gets nobody inside.
"""

from core.config.allowed import Allowed, is_public
from core.outgoing.errors import OutgoingError, Refused
from core.outgoing.fetching import Answer, fetch
from core.outgoing.guard import Guard, Policy, guarded, policy_of
from core.outgoing.masking import masked

__all__ = [
    "Allowed", "Answer", "Guard", "OutgoingError", "Policy", "Refused", "fetch", "guarded", "is_public", "masked",
    "policy_of",
]  # fmt: skip
