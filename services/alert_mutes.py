"""For how long an alert may be muted, as the page and programs say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.config import Seconds
from core.config.values import hook
from core.fields import FieldError

CHOICES = (
    ("30m", "30 min"),
    ("2h", "2 h"),
    ("8h", "8 h"),
    ("1d", "1 day"),
    ("7d", "1 week"),
    ("morning", "Until 8:00"),
)
"""What the page offers, each with its words."""
MORNING_HOUR = 8
LONGEST_S = 366 * 86_400.0


def until(choice: str, zone: str, now: float) -> float:
    """When a mute of "30m", "2h" … ends, or one of "morning": at the next 8:00 in a time zone. Raises FieldError."""
    if choice == "morning":
        return _next_morning(zone, now)
    try:
        return now + float(hook(Seconds, choice))
    except ValueError as fault:
        raise FieldError("for", str(fault)) from fault


def _next_morning(zone: str, now: float) -> float:
    here = datetime.fromtimestamp(now, _zone(zone))
    morning = here.replace(hour=MORNING_HOUR, minute=0, second=0, microsecond=0)
    if morning <= here:
        morning = (here + timedelta(days=1)).replace(hour=MORNING_HOUR, minute=0, second=0, microsecond=0)
    return morning.timestamp()


def _zone(name: str) -> ZoneInfo:
    """The reader's zone; UTC where the page has no script to tell it."""
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, KeyError) as fault:
        raise FieldError("zone", "should be a time zone's name, such as Europe/Berlin") from fault


def checked_moment(text: str, now: float) -> float:
    """An end that is named as a moment, RFC 3339. Raises FieldError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as fault:
        raise FieldError("until", "should be a time such as 2026-11-21T18:00:00Z") from fault
    if at.tzinfo is None:
        raise FieldError("until", "should name its zone, as in 2026-11-21T18:00:00Z")
    moment = at.astimezone(UTC).timestamp()
    if not now < moment <= now + LONGEST_S:
        raise FieldError("until", "should be later than now, by a year at most")
    return moment
