"""Channels' addresses: which are taken, what is said of those that are not, and that nothing of one is ever said."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import apprise
import pytest
from apprise.manager_plugins import NotificationManager

from core.config import Config, parse
from core.config.channels import NEVER, USUAL
from core.fields import FieldError
from core.outlets import AddressRefused, Outlet, masked, uncalling
from core.settings import Settings
from tests.serving import ROOT, bare_environment


def channels(*urls: str, outgoing: str = "") -> Config:
    tables = [f'[[channels]]\nname = "c{number}"\nurl = "{url}"' for number, url in enumerate(urls)]
    return parse("\n".join([*tables, "[outgoing]", outgoing]), {})


def outlet(url: str, outgoing: str = "") -> Outlet:
    config = channels(url, outgoing=outgoing)
    return Outlet.of(config.channels[0], config.outgoing)


def test_apprise_knows_all_usual_kinds_and_none_of_them_acts_on_this_machine() -> None:
    assert set(NotificationManager().schemas()) >= USUAL
    assert not USUAL & NEVER


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("json://user:pass@example.com/hook", "json"),
        ("mailtos://me:secret@example.com", "mailtos"),
        ("ntfys://topic", "ntfys"),
        ("https://discord.com/api/webhooks/1234567890/abcdefgh", "discord"),
    ],
)
def test_well_known_services_mail_and_webhooks_are_taken(url: str, scheme: str) -> None:
    assert outlet(url).scheme == scheme


@pytest.mark.parametrize(
    "url",
    ["dbus://x", "file:///etc/passwd", "syslog://x", "gnome://x", "macosx://x", "windows://x", "exec://ls", "gopher://x", "kodi://tv"],
)  # fmt: skip
def test_what_is_of_no_usual_kind_is_refused(url: str) -> None:
    with pytest.raises(
        FieldError, match=r"c0: url: begins with \w+://, which (is none of the usual kinds: |no channel may have)"
    ):
        channels(url)


def test_a_kind_can_be_added_but_for_those_that_act_on_this_machine() -> None:
    assert outlet("kodi://tv.example.com", 'schemes = ["kodi"]').scheme == "kodi"
    with pytest.raises(FieldError, match=r"outgoing.schemes\[1\]: holds dbus, which would act on this machine"):
        channels(outgoing='schemes = ["kodi", "dbus"]')


@pytest.mark.parametrize(
    "url", ["discord://geheimnis", "json://:geheimnis@", "https://geheimnis.example.com/geheimnis"]
)
def test_a_bad_address_stops_the_start_with_a_line_that_does_not_show_it(
    url: str, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "headway.toml"
    path.write_text(
        f'[[channels]]\nname = "good"\nurl = "json://example.com"\n[[channels]]\nname = "bad"\nurl = "{url}"\n'
    )
    told = subprocess.run(
        [sys.executable, "-m", "core.config", str(path)],
        cwd=ROOT,
        env=bare_environment(),
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "[[channels]] bad: url: is no address that Apprise can send to as " in told.stderr
    assert "geheimnis" not in told.stderr + told.stdout
    with pytest.raises(AddressRefused, match="Apprise can send to"):
        outlet(url)


def test_without_channels_nobody_waits_for_apprise(settings: Settings) -> None:
    code = "import app, sys; from core.settings import read; app.create_app(read({'REDIS_URL': 'unix:///nowhere'})); print('apprise' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=bare_environment(), capture_output=True, text=True
    )
    assert told.stdout == "False\n", told.stderr


def test_a_service_gets_no_attempts_attachments_and_log_of_its_own() -> None:
    one = outlet("json://example.com/?retry=5&optional=yes&rto=900&cto=900&redirect=yes")._service
    assert (one.retry, one.optional, one.attachment_support) == (0, False, False)
    assert max(one.request_timeout) <= 15
    assert isinstance(one, apprise.NotifyBase)
    assert not logging.getLogger("apprise").propagate


def test_words_of_a_library_lose_every_piece_of_the_address() -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23general?key=pa%20ss"
    said = "Failed: https://hooks/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ\nto #general with pa ss"
    assert masked(said, url) == "Failed: https://hooks/***/***/*** to *** with ***"
    assert len(masked("x" * 999, url)) == 200


def test_a_message_calls_nobody_in_a_chat() -> None:
    assert uncalling("@everyone @here a@b @all") == "@\u200beveryone @\u200bhere a@b @\u200ball"
