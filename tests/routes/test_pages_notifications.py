"""The list of notifications, as it is read without a script."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.settings import Settings
from core.site import Site
from core.store import Store
from routes import notification_list
from services import notifications_service
from services.notification_model import NewNotification
from services.notification_sender import Sender
from tests.conftest import TOKEN
from tests.panels.boards import HOSTILE, Parts
from tests.services.channels import configured
from tests.visitors import READ, bearer, browser, form_token

LIST, ADMIN = "/dashboard/notifications", "/dashboard/admin"


def note(site: Site, title: str, **said: Any) -> str:
    return notifications_service.create(site, NewNotification(title, **said)).notification.id


def fail(site: Site, title: str) -> str:
    """A notification for a channel that is no longer there when it is sent."""
    once = replace(site, config=configured('name = "ops"\nurl = "json://127.0.0.1:1/"'))
    id = note(once, title, channel="ops")
    Sender(site).run(site)
    return id


def titles(page: str) -> list[str]:
    rows = re.findall(r'<tr id="notification-[^"]+">.*?</td>', page, re.DOTALL)
    return [re.findall(r'title="([^"]*)"', row)[0] for row in rows]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification_list, "LIMIT", 2)
    monkeypatch.setattr(notification_list, "NEWEST", 2)


def test_notifications_stand_newest_first_with_what_became_of_them(client: FlaskClient, site: Site) -> None:
    fail(site, "backup failed")
    note(site, "disk almost full", body="97 % of the archive", level="warning")
    page = client.get(LIST).text
    assert titles(page) == ["disk almost full", "backup failed"]
    words = Parts(page).text
    assert "disk almost full 97 % of the archive warning pending –" in words
    assert "backup failed info failed ops no such channel is configured any more" in words
    assert "2 notifications" in words


def test_one_that_waits_says_until_when_and_what_comes_next(settings: Settings, store: Store) -> None:
    quiet = [f"{datetime.now(UTC) + timedelta(hours=hours):%H:%M}" for hours in (-1, 1)]
    night = f'name = "night"\nurl = "json://127.0.0.1:1"\nquiet = {{ since = "{quiet[0]}", until = "{quiet[1]}", but = [] }}'
    app = create_app(settings, configured(night, 'name = "down"\nurl = "json://127.0.0.1:1"'))
    site: Site = app.extensions["headway"]
    note(site, "for the morning", channel="night")
    note(site, "in vain", channel="down")
    sender = Sender(site)
    sender.run(site)
    for lane in sender._lanes:
        lane.join(30)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    words = Parts(client.get(LIST).text).text
    assert re.search(r"for the morning info pending night waiting quiet until \d", words)
    assert re.search(r"in vain info pending down waiting .*? next try \d", words)
    app.extensions["headway"] = replace(site, clock=lambda: time.time() + 3600)
    assert re.search(r"in vain info pending down waiting .*? next try soon", Parts(client.get(LIST).text).text)
    site.store.close()


def test_a_long_text_is_there_as_a_whole(client: FlaskClient, site: Site) -> None:
    note(site, "short", body="97 %")
    note(site, "long", body="line\n" * 800)
    page = client.get(LIST).text
    assert page.count("<details ") == 1
    assert page.count("line\n") >= 799


@pytest.mark.usefixtures("small_pages")
def test_the_admin_page_shows_the_newest_and_leads_to_the_others(client: FlaskClient, site: Site) -> None:
    fail(site, "one")
    for title in ("two", "three"):
        note(site, title)
    page = client.get(ADMIN).text
    assert titles(page) == ["three", "two"]
    words = Parts(page).text
    assert "0 sent, 2 pending, 1 failed" in words
    assert "All 3 notifications" in words
    assert f'href="{LIST}?state=failed"' in page


@pytest.mark.usefixtures("small_pages")
def test_older_ones_are_pages_of_their_own(client: FlaskClient, site: Site) -> None:
    for n in range(5):
        note(site, str(n))
    address, pages = LIST, list[list[str]]()
    while address:
        page = client.get(address).text
        pages.append(titles(page))
        link = re.search(r'rel="next" href="([^"]+)"', page)
        address = link[1].replace("&amp;", "&") if link else ""
    assert pages == [["4", "3"], ["2", "1"], ["0"]]


def test_the_list_is_narrowed_by_state(client: FlaskClient, site: Site) -> None:
    fail(site, "broken")
    note(site, "waits")
    assert titles(client.get(f"{LIST}?state=failed").text) == ["broken"]
    assert titles(client.get(f"{LIST}/rows?state=pending").text) == ["waits"]
    assert "None is sent now." in client.get(f"{LIST}?state=sent").text


@pytest.mark.parametrize("query", ["state=lost", "before=x", "before=-1", "before=" + "9" * 5000])
def test_what_no_filter_can_be_is_refused(client: FlaskClient, query: str) -> None:
    assert client.get(f"{LIST}?{query}").status_code == 400


def test_a_failed_one_can_be_sent_again_from_where_its_row_stands(app: Flask, site: Site) -> None:
    id = fail(site, "backup failed")
    here = browser(app)
    page = here.get(f"{LIST}?state=failed").text
    (action,) = re.findall(r'form="resend" formaction="([^"]+)"', page)
    (back,) = set(re.findall(r'name="back" value="([^"]+)"', page))
    assert action == f"{LIST}/{id}/resend"
    answer = here.post(action, data={"csrf_token": form_token(here, LIST), "back": back})
    assert answer.status_code == 303
    after = here.get(answer.headers["Location"]).text
    assert "It is on its way again" in after
    assert notifications_service.counts(site).pending == 1


def test_the_test_button_leads_back_and_says_how_it_went(app: Flask) -> None:
    here = browser(app)
    assert 'form="test-notification"' in here.get(ADMIN).text
    answer = here.post(f"{LIST}/test", data={"csrf_token": form_token(here, ADMIN), "back": ADMIN})
    assert "No channel is configured, so there is nothing to test" in here.get(answer.headers["Location"]).text


def test_who_may_only_look_gets_no_form(guarded: Flask) -> None:
    for path in (LIST, ADMIN):
        page = guarded.test_client().get(path, headers=bearer(READ)).text
        assert 'id="resend"' not in page
        assert " may-act" not in page


def test_hostile_texts_and_links_stay_text(client: FlaskClient, site: Site) -> None:
    note(site, HOSTILE[:400], body=HOSTILE)
    parts = Parts(client.get(f"{LIST}/rows").text)
    assert {"img", "script", "iframe"}.isdisjoint(parts.tags)
    assert not any(name.startswith("on") for name, _ in parts.attributes)
    assert HOSTILE[:20] in parts.text


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("/dashboard/alerts", "/dashboard/alerts"),
        ("https://x.example/a", "https://x.example/a"),
        ("//evil.example", None),
        ("/\\evil.example", None),
        ("javascript:alert(1)", None),
        (None, None),
    ],
)
def test_a_link_leads_to_a_path_of_ours_or_an_http_address(app: Flask, link: str | None, leads: str | None) -> None:
    assert app.jinja_env.globals["leads_to"](link) == leads
