"""What a channel reads: templates with their fields put in literally, digests that fit, no line where none should be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.config import Channel, Level
from core.fields import FieldError
from core.settings import Settings
from services import notification_text
from services.notification_model import Notification
from tests.services.channels import configured

HOSTILE = [
    "{{7*7}}",
    "{title.__class__}",
    "%s %(title)s %n",
    "${HOME}",
    "{% raw %}{% endraw %}",
    "{body}",
    "\\1",
    "{0}",
]


def note(title: str = "Title", body: str = "", level: Level = "info", id: str = "n1", **more: Any) -> Notification:
    kept = {"channel": None, "source": "api", "link": None, "finished_at": None, "deliveries": (), **more}
    created = datetime(2026, 11, 21, 18, 1, 2, 345_000, tzinfo=UTC)
    return Notification(
        number=1, id=id, title=title, body=body, level=level, state="pending", created_at=created, **kept
    )


def channel(title: str = "{title}", body: str = "{body}") -> Channel:
    return Channel("ops", "json://127.0.0.1", title=title, body=body)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_looks_like_a_template_in_a_title_or_a_body_stays_as_it_is(settings: Settings, text: str) -> None:
    made = notification_text.message(
        settings, channel("{level}: {title}", "{body} of {site}"), [note(text, text)], [], 1000
    )
    assert made.title == f"info: {text}"
    assert made.body == f"{text} of 127.0.0.1:8000\n\nNotification n1"


def test_templates_have_a_fixed_list_of_fields(settings: Settings) -> None:
    template = '{title}|{body}|{level}|{id}|{site}|{link}|{time}|{source}|{channel}|{ }|{"a": 1}'
    made = notification_text.message(
        settings, channel(body=template), [note("T", "B", source="alert:slow", link="/dashboard/alerts")], [], 1000
    )
    assert made.body.splitlines()[0] == (
        "T|B|info|n1|127.0.0.1:8000|http://127.0.0.1:8000/dashboard/alerts|2026-11-21T18:01:02.345Z|alert:slow|ops|{ }|"
        '{"a": 1}'
    )


@pytest.mark.parametrize(
    "template", ["{titel}", "{title.__class__}", "{title!r}", "{title:>9}", "{title[0]}", "x {self}"]
)
@pytest.mark.parametrize("field", ["title", "body"])
def test_a_template_that_names_another_field_is_refused_at_the_start(field: str, template: str) -> None:
    with pytest.raises(FieldError, match=r"ops: " + field + r": names \{.*\}; the fields are \{title\}, \{body\}"):
        configured(f'name = "ops"\nurl = "json://127.0.0.1"\n{field} = "{template}"')


def test_a_title_is_one_line_and_bears_no_control_character(settings: Settings) -> None:
    made = notification_text.message(
        settings, channel(), [note("a\r\nBcc: x\x1b[31m\x00\u2028b", "c\x1b[0m\r\nd\te")], [], 1000
    )
    assert made.title == "a Bcc: x [31m b"
    assert made.body == "c[0m\nd\te\n\nNotification n1"


@pytest.mark.parametrize("room", [160, 2000, 32_768])
@pytest.mark.parametrize("many", [1, 5, 20])
def test_a_message_fits_and_names_each_notification_in_it(settings: Settings, room: int, many: int) -> None:
    many = min(many, notification_text.together(room))
    some = [note("t" * 500, "b" * 4000, id=f"{n:036}") for n in range(many)]
    made = notification_text.message(settings, channel(), some, [], room)
    assert len(made.title) <= 250
    assert len(made.title) + len(made.body) <= room
    assert all(f"Notification {one.id}" in made.body for one in some)


def test_those_that_may_have_come_before_say_so_in_a_digest(settings: Settings) -> None:
    made = notification_text.message(settings, channel(), [note(id="a"), note(id="b")], ["b"], 2000)
    assert made.body.splitlines() == [
        "[info] Title",
        "Notification a",
        "",
        "[info] Title",
        "Notification b, may be repeated",
    ]
    assert made.repeated
