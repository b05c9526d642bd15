"""The page in a real Chromium, served by a real Headway on a real store."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

from routes.pages import CDN, LIBRARIES
from scripts.shots import SCHEMES
from tests.conftest import GENEROUS_MS, TOKEN, Valkey, free_port, wait_until
from tests.serving import Server

ROOT = Path(__file__).parents[2]
OBSERVABILITY = "/dashboard/observability"
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SERIOUS = ("serious", "critical")
MODERATE = ("landmark-unique",)
"""What axe thinks moderate and would leave a reader's list of regions useless."""
RULES = {"rules": {"target-size": {"enabled": True}}}
"""What axe looks at only where it is told to."""
CONTRAST = {"runOnly": ["color-contrast"]}
"""What differs in another theme."""
Cdn = Literal["up", "down", "silent", "forged"]
Stream = Literal["shared", "own", "none"]
"""How a page gets its stream: shared with its browser's other tabs, by itself, or not at all, so that it polls."""
LACKS = {
    "shared": "",
    "own": "delete globalThis.SharedWorker;",
    "none": "delete globalThis.SharedWorker; delete globalThis.EventSource;",
}

WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""

REMEMBER = """() => {
  window.before = [...document.querySelectorAll("canvas")].map((canvas) => [canvas, Chart.getChart(canvas)]);
  return window.before.length;
}"""
SAME = """() => [...document.querySelectorAll("canvas")].every(
  (canvas, at) => canvas === window.before[at][0] && Chart.getChart(canvas) === window.before[at][1])"""


@dataclass
class Site:
    """A running Headway whose store can be stopped."""

    server: Server
    store: Valkey

    @property
    def url(self) -> str:
        return self.server.url

    def ask(self, method: str, path: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def make(self, title: str, **changes: Any) -> int:
        """A job, changed once where changes are named; its number."""
        number = int(self.ask("POST", "/api/v1/queue", {"title": title})["queue_id"])
        if changes:
            self.change(number, **changes)
        return number

    def change(self, number: int, **changes: Any) -> None:
        self.ask("PUT", f"/api/v1/queue/{number}", changes)

    def page_streams(self) -> int:
        """Streams of pages that are open now, of one web process."""
        text = self.server.get("/metrics?scope=instance").text
        (line,) = [line for line in text.splitlines() if line.startswith('headway_stream_clients{transport="page"}')]
        return int(float(line.split()[1]))


@dataclass
class Visit:
    """One reader's page, and what went wrong in it."""

    page: Page
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def polls(self, name: str) -> int:
        """How often the page asked for a panel."""
        return sum(1 for url in self.asked if url.endswith(f"/dashboard/api/{name}-html"))

    def text(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).inner_text().split())

    def until(self, function: str, argument: Any = None) -> Any:
        """The first true answer of a function in the page, which its policy lets nobody write as a string."""

        def holds() -> Any:
            self.page.wait_for_timeout(50)
            return self.page.evaluate(function, argument)

        return wait_until(holds, what=function)

    def looks_right(self, *widths: int) -> None:
        """Nothing scrolls sideways at any of the widths, and axe finds nothing serious in either theme. The page must have been
        opened with `bypass_csp=True`, since axe runs as a string."""
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": 800})
            assert self.page.evaluate(SIDEWAYS) <= 0, width
        for scheme, rules in zip(SCHEMES, (RULES, CONTRAST), strict=True):
            self.page.emulate_media(color_scheme=scheme)
            violations = Axe().run(self.page, options=rules).response["violations"]
            found = [one for one in violations if one["impact"] in SERIOUS or one["id"] in MODERATE]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], scheme

    def live(self) -> None:
        """Wait until the page can poll and its charts are drawn."""
        self.until(
            "() => window.htmx && (!document.querySelector('canvas') || 'charts' in document.documentElement.dataset)"
        )

    def streaming(self) -> None:
        """Wait until the stream is open."""
        self.live()
        self.until("() => document.querySelector('.state[data-streaming][data-state=live]')")
        self.asked.clear()

    @property
    def asked_for_parts(self) -> list[str]:
        """The addresses of parts that the page asked for by itself."""
        return [url for url in self.asked if url.split("?")[0].endswith(("-html", "/state", "/rows"))]


def start_site() -> Iterator[Site]:
    store = Valkey().start()
    server = Server(free_port(), TOKEN, {"REDIS_URL": store.url})
    try:
        yield Site(server.start(), store)
    finally:
        server.close()
        store.close()


@pytest.fixture(scope="module")
def headway() -> Iterator[Site]:
    """One Headway for the tests of a module that leave it running."""
    yield from start_site()


@pytest.fixture
def shaken(headway: Site) -> Iterator[Site]:
    """The module's Headway, to be stopped and started: whole again after the test, but what its store held may be gone."""
    yield headway
    mend(headway)


def mend(site: Site) -> None:
    if not site.store.answers():
        site.store.start()
    if not site.server.answers():
        site.server.start()
    wait_until(lambda: site.server.get("/readyz").status == 200, what="readiness")


@pytest.fixture
def own_headway() -> Iterator[Site]:
    """A Headway of the test's own, on which nothing was done."""
    yield from start_site()


def answer_for_cdn(state: Cdn) -> Callable[[Route], None]:
    copies = {library.cdn: (ROOT / library.local.removeprefix("/")).read_bytes() for library in LIBRARIES.values()}

    def answer(route: Route) -> None:
        if state == "down":
            route.abort("namenotresolved")
        elif state in ("up", "forged"):
            body = copies[route.request.url] + (b"\n// another byte" if state == "forged" else b"")
            headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/javascript"}
            route.fulfill(body=body, headers=headers)

    return answer


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Signs in and opens a page: `visit(site, path, cdn="up", stream="shared", **context options)`, in the browser `whole`
    instead of the tests' own. Any fault in it fails the test."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def go(
        site: Site,
        path: str = OBSERVABILITY,
        *,
        cdn: Cdn = "up",
        stream: Stream = "shared",
        faults: bool = False,
        whole: Browser | None = None,
        **options: Any,
    ) -> Visit:
        context = (whole or browser).new_context(**{"reduced_motion": "reduce", **options})
        contexts.append(context)
        context.set_default_timeout(GENEROUS_MS)
        context.add_init_script(WATCH_POLICY)
        context.add_init_script(LACKS[stream])
        context.route(f"{CDN}/**", answer_for_cdn(cdn))
        one = Visit(context.new_page())
        if not faults:
            visits.append(one)
        watch(one)
        sign_in(context, site.url)
        one.page.goto(site.url + path, wait_until="domcontentloaded")
        return one

    yield go
    for context in contexts:
        context.close()
    for one in visits:
        assert one.faults == []


def sign_in(context: BrowserContext, url: str) -> None:
    """What the form does, without the two pages around it."""
    form = context.request.get(f"{url}/login").text()
    found = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert found, form
    fields = {"csrf_token": found[1], "token": TOKEN}
    answer = context.request.post(f"{url}/login", form=fields, headers={"Origin": url}, max_redirects=0)
    assert answer.status == 303, answer.text()


def watch(visit: Visit) -> Visit:
    """Keep what a page asks for, and what goes wrong in it."""
    visit.page.on("console", lambda message: _note(visit, message))
    visit.page.on("pageerror", lambda error: visit.faults.append(f"error: {error}"))
    visit.page.on("request", lambda request: visit.asked.append(request.url))
    return visit


def _note(visit: Visit, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        visit.faults.append(f"{message.type}: {message.text} {message.location.get('url', '')}")
