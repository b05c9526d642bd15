"""Notifications as text for a channel: its templates with their fields put in, one under its own title, several as a digest.

Fields are put in literally and once: what stands in a title is never looked at for fields, and there is no other syntax.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from core.config import Channel
from core.config.channels import FIELD
from core.config.model import LEVELS
from core.outlets import Message, loudest
from core.settings import Settings
from core.times import rfc3339
from services.notification_model import Notification

PLACE = "/dashboard/notifications"
"""The page that shows notifications, where one names no other."""
LEAST_EACH = 200
"""Characters that each notification of a digest should have at least."""
MOST_TOGETHER = 20
TITLE = 250


def together(room: int) -> int:
    """How many notifications a message of so many characters may hold."""
    return max(1, min(MOST_TOGETHER, room // LEAST_EACH - 1))


def message(
    settings: Settings, channel: Channel, some: Sequence[Notification], repeated: Sequence[str], room: int
) -> Message:
    """One message of all, of at most `room` characters with its title. `repeated` are the ids that may have been sent before."""
    fitted = [_Fitted(settings, channel, one, one.id in repeated, min(TITLE, room // 2)) for one in some]
    if len(fitted) == 1:
        title = fitted[0].title
        body = fitted[0].body(room - len(title) - 2)
    else:
        title = _digest_title(settings, some)
        each = (room - len(title) - 2) // len(fitted)
        body = "\n\n".join(one.entry(each - 2) for one in fitted)
    return Message(title, body, loudest([one.level for one in some]), [one.id for one in some], bool(repeated))


def fill(template: str, fields: dict[str, str]) -> str:
    """A template with `{name}` as what `fields` says; what names none of them stays as it is."""
    return FIELD.sub(lambda match: fields.get(match[1], match[0]), template)


class _Fitted:
    def __init__(self, settings: Settings, channel: Channel, one: Notification, repeated: bool, most: int) -> None:
        fields = _fields(settings, channel, one)
        self.level = one.level
        self.title = _cut(_line(fill(channel.title, fields)), most) or "Notification"
        self.text = _lines(fill(channel.body, fields))
        self.footer = f"Notification {one.id}" + (", may be repeated" if repeated else "")

    def body(self, room: int) -> str:
        """The text and, in any case, whose it is."""
        text = _cut(self.text, room - len(self.footer) - 2)
        return f"{text}\n\n{self.footer}" if text else self.footer

    def entry(self, room: int) -> str:
        head = _cut(f"[{self.level}] {self.title}", room - len(self.footer) - 1)
        text = _cut(self.text, room - len(head) - len(self.footer) - 2)
        return "\n".join(part for part in (head, text, self.footer) if part)


def _fields(settings: Settings, channel: Channel, one: Notification) -> dict[str, str]:
    link = one.link or PLACE
    return {
        "title": one.title,
        "body": one.body,
        "level": one.level,
        "id": one.id,
        "site": urlsplit(settings.address).netloc,
        "link": settings.address + link if link.startswith("/") else link,
        "time": rfc3339(one.created_at.timestamp()),
        "source": one.source,
        "channel": channel.name,
    }


def _digest_title(settings: Settings, some: Sequence[Notification]) -> str:
    levels = Counter(one.level for one in some)
    said = ", ".join(f"{levels[level]} {level}" for level in reversed(LEVELS) if levels[level])
    return f"{len(some)} notifications from {urlsplit(settings.address).netloc}: {said}"


def _line(text: str) -> str:
    """On one line: a mail's subject, and many a service's title, is one."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())


def _lines(text: str) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text.replace("\r\n", "\n")).strip()


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return text[: most - 1] + "…" if most > 0 else ""
