"""What turns the direction of a text unseen turns nothing on a page, and is seen, without a word of the templates about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from jinja2 import Environment
from markupsafe import Markup

from app import create_app
from core import config
from core.settings import Settings
from core.store import Store
from panels import _directions as directions
from panels._directions import READ_OUT, Directions, Place, heard, seen
from services import alerts_service
from tests.conftest import TOKEN
from tests.routes.upload_calls import send

TEMPLATES = Path(__file__).parents[2] / "templates"
TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
EVIL = "Report \u202eevil\u202c"
SEEN = 'Report <bdi class="code-point">U+202E</bdi>evil<bdi class="code-point">U+202C</bdi>'
HEARD = "Report \ufffdevil\ufffd"


@pytest.fixture
def templates() -> Environment:
    made = Environment(autoescape=True, extensions=[Directions])
    made.filters.update(seen=seen, heard=heard)
    return made


@pytest.mark.parametrize("text,html", [
    ("Report \u202eevil\u202c done", "Report {}evil{} done".format(*(f'<bdi class="code-point">U+{code}</bdi>' for code in ("202E", "202C")))),
    ("<b>\u2066\u200f", '&lt;b&gt;<bdi class="code-point">U+2066</bdi><bdi class="code-point">U+200F</bdi>'),
    ("عاجل תשלום 17", "عاجل תשלום 17"),
])  # fmt: skip
def test_what_turns_the_direction_of_a_text_unseen_is_seen_and_turns_nothing(text: str, html: str) -> None:
    assert directions.written(text) == html
    assert not set(directions.plain(text)) & set("\u202e\u202c\u2066\u200f")
    assert len(directions.plain(text)) == len(text)


@pytest.mark.parametrize("source,html", [
    ("<p>{{ x }}</p>{{ x }}", f"<p>{SEEN}</p>{SEEN}"),
    ('<p title="Of {{ x }}: {{ x }}" aria-label="{{ x }}">{{ x }}', f'<p title="Of {HEARD}: {HEARD}" aria-label="{HEARD}">{SEEN}'),
    ('<input value="{{ x }}"><a href="{{ x }}" title="a > b">{{ x }}</a>', f'<input value="{EVIL}"><a href="{EVIL}" title="a > b">{SEEN}</a>'),
    ('<option value="{{ x }}">{{ x }}</option>{{ x }}', f'<option value="{EVIL}">{HEARD}</option>{SEEN}'),
    ("<title>{{ x }}</title><textarea>{{ x }}</textarea><b>{{ x }}</b>", f"<title>{HEARD}</title><textarea>{EVIL}</textarea><b>{SEEN}</b>"),
    ('<i{% if x %} title="{{ x if x }}"{% endif %}>{{ x if not x }}{{ x ~ "<" }}', f'<i title="{HEARD}">{SEEN}&lt;'),
    ('{% macro m(y) %}<u title="{{ y }}">{{ y }}</u>{% endmacro %}{{ m(x) }}', f'<u title="{HEARD}">{SEEN}</u>'),
    ("{{ markup }}{{ 17 }}{{ none }}", "<b>\u202e</b>17None"),
])  # fmt: skip
def test_where_a_text_stands_decides_how_it_is_written(templates: Environment, source: str, html: str) -> None:
    assert templates.from_string(source).render(x=EVIL, markup=Markup("<b>\u202e</b>")) == html


def test_every_template_ends_where_it_began_outside_of_tags(templates: Environment) -> None:
    for file in TEMPLATES.rglob("*.html"):
        place = Place()
        for _, kind, text in templates.lex(file.read_text()):
            if kind == "data":
                place.read(text)
        assert not place.is_in_tag and place.element not in ("textarea", "script", "style"), file


DECLARED = f"""
[[tiles]]
id = "sales"
title = {json.dumps(EVIL + " tile")}
unit = {json.dumps(EVIL)}
[[alerts]]
id = "backlog"
title = {json.dumps(EVIL + " rule")}
when = {{ kind = "queue_depth", above = 0 }}
"""
TOLD = {
    "queue": {"id": "one", "agent": f"{EVIL} agent", "title": f"{EVIL} title", "queue": f"{EVIL} queue"},
    "logs": {"message": f"{EVIL} line", "source": f"{EVIL} source", "agent": f"{EVIL} agent", "job": "one"},
    "notifications": {"title": f"{EVIL} news", "body": f"{EVIL} text"},
    "deployments": {"version": f"{EVIL} v2"},
}


@pytest.fixture
def hostile(settings: Settings, store: Store) -> Iterator[FlaskClient]:
    """A site of which every room was told such a text."""
    app = create_app(settings, config.parse(DECLARED, {}))
    app.testing = True
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    for path, body in TOLD.items():
        answer = client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code < 300, answer.text
    assert client.put("/api/v1/tiles/sales", json={"value": 1}).status_code == 200
    send(client, b'{"id":"a"}', f"{EVIL} file.ndjson")
    alerts_service.check(app.extensions["headway"])
    yield client
    app.extensions["headway"].store.close()


class Shown(HTMLParser):
    """All that a reader of a page sees or hears."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value for name, value in attrs if name in READ_OUT and value]


def test_on_no_page_it_turns_anything(hostile: FlaskClient) -> None:
    for place, named in {
        "observability": "", "admin": "tile", "charts": "", "jobs": "title", "queues": "queue", "agents": "agent", "logs": "line", "logs/view": "source",
        "alerts": "rule", "notifications": "text", "uploads": "file.ndjson", "history": "",
    }.items():  # fmt: skip
        texts = Shown(hostile.get(f"/dashboard/{place}").text).texts
        assert not [text for text in texts if TURNS.search(text)], place
        assert not named or f"Report U+202EevilU+202C {named}" in "".join(texts), place
