"""Notifications over HTTP: noting, reading, and the buttons of their page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from core.settings import Settings
from core.site import Site
from core.store import Store
from services import notifications_service
from services.notification_sender import Sender
from tests.routes.queue_calls import problem
from tests.services.channels import Receiver, configured, receiver
from tests.visitors import BY_SCOPE, bearer, browser, form_token, with_tokens

API = "/api/v1/notifications"
PAGE = "/dashboard/notifications"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def declared(settings: Settings, store: Store, hook: Receiver) -> Iterator[Flask]:
    """The application with a token of every scope and the channels `ops` and `mail`."""
    channels = [f'name = "{name}"\nurl = "{hook.url}"' for name in ("ops", "mail")]
    app = create_app(with_tokens(settings), configured(*channels))
    app.testing = True
    yield app
    app.extensions["headway"].store.close()


def note(client: FlaskClient, **fields: Any) -> TestResponse:
    return client.post(API, json={"title": "hello", **fields})


def send_all(app: Flask) -> None:
    site: Site = app.extensions["headway"]
    sender = Sender(site)
    sender.run(site)
    for lane in sender._lanes:
        lane.join(30)


def test_a_notification_is_taken_and_read_again(client: FlaskClient) -> None:
    answer = note(client, body="all is well", level="success")
    assert answer.status_code == 202
    told = answer.get_json()
    assert told.pop("applied") is True
    assert {name: told[name] for name in ("title", "body", "level", "channel", "state", "source")} == {
        "title": "hello", "body": "all is well", "level": "success", "channel": None, "state": "pending", "source": "api",
    }  # fmt: skip
    assert answer.headers["Location"] == f"{API}/{told['id']}"
    assert client.get(f"{API}/{told['id']}").get_json() == told
    assert client.get(API).get_json() == {"items": [told], "next_cursor": None, "total": 1}


def test_a_repeat_of_an_id_changes_nothing(client: FlaskClient) -> None:
    assert note(client, id="nightly-17").status_code == 202
    again = note(client, id="nightly-17", title="other")
    assert (again.status_code, again.get_json()["applied"], again.get_json()["title"]) == (200, False, "hello")
    assert client.get(API).get_json()["total"] == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": ""}, "title: should be text of 1 to 500 characters."),
        ({"title": None}, "title: should be text of 1 to 500 characters."),
        ({"title": "x" * 501}, "title: should be text of 1 to 500 characters."),
        ({"body": "x" * 4001}, "body: should be text of at most 4,000 characters."),
        ({"level": "loud"}, "level: should be one of info, success, warning, error."),
        ({"level": True}, "level: should be one of info, success, warning, error."),
        ({"id": "../x"}, "id: should be 1 to 128 of letters, digits and ._:- with a letter or a digit first."),
        ({"to": "ops"}, "to: is no field here; the fields are body, channel, id, level, title."),
        (
            {"channel": "sms"},
            "channel: names sms, which is no channel: configured are ops, mail; page is always there.",
        ),
        ({"title": "a\0b"}, "Title: holds a NUL character: remove it."),
    ],
)
def test_bad_input_is_told_what_to_change(declared: Flask, fields: dict[str, Any], says: str) -> None:
    client = declared.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {BY_SCOPE['ingest']}"
    problem(note(client, **fields), 422, says)
    assert notifications_service.counts(declared.extensions["headway"]).pending == 0


@pytest.mark.parametrize(
    ("said", "kept"),
    [(None, "info"), ("debug", "info"), ("INFO", "info"), ("Success", "success"), ("warn", "warning"), ("ERR", "error"),
     ("critical", "error"), (40, "error"), ("30", "warning")],
)  # fmt: skip
def test_a_level_goes_by_any_name_that_logs_take(client: FlaskClient, said: object, kept: str) -> None:
    answer = note(client, level=said)
    assert (answer.status_code, answer.get_json()["level"]) == (202, kept)


def test_where_no_channel_is_configured_one_that_names_any_stands_on_the_page(app: Flask, client: FlaskClient) -> None:
    for channel in ("ops", "page"):
        told = note(client, channel=channel).get_json()
        assert (told["channel"], told["state"]) == (channel, "pending")
    send_all(app)
    sent = client.get(f"{API}?state=sent").get_json()["items"]
    assert [(one["channel"], [each["channel"] for each in one["deliveries"]]) for one in sent] == [
        ("page", ["page"]), ("ops", ["page"]),
    ]  # fmt: skip


def test_a_test_of_a_channel_that_went_is_told_that_none_is_configured(client: FlaskClient) -> None:
    answer = client.post(f"{PAGE}/test", data={"channel": "ops"})
    assert answer.headers["Location"].endswith("told=no-channel")
    assert client.get(API).get_json()["total"] == 0


def test_pages_of_a_state_lead_on_by_cursor(declared: Flask, hook: Receiver) -> None:
    client = declared.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {BY_SCOPE['admin']}"
    ids = [note(client, title=f"number {n}").get_json()["id"] for n in range(5)]
    send_all(declared)
    late = note(client).get_json()["id"]
    first = client.get(f"{API}?state=sent&limit=3").get_json()
    assert ([one["id"] for one in first["items"]], first["total"]) == (ids[:1:-1], 5)
    second = client.get(f"{API}?state=sent&limit=3&cursor={first['next_cursor']}").get_json()
    assert ([one["id"] for one in second["items"]], second["next_cursor"]) == (ids[1::-1], None)
    assert [one["id"] for one in client.get(f"{API}?state=pending").get_json()["items"]] == [late]
    problem(client.get(f"{API}?state=lost"), 422, "state should be one of pending, sent, failed.")
    problem(client.get(f"{API}/none"), 404, "There is no notification 'none'")
    assert len(hook.came) == 2


def test_who_may_write_may_not_read_and_the_other_way_round(guarded: Flask) -> None:
    client = guarded.test_client()
    for scope, writes, reads in (("ingest", 202, 403), ("read", 403, 200), ("metrics", 403, 403), ("admin", 202, 200)):
        by = bearer(BY_SCOPE[scope])
        assert client.post(API, json={"title": "x"}, headers=by).status_code == writes
        assert client.get(API, headers=by).status_code == reads
    signed_in = browser(guarded)
    token = form_token(signed_in, "/dashboard/observability")
    answer = signed_in.post(API, json={"title": "x"}, headers={"X-CSRF-Token": token})
    assert answer.status_code == 403


def test_no_more_are_taken_than_can_wait(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications_service, "MOST_WAITING", 2)
    assert [note(client).status_code for _ in range(3)] == [202, 202, 429]
    answer = note(client)
    problem(answer, 429, "This one is not stored: 2 notifications wait already.")
    assert answer.headers["Retry-After"] == "60"


def test_the_test_button_sends_to_one_channel_or_to_each(declared: Flask, hook: Receiver) -> None:
    client = browser(declared)
    token = form_token(client, "/dashboard/observability")
    one = client.post(f"{PAGE}/test", data={"csrf_token": token, "channel": "ops"})
    assert (one.status_code, one.headers["Location"]) == (303, f"{PAGE}?told=test-sent")
    each = client.post(f"{PAGE}/test", data={"csrf_token": token, "back": "/dashboard/admin?state=failed&told=x"})
    assert each.headers["Location"] == "/dashboard/admin?state=failed&told=test-sent"
    send_all(declared)
    assert sorted(came.title for came in hook.came) == [
        "2 notifications from 127.0.0.1:8000: 2 info", "Test from Headway",
    ]  # fmt: skip
    assert client.post(f"{PAGE}/test", data={"csrf_token": token, "channel": "sms"}).status_code == 422


def test_a_failed_one_is_sent_again_by_its_button(declared: Flask, hook: Receiver) -> None:
    site: Site = declared.extensions["headway"]
    client = browser(declared)
    token = form_token(client, "/dashboard/observability")
    outcome = notifications_service.create(site, notifications_service.NewNotification("x", channel="ops"))
    id = outcome.notification.id
    kept = client.post(f"{PAGE}/{id}/resend", data={"csrf_token": token})
    assert kept.headers["Location"] == f"{PAGE}?told=not-failed"
    bare: Site = create_app(site.settings).extensions["headway"]
    Sender(bare).run(bare)
    bare.store.close()
    failed = notifications_service.get(site, id)
    assert isinstance(failed, notifications_service.Notification)
    assert (failed.state, failed.error) == ("failed", "ops: no such channel is configured any more")
    answer = client.post(f"{PAGE}/resend", data={"csrf_token": token, "id": id, "back": "//evil.example"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?told=sent-again")
    send_all(declared)
    assert [came.ids for came in hook.came] == [[id]]
    assert client.post(f"{PAGE}/none/resend", data={"csrf_token": token}).status_code == 404


@pytest.mark.parametrize("path", ["/test", "/x/resend", "/resend"])
def test_the_buttons_are_for_admins_with_our_token(guarded: Flask, path: str) -> None:
    assert browser(guarded).post(PAGE + path, data={"id": "x"}).status_code == 403
    reader = guarded.test_client()
    assert reader.post(PAGE + path, headers=bearer(BY_SCOPE["read"])).status_code == 403
    assert notifications_service.counts(guarded.extensions["headway"]).pending == 0


def test_metrics_count_what_came_of_notifications(declared: Flask, hook: Receiver) -> None:
    client = declared.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {BY_SCOPE['admin']}"
    hook.statuses = [500]
    note(client, channel="ops")
    note(client, channel="mail")
    send_all(declared)
    text = client.get("/metrics").text
    for line in (
        'headway_notifications_total{state="created"} 2.0', 'headway_notifications_total{state="sent"} 1.0',
        'headway_notifications_total{state="retried"} 1.0', 'headway_notifications_total{state="failed"} 0.0',
        "headway_notifications_pending 1.0",
    ):  # fmt: skip
        assert line in text
    assert "geheimnis" not in text
