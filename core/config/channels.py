"""Where notifications may go: the kinds of Apprise addresses, and what the templates of a channel may name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.fields import FieldError

if TYPE_CHECKING:
    from core.config.model import Channel, Config

PAGE = "page"
"""The channel that is always there: what goes to no other stands on the page."""
MOST = 50
"""Channels; each has a thread of its own while it sends."""

USUAL = frozenset((
    "apprise", "apprises", "bark", "barks", "betterstack", "bluesky", "brevo", "bsky", "clickatell", "dingtalk",
    "discord", "feishu", "flock", "form", "forms", "gchat", "goalert", "goalerts", "gotify", "gotifys", "guilded",
    "hassio", "hassios", "ifttt", "ilert", "incidentio", "join", "json", "jsons", "kavenegar", "lark", "line",
    "mailersend", "mailgun", "mailto", "mailtos", "mastodon", "mastodons", "matrix", "matrixs", "mmost", "mmosts",
    "msgbird", "ncloud", "nclouds", "nctalk", "nctalks", "nexmo", "notifiarr", "ntfy", "ntfys", "o365", "octopush",
    "onesignal", "opsgenie", "pagerduty", "pagertree", "pbul", "plivo", "postmark", "pover", "prowl", "psafer",
    "psafers", "pushdeer", "pushdeers", "pushed", "pushme", "pushy", "resend", "revolt", "ringc", "rocket", "rockets",
    "ryver", "schan", "sendgrid", "sendpulse", "ses", "signal", "signals", "signl4", "simplepush", "sinch", "slack",
    "smtp2go", "sns", "sparkpost", "spike", "splunk", "squadcast", "synology", "synologys", "telnyx", "tgram",
    "threema", "toot", "toots", "twilio", "twist", "viber", "victorops", "vonage", "webex", "wecombot", "whatsapp",
    "workflow", "workflows", "wxteams", "xml", "xmls", "zoom", "zulip",
))  # fmt: skip
"""Well-known services, mail, and webhooks of one's own, all of which Apprise reaches over HTTP or SMTP."""

NEVER = frozenset((
    "blink1", "dbus", "deltachat", "deltachats", "exec", "file", "gio", "glib", "gnome", "growl", "kde", "macosx",
    "mqtt", "mqtts", "qt", "rsyslog", "smpp", "smpps", "syslog", "vapid", "windows", "xmpp", "xmpps",
))  # fmt: skip
"""What reaches into this machine, or connects in threads of its own, where nobody could look at the address."""

NATIVE = "https"
"""Addresses as services show them to copy, such as a Slack webhook's; Apprise tells whose they are."""

FIELDS = ("title", "body", "level", "id", "site", "link", "time", "source", "channel")
"""What templates may name in braces."""
FIELD = re.compile(r"\{([A-Za-z_][^{}]*)\}")
"""What stands in braces and begins as a name; other braces are text."""


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def allowed(schemes: tuple[str, ...]) -> frozenset[str]:
    """The kinds of addresses that channels may have, with those of `[outgoing] schemes`."""
    return (USUAL | set(schemes)) - NEVER


def check_channels(config: Config) -> None:
    """All but the addresses themselves, which `core.outlets` asks Apprise about. Raises FieldError."""
    for number, scheme in enumerate(config.outgoing.schemes):
        if scheme in NEVER:
            raise FieldError(
                f"outgoing.schemes[{number}]", f"holds {scheme}, which would act on this machine or past all checks"
            )
    if len(config.channels) > MOST:
        raise FieldError("channels", f"holds {len(config.channels)}: {MOST} is the most")
    for number, channel in enumerate(config.channels):
        _check(channel, f"channels[{number}]", allowed(config.outgoing.schemes))


def _check(channel: Channel, path: str, schemes: frozenset[str]) -> None:
    if channel.name == PAGE:
        raise FieldError(f"{path}.name", f"should be another: {PAGE} is the page itself, and always there")
    scheme = scheme_of(channel.url)
    if scheme not in schemes and scheme != NATIVE:
        if scheme in NEVER:
            raise FieldError(f"{path}.url", f"begins with {scheme}://, which no channel may have")
        way = "name it in schemes of [outgoing] if it is meant"
        raise FieldError(f"{path}.url", f"begins with {scheme}://, which is none of the usual kinds: {way}")
    for name in ("title", "body"):
        for field in FIELD.findall(getattr(channel, name)):
            if field not in FIELDS:
                raise FieldError(
                    f"{path}.{name}",
                    f"names {{{field[:40]}}}; the fields are {', '.join(f'{{{one}}}' for one in FIELDS)}",
                )
    if channel.quiet is not None and channel.quiet.since == channel.quiet.until:
        raise FieldError(f"{path}.quiet", "begins and ends at the same time: leave it out, or set another")
