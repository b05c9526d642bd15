"""What every page has around its content, and the first paint of the observability page."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.headers import CDN
from core.site import Site
from panels import PANELS
from routes.pages import LIBRARIES, PAGES
from tests.conftest import TOKEN
from tests.told import stands

ROOT = Path(__file__).parents[2]
OBSERVABILITY = "/dashboard/observability"


def test_the_first_page_leads_to_the_observability_page(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.location) == (302, OBSERVABILITY)


def test_the_first_paint_holds_every_panel_whole_and_in_order(client: FlaskClient, site: Site) -> None:
    stands(site)  # some panels are of brokers alone
    page = client.get(OBSERVABILITY).text
    shown = {name: panel for name, panel in PANELS.items() if panel.stands_on("observability")}
    assert re.findall(r'data-live="([a-z-]+)"', page) == list(shown)
    for name, panel in shown.items():
        partial = client.get(f"/dashboard/api/{name}-html")
        assert f'hx-get="/dashboard/api/{name}-html" hx-trigger="every {panel.every}s, catchup"' in page
        assert partial.status_code == 200


def test_an_unchanged_panel_of_the_first_paint_is_not_sent_again(client: FlaskClient) -> None:
    page = client.get(OBSERVABILITY).text
    etag = re.search(r'data-live="recent-uploads" data-etag="([^"]+)"', page)
    assert etag
    tag = etag[1].replace("&#34;", '"')
    assert client.get("/dashboard/api/recent-uploads-html", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("path", [OBSERVABILITY, "/dashboard/jobs"])
def test_nothing_on_a_page_needs_more_than_the_policy_gives(client: FlaskClient, path: str) -> None:
    page = client.get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page), "a script stands in the page"
    assert not re.search(r"<[^>]+\sstyle=", page)
    assert not re.search(r"<[^>]+\son[a-z]+=", page)
    assert "<style" not in page


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=lambda library: library.name)
def test_our_copy_of_a_library_is_what_the_hash_says(library, client: FlaskClient) -> None:  # type: ignore[no-untyped-def]
    copy = (ROOT / library.local.removeprefix("/")).read_bytes()
    digest = base64.b64encode(hashlib.sha384(copy).digest()).decode()
    assert library.integrity == f"sha384-{digest}"
    readme = (ROOT / "static/vendor/README.md").read_text()
    assert library.integrity in readme
    assert f"| {library.package} | {library.version} |" in readme
    assert any((ROOT / "static/vendor" / library.package).glob("LICENSE*"))
    with client.get(library.local) as answer:
        assert answer.data == copy


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=lambda library: library.name)
def test_a_library_comes_from_the_cdn_with_its_hash_and_names_our_copy(library, client: FlaskClient) -> None:  # type: ignore[no-untyped-def]
    page = client.get(OBSERVABILITY).text
    assert (
        f'<script async src="{library.cdn}" integrity="{library.integrity}" crossorigin="anonymous" '
        f'data-library="{library.name}" data-local="{library.local}"'
    ) in page
    assert library.cdn.startswith(CDN)


@pytest.mark.parametrize(("key", "name", "path"), PAGES)
def test_the_navigation_marks_the_page_one_is_on(client: FlaskClient, key: str, name: str, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert re.findall(r'<a href="([^"]+)" aria-current="page">([^<]+)</a>', page.text) == [(path, name)]


@pytest.mark.parametrize("path", [OBSERVABILITY, "/dashboard/jobs", "/dashboard/jobs/rows"])
def test_pages_are_for_those_who_may_read(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    assert answer.status_code in (303, 401)


def test_links_carry_the_path_that_the_site_is_served_under(settings, store) -> None:  # type: ignore[no-untyped-def]
    app = create_app(replace(settings, url="https://example.com/headway"))
    client = app.test_client()
    answer = client.get(
        OBSERVABILITY,
        headers={"Authorization": f"Bearer {TOKEN}", "Host": "example.com"},
        base_url="https://example.com/",
    )
    assert answer.status_code == 200
    addresses = re.findall(r'(?:href|src|hx-get|action|data-local)="(/[^"]*)"', answer.text)
    assert addresses
    assert not [address for address in addresses if not address.startswith("/headway/")]
    assert "curl https://example.com/headway/api/v1/queue" in answer.text
    app.extensions["headway"].store.close()


@pytest.mark.parametrize(
    ("host", "address"),
    [("::1", "http://[::1]:8000"), ("[::]", "http://localhost:8000"), ("10.0.0.7", "http://10.0.0.7:8000")],
)
def test_lines_to_copy_name_an_address_that_can_be_called(settings, store, host: str, address: str) -> None:  # type: ignore[no-untyped-def]
    client = create_app(replace(settings, host=host)).test_client()
    page = client.get("/dashboard/jobs", headers={"Authorization": f"Bearer {TOKEN}"}).text
    assert f"curl {address}/api/v1/queue" in page


def test_a_name_that_nobody_passes_is_an_error(app: Flask) -> None:
    with app.test_request_context("/"), pytest.raises(Exception, match="'unheard_of' is undefined"):
        app.jinja_env.from_string("{{ unheard_of }}").render()
