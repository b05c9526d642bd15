"""The React hooks, rendered by the real React in strict mode, on a real site."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.js.conftest import HERE, create, report
from tests.conftest import TOKEN, wait_until
from tests.node import Node
from tests.serving import Server

Render = Callable[..., Node]


@pytest.fixture
def render(node: Callable[..., Node], headway: Server) -> Render:
    """Renders a hook: `render("item", …options)`; says what each painting shows."""

    def begin(hook: str, **options: Any) -> Node:
        return node(HERE / "hooks.mjs", headway.url, json.dumps({"hook": hook, "options": options}))

    return begin


def clients(site: Server) -> int:
    return int(site.get("/api/v1/progress/stats").json()["connected_clients"])


def opened(site: Server) -> int:
    """Streams opened since the start."""
    return int(site.get("/api/v1/progress/stats").json()["total_connections"])


def listening(site: Server, to: object) -> int:
    return int(site.get("/api/v1/progress/stats").json()["by_stream"].get(str(to), 0))


def ended(page: Node) -> None:
    """It ends by itself, and React complained of nothing."""
    page.finish()
    assert page.errors() == ""


def test_a_component_shows_the_updates_of_all_jobs_and_closes_its_stream_when_it_goes(
    headway: Server, render: Render
) -> None:
    before = opened(headway)
    page = render("progress", token=TOKEN)  # its address is the page's own
    page.say(["show", None])
    assert page.value() == {"updates": [], "isConnected": False, "degraded": None, "error": None}
    page.until(lambda shown: shown["isConnected"])
    wait_until(lambda: listening(headway, "all") == 1, what="one stream")
    number = create(headway)
    report(headway, number, progress=50)
    shown = page.until(lambda shown: shown["updates"] and shown["updates"][0]["progress"] == 50)[-1]
    assert shown["updates"] == [{"queue_id": number, "status": "processing", "progress": 50}]
    page.say("unmount")
    wait_until(lambda: clients(headway) == 0, what="the end of the stream")
    assert opened(headway) == before + 1  # strict mode mounts twice
    ended(page)


def test_a_component_of_one_job_follows_another_when_it_is_told_to(headway: Server, render: Render) -> None:
    first, second = create(headway), create(headway)
    report(headway, first, progress=10)
    report(headway, second, progress=20)
    page = render("item", url=headway.url, token=TOKEN)
    page.say(["show", None])
    assert page.value()["currentProgress"] is None
    page.say(["show", first])
    assert page.until(lambda shown: shown["updates"])[-1]["currentProgress"]["progress"] == 10
    wait_until(lambda: listening(headway, first) == 1, what="one stream of the first")
    page.say(["show", second])
    shown = page.until(lambda shown: shown["updates"] and shown["updates"][0]["queue_id"] == second)
    assert shown[0]["updates"] == []
    assert shown[-1]["updates"] == [{"queue_id": second, "status": "processing", "progress": 20}]
    wait_until(lambda: (listening(headway, first), listening(headway, second)) == (0, 1), what="the change")
    page.say(["show", None])
    assert page.until(lambda shown: not shown["updates"])[-1]["isConnected"] is False
    wait_until(lambda: clients(headway) == 0, what="the end of the stream")
    ended(page)


def test_a_component_shows_the_active_jobs_of_an_agent(headway: Server, render: Render) -> None:
    number = create(headway, agent="hooked", title="a.mp4")
    page = render("jobs", url=headway.url, token=TOKEN)
    page.say(["show", "hooked"])
    assert page.value() == {"activeJobs": [], "isConnected": False, "error": None}
    shown = page.until(lambda shown: shown["activeJobs"])[-1]
    assert (shown["isConnected"], shown["activeJobs"][0]["videoTitle"]) == (True, "a.mp4")
    report(headway, number, current_step="encode", progress=30)
    page.until(lambda shown: shown["activeJobs"][0]["progress"] == 30)
    report(headway, number, status="completed")
    page.until(lambda shown: shown["activeJobs"] == [])
    page.say("unmount")
    ended(page)


def test_a_component_shows_the_figures_of_tiles_and_what_is_notified(headway: Server, render: Render) -> None:
    page = render("stats", token=TOKEN)
    page.say(["show", None])
    nothing = {"stats": None, "notifications": [], "logs": [], "isConnected": False, "degraded": None, "error": None}
    assert page.value() == nothing
    page.until(lambda shown: shown["stats"])
    assert headway.put("/api/v1/tiles/requests.total", json={"value": 41}).status == 200
    assert headway.post("/api/v1/notifications", json={"title": "All orders are in"}).status == 202
    shown = page.until(lambda shown: shown["notifications"] and shown["stats"]["requests"]["total"] == 41)[-1]
    assert shown["notifications"][0]["title"] == "All orders are in"
    page.say("unmount")
    wait_until(lambda: clients(headway) == 0, what="the end of the stream")
    ended(page)


def test_a_component_says_in_words_why_it_shows_nothing(headway: Server, render: Render) -> None:
    page = render("item", url=headway.url, token=TOKEN)
    page.say(["show", 999999])
    assert "999999" in page.until(lambda shown: shown["error"])[-1]["error"]
    ended(page)


def test_hooks_render_where_there_is_no_page_and_open_nothing(node: Callable[..., Node]) -> None:
    script = node(HERE / "server_side.mjs")
    assert script.value() == "<p>[[],false,null,[],null,[]]</p>"
    assert script.finish() == []
    assert script.errors() == ""
