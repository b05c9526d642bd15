"""The range of time that the page and its panels are asked for."""

from __future__ import annotations

import json
import re

import pytest
from flask.testing import FlaskClient

from services.windows import RANGES

PAGE = "/dashboard/observability"


def polled(page: str) -> dict[str, str]:
    """What each panel is called on the page, and where it polls."""
    return dict(re.findall(r'data-live="([^"]+)".*?hx-get="([^"]+)"', page, re.S))


def chosen(page: str) -> list[str]:
    return re.findall(r'<a href="\?range=(\w+)" aria-current="true">', page)


def test_the_page_offers_every_range_and_shows_an_hour_unless_told(client: FlaskClient) -> None:
    page = client.get(PAGE).text
    assert re.findall(r'<a href="\?range=(\w+)"', page) == list(RANGES)
    assert chosen(page) == ["1h"]
    assert polled(page)["success-rate"] == "/dashboard/api/success-rate-html"


@pytest.mark.parametrize("name", RANGES)
def test_each_range_has_a_page_that_is_whole_without_a_script(client: FlaskClient, name: str) -> None:
    page = client.get(f"{PAGE}?range={name}").text
    assert chosen(page) == [name]
    series = json.loads(re.search(r'id="plot-queue-depth"[^>]* data-series="([^"]+)"', page)[1].replace("&#34;", '"'))  # type: ignore[index]
    assert len(series["at"]) == RANGES[name].steps


def test_panels_with_a_range_are_polled_at_it_and_others_as_ever(client: FlaskClient) -> None:
    found = polled(client.get(f"{PAGE}?range=6h").text)
    assert found["success-rate:6h"] == "/dashboard/api/success-rate-html?range=6h"
    assert found["redis-latency"] == "/dashboard/api/redis-latency-html"
    assert client.get(found["success-rate:6h"]).text.count("last 6 hours") == 3


def test_each_range_of_a_panel_has_its_own_tag(client: FlaskClient) -> None:
    hour, day = (client.get(f"/dashboard/api/success-rate?range={name}") for name in ("1h", "24h"))
    assert hour.json["range"] == "1h" and day.json["range"] == "24h"
    assert hour.headers["ETag"] != day.headers["ETag"]
    assert client.get("/dashboard/api/success-rate").json["range"] == "1h"


@pytest.mark.parametrize("path", [PAGE, "/dashboard/api/queue-depth", "/dashboard/api/queue-depth-html"])
@pytest.mark.parametrize("name", ["2h", "1H", "60", "%00"])
def test_another_range_is_refused_with_the_choices(client: FlaskClient, path: str, name: str) -> None:
    answer = client.get(f"{path}?range={name}")
    assert answer.status_code == 422
    assert "15m, 1h, 6h, 24h, 7d" in answer.text
