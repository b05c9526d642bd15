"""What a view says about who may call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from core.tokens import Scope

ViewScope = Literal["public", "read", "ingest", "metrics", "admin"]
V = TypeVar("V", bound=Callable[..., Any])

MAY: dict[ViewScope, set[Scope]] = {
    "public": {"admin", "read", "ingest", "metrics"},
    "read": {"admin", "read"},
    "ingest": {"admin", "ingest"},
    "metrics": {"admin", "read", "metrics"},
    "admin": {"admin"},
}
MARK = "headway_scope"


@dataclass(frozen=True)
class Rule:
    """What a view takes: from bearers of a token, and from those signed in."""

    public: bool
    by_token: frozenset[Scope]
    by_session: frozenset[Scope]
    counted: bool
    form_checked: bool
    by_ticket: bool = False
    by_password: bool = False


def scope(
    *names: ViewScope, csrf: Literal["gate", "view"] = "gate", ticket: bool = False, password: bool = False
) -> Callable[[V], V]:
    """Say who may call a view: whoever has one of these scopes, and with `ticket` who shows a ticket of theirs. With
    `password` a token may come as the password of HTTP Basic, for senders that know nothing but an address.

    `csrf="view"` is for uploads, whose body the gate must not read: the view itself calls `check_csrf` with what it
    finds in the form, before it changes anything.
    """
    allowed: frozenset[Scope] = frozenset().union(*(MAY[name] for name in names))
    signed_in: frozenset[Scope] = frozenset().union(*(MAY[name] for name in names if name != "ingest"))
    rule = Rule("public" in names, allowed, signed_in, "ingest" in names, csrf == "gate", ticket, password)

    def mark(view: V) -> V:
        setattr(view, MARK, rule)
        return view

    return mark


def rule_of(view: Callable[..., Any]) -> Rule | None:
    """What `scope` said of a view; None when nothing was said."""
    return getattr(view, MARK, None)


PUBLIC = Rule(True, frozenset(), frozenset(), False, False)
