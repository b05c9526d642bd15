"""Where notifications leave the house: one service of Apprise a channel, its time limited, its own log and extras off.

`python -m core.outlets` tells of the channels in its input which one Apprise can't send to: `core.config.addresses` asks that.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from core.config.channels import NATIVE, allowed, scheme_of
from core.config.model import LEVELS, Channel, Level, Outgoing
from core.outgoing import Guard, Policy, guarded

if TYPE_CHECKING:
    from apprise import Apprise, NotifyBase

WAIT_S = 15.0
"""How long a service may take to connect, and then without a byte."""
WEBHOOKS = frozenset(("json", "jsons", "form", "forms", "xml", "xmls"))
"""Addresses of one's own, which get a notification's id in a header too."""
CALLING = frozenset(("discord", "guilded", "mmost", "mmosts", "rocket", "rockets"))
"""Chats in which some words call everybody; those of a message do not."""
CALL = re.compile(r"@(?=everyone|here|all|channel)")
MOST_ERROR = 200


class AddressRefused(ValueError):
    """Apprise can't send to an address. The text says why, and holds nothing of it."""


class NotSent(Exception):
    """A service did not take a message. The text says why in a line, and holds nothing of the channel's address."""


@dataclass(frozen=True)
class Message:
    """What goes out at once; `ids` are the notifications in it."""

    title: str
    body: str
    level: Level
    ids: Sequence[str]
    repeated: bool = False


@dataclass
class Outlet:
    """A channel and the service that its address names. To be used by one thread at a time."""

    channel: Channel
    scheme: str
    _apprise: Apprise
    _service: NotifyBase
    _headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, channel: Channel, outgoing: Outgoing) -> Outlet:
        """Raises AddressRefused."""
        _silence()
        import apprise  # some 0.2 s, which nobody has to wait for who has no channel

        asset = apprise.AppriseAsset(
            app_id="Headway", app_desc="Headway", app_url="", async_mode=False, storage_mode="memory", service_timeout=0,
            http_redirects=False, interpret_emojis=False, pgp_autogen=False, pem_autogen=False, allow_templates=False,
            language="en",
        )  # fmt: skip
        service = apprise.Apprise.instantiate(channel.url, asset=asset, suppress_exceptions=True)
        if not isinstance(service, apprise.NotifyBase):
            raise AddressRefused(f"is no address that Apprise can send to as {scheme_of(channel.url)}://")
        kinds = _schemes(service)
        if not kinds & allowed(outgoing.schemes):
            kind = min(kinds, default=NATIVE)
            raise AddressRefused(f"is of the kind {kind}://, none of the usual ones: name it in schemes of [outgoing]")
        service.retry, service.optional, service.attachment_support = 0, False, False
        service.socket_connect_timeout = min(service.socket_connect_timeout, WAIT_S)
        service.socket_read_timeout = min(max(service.socket_read_timeout, 10.0), WAIT_S)
        if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
            service.overflow_mode = apprise.OverflowMode.SPLIT
        outlet = apprise.Apprise(asset=asset)
        outlet.add(service)
        native = scheme_of(channel.url) == NATIVE
        scheme = min(kinds, key=len) if native else scheme_of(channel.url)
        return cls(channel, scheme, outlet, service, dict(getattr(service, "headers", None) or {}))

    @property
    def room(self) -> int:
        """Characters of text that go into one message, the title among them where the service knows none."""
        return int(self._service.body_maxlen)

    def send(self, message: Message, policy: Policy) -> None:
        """Takes as long as the service does; a step of it at most WAIT_S. Raises NotSent."""
        if self.scheme in WEBHOOKS:
            told = {"Headway-Notification": ", ".join(message.ids)}
            told |= {"Headway-May-Be-Repeated": "yes"} if message.repeated else {}
            self._service.headers = {**self._headers, **told}  # type: ignore[attr-defined]
        plain = uncalling if self.scheme in CALLING else str
        words: list[str] = []
        began = time.monotonic()
        with guarded(policy) as guard:
            sent = self._apprise.notify(
                body=plain(message.body),
                title=plain(message.title),
                body_format="text",
                notify_type="failure" if message.level == "error" else message.level,
                log_level=logging.WARNING,
                log_callback=lambda entry, _: words.append(entry.message),
            )
        if not sent:
            raise NotSent(self._why(words, guard, time.monotonic() - began))

    def _why(self, words: list[str], guard: Guard, took_s: float) -> str:
        if guard.refused:
            return "its address is not in the public network: name it in allow of [outgoing] in headway.toml"
        said = words[-1] if words else ""
        if status := re.search(r"error=(\d{3})\b", said):
            return f"the service answered {_status(int(status[1]))}"
        if took_s >= self._service.socket_read_timeout * 0.95:
            return f"the service did not answer within {self._service.socket_read_timeout:g} s"
        if "onnection error" in said:
            return "the service can't be reached"
        return masked(said, self.channel.url) or "the service did not take it"


def uncalling(text: str) -> str:
    """Text that reads the same and calls nobody in a chat."""
    return CALL.sub("@\u200b", text)


def loudest(levels: Sequence[Level]) -> Level:
    return max(levels, key=LEVELS.index)


def masked(text: str, url: str) -> str:
    """Words of a library on one line, with each piece of an address in them taken out."""
    pieces = {piece for part in re.split(r"[/:@?&=,;+#]+", url.partition("://")[2]) for piece in (part, unquote(part))}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) > 2:
            text = text.replace(piece, "***")
    shown = " ".join(re.sub(r"[^\x20-\x7e]", " ", text).split())
    return shown if len(shown) <= MOST_ERROR else f"{shown[: MOST_ERROR - 1]}…"


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _schemes(service: NotifyBase) -> set[str]:
    named: set[str] = set()
    for kinds in (
        type(service).protocol,
        type(service).secure_protocol,
    ):  # some put something else there for themselves
        named |= {kinds} if isinstance(kinds, str) else set(kinds or ())
    return named


def _silence() -> None:
    """Apprise tells addresses in its log; what is wrong with one is said by us."""
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def first_fault(channels: Sequence[Channel], outgoing: Outgoing) -> tuple[int, str] | None:
    """The first channel that Apprise can't send to, and why."""
    for number, channel in enumerate(channels):
        try:
            Outlet.of(channel, outgoing)
        except AddressRefused as fault:
            return number, str(fault)
    return None


class Asked(msgspec.Struct):
    channels: list[Channel]
    outgoing: Outgoing


def _main() -> None:
    said: Any = json.load(sys.stdin)
    asked = msgspec.convert(said, Asked)
    json.dump(first_fault(asked.channels, asked.outgoing), sys.stdout)


if __name__ == "__main__":
    _main()
